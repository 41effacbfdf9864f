"""The random numbers of a token: each purpose has a stream of its own, so that none disturbs another."""

ORDER, PLACE, TURN, ACTION, RANDOM_ID, LENGTH, SIMILAR, STREAMS = range(8)
