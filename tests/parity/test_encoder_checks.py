"""Every family inherits every check; see `encoder_checks`."""

import pytest
from encoder_checks import CHECKS, FAMILIES, case_of, check_encoder

# Making kernels for a family takes half a minute; one is enough for every day.
SLOW = {(name, "compile") for name in FAMILIES} | {(name, "compile, traced") for name in FAMILIES} - {
    ("deberta-v2", "compile, traced")
}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, check, marks=[pytest.mark.slow] if (name, check) in SLOW else [])
        for name in FAMILIES
        for check in CHECKS
    ],
)
def test_check(name, check):
    check_encoder(name, check)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_wrong_weight_is_noticed(name):
    """The harness sees a difference when there is one."""
    case = case_of(name)
    weight = case.encoder.blocks[0].feedforward.down.weight
    weight.data[0, 0] += 0.1
    try:
        with pytest.raises(AssertionError, match="is more than"):
            check_encoder(name, "reference")
    finally:
        weight.data[0, 0] -= 0.1
