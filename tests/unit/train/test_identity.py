"""What a run that goes on must have in common with what it was."""

import pytest
from pydantic import BaseModel, ConfigDict

from erya.errors import ConfigError
from erya.train.identity import brought_up_to_date, identity_of, require_same


class Training(BaseModel):
    model_config = ConfigDict(extra="forbid")
    learning_rate: float
    layer_decay: float = 1.0


class Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid")
    train: Training


def recipe(**train):
    return Recipe(train=Training(learning_rate=1e-3, **train))


def older(**changes):
    """The identity of a run from before there was a decay by layers."""
    return {"recipe": {"train": {"learning_rate": 1e-3, **changes}}, "fingerprints": {"data": "x"}}


def test_a_key_that_came_later_stands_for_its_default():
    former = brought_up_to_date(older(), Recipe)
    require_same(former, identity_of(recipe(), {"data": "x"}), where="here")
    with pytest.raises(ConfigError, match=r"train\.layer_decay was 1\.0, is 0\.5"):
        require_same(former, identity_of(recipe(layer_decay=0.5), {"data": "x"}), where="here")


def test_a_key_that_is_gone_is_said():
    former = brought_up_to_date(older(lookahead=3), Recipe)
    with pytest.raises(ConfigError, match=r"train\.lookahead was 3, is None"):
        require_same(former, identity_of(recipe(), {"data": "x"}), where="here")
