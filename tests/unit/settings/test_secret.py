"""``Secret`` cannot be printed, stored or sent by accident."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from prefiq.settings import Secret

CANARY = "canary-5f1c7a"


@pytest.mark.parametrize(
    "show", [str, repr, ascii, "{}".format, "{:>40}".format, "{!r:20}".format, "%s".__mod__]
)
def test_every_text_of_it_is_stars(show):
    """No way of making text shows the value."""
    text = show(Secret(CANARY))
    assert CANARY not in text
    assert "***" in text


def test_reveal_is_the_one_way_to_the_value():
    """The value comes back whole."""
    assert Secret(CANARY).reveal() == CANARY


def test_it_hides_inside_other_values():
    """A dataclass, a list and a dict that hold one show stars, copied or not."""

    @dataclasses.dataclass(frozen=True)
    class Holder:
        key: Secret

    holder = Holder(Secret(CANARY))
    assert CANARY not in repr(
        [holder, {"key": holder.key}, dataclasses.asdict(holder), copy.deepcopy(holder)]
    )
    assert copy.deepcopy(holder).key.reveal() == CANARY
    assert copy.copy(holder.key).reveal() == CANARY


def test_pickle_and_json_refuse_it():
    """It does not leave the process as stars, which another process would take for the password."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(CANARY))
    with pytest.raises(TypeError):
        json.dumps(Secret(CANARY))
    assert json.dumps(Secret(CANARY), default=str) == '"***"'


def test_it_has_no_dictionary_to_look_into():
    """``vars`` finds nothing and no attribute can be added."""
    with pytest.raises(TypeError):
        vars(Secret(CANARY))


def test_equal_values_are_equal():
    """Two of the same value compare and hash alike; a text is never equal to one."""
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert Secret("\udc80") == Secret("\udc80")
