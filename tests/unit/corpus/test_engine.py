"""The local engine: order, bounded memory, errors, death."""

import os
import time

import pytest

from erya.corpus.engines.local import map_in_order
from erya.errors import EryaError, InputError


def slow_when_even(number):
    time.sleep(0.02 if number % 2 == 0 else 0)
    return number * 10


def refuse_seven(number):
    if number == 7:
        raise InputError("seven", where="line 7")
    return number


def die_at_three(number):
    if number == 3:
        os._exit(9)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_kept_and_reading_stays_close(workers):
    read = []

    def items():
        for number in range(30):
            read.append(number)
            yield number

    for place, result in enumerate(map_in_order(slow_when_even, items(), workers=workers)):
        assert result == place * 10
        assert len(read) <= place + 1 + 2 * workers


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_through(workers):
    results = []
    with pytest.raises(InputError, match="seven") as caught:
        for result in map_in_order(refuse_seven, range(20), workers=workers):
            results.append(result)
    assert results == list(range(7)) and caught.value.where == "line 7"


def test_a_dead_worker_is_an_error():
    with pytest.raises(EryaError, match="worker process died"):
        list(map_in_order(die_at_three, range(10), workers=2))
