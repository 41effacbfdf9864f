import pytest

from erya.train.guard import Guard
from erya.train.recipe import GuardRecipe


def guard(losses: list[float], **settings: object) -> Guard:
    return Guard(GuardRecipe.model_validate(settings), losses)


STEADY = [3.0, 3.1, 2.9, 3.05, 2.95, 3.02, 2.98, 3.1, 2.9, 3.0, 3.0]


def test_a_leap_is_refused_and_described() -> None:
    refused = guard(STEADY.copy(), spike=4.0).refuse(9.0, 2.5)
    assert refused is not None
    assert "leapt to 9" in refused and "median of the last 11 is 3" in refused and "length 2.5" in refused


@pytest.mark.parametrize(("spike", "is_refused"), [(4.0, True), (10.0, False)])
def test_how_far_is_the_recipes_say(spike: float, is_refused: bool) -> None:
    assert (guard(STEADY.copy(), spike=spike).refuse(3.6, 1.0) is not None) is is_refused


def test_a_few_spikes_that_were_taken_do_not_move_the_measure() -> None:
    losses = [*STEADY, 50.0, 60.0]
    assert guard(losses, spike=4.0).refuse(9.0, 1.0) is not None


def test_ripples_of_a_steady_loss_and_falls_are_no_spikes() -> None:
    watch = guard([1.0] * 20)
    assert watch.refuse(1.05, 1.0) is None
    assert watch.refuse(0.1, 1.0) is None
    assert watch.refuse(1.2, 1.0) is not None


def test_the_first_losses_are_accepted() -> None:
    assert guard([1.0] * 9).refuse(100.0, 1.0) is None
    assert guard([1.0] * 10).refuse(100.0, 1.0) is not None


def test_the_window_is_kept_in_the_list_given() -> None:
    losses: list[float] = []
    watch = guard(losses, window=10)
    for number in range(25):
        watch.accept(float(number))
    assert losses == [float(number) for number in range(15, 25)]
