from pathlib import Path
from uuid import UUID

import pytest

from prefiq.settings import Settings
from prefiq.web.cursor import CursorKeys, cursor_keys

PLACE = ("A-1", UUID(int=5))
KIND = tuple[str | None, UUID]
BINDING = ("acme", "projects.Project", ("code",), "f00")
KEYS = CursorKeys([b"k" * 32])


def test_a_cursor_names_the_place_it_was_made_of():
    """What was sealed is what is opened, with its types."""
    assert KEYS.open(BINDING, KEYS.seal(BINDING, PLACE), KIND) == PLACE


@pytest.mark.parametrize(
    "other",
    [
        ("globex", *BINDING[1:]),
        ("acme", "projects.Task", *BINDING[2:]),
        (*BINDING[:2], ("-code",), "f00"),
        (*BINDING[:3], ""),
    ],
)
def test_a_cursor_is_good_for_one_tenant_model_order_and_filter(other):
    """Of another list it is no cursor."""
    assert KEYS.open(other, KEYS.seal(BINDING, PLACE), KIND) is None


def test_a_cursor_cannot_be_forged():
    """Every changed character, another key, and what never was a cursor are all refused."""
    sealed = KEYS.seal(BINDING, PLACE)
    for at in range(len(sealed) - 1):
        changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
        assert KEYS.open(BINDING, changed, KIND) is None
    assert CursorKeys([b"x" * 32]).open(BINDING, sealed, KIND) is None
    for text in ("", "a", "é", "====", "a b", "A" * 5000):
        assert KEYS.open(BINDING, text, KIND) is None


def test_a_cursor_survives_the_turn_of_a_key():
    """Keys of before still verify; the first one signs."""
    old = CursorKeys([b"o" * 32])
    both = CursorKeys([b"n" * 32, b"o" * 32])
    assert both.open(BINDING, old.seal(BINDING, PLACE), KIND) == PLACE
    assert old.open(BINDING, both.seal(BINDING, PLACE), KIND) is None


def test_a_place_of_other_types_is_no_place():
    """A cursor from before a change of the declaration is refused, not misread."""
    assert KEYS.open(BINDING, KEYS.seal(BINDING, PLACE), tuple[int, UUID]) is None


def test_workers_of_one_application_agree(tmp_path: Path):
    """Keys come from the settings, so that each worker opens what another one sealed; other settings, other keys."""
    here = Settings.for_test(tmp_path)
    there = Settings.for_test(tmp_path, JWT_SECRET_KEY="another-key-of-more-than-32-bytes-0123")
    sealed = cursor_keys(here).seal(BINDING, PLACE)
    assert cursor_keys(Settings.for_test(tmp_path)).open(BINDING, sealed, KIND) == PLACE
    assert cursor_keys(there).open(BINDING, sealed, KIND) is None


def test_an_application_without_a_secret_has_cursors_too(tmp_path: Path):
    """With outside issuers alone there is no key to derive from; cursors are then alike in all workers all the same."""
    bare = Settings.for_test(tmp_path, JWT_SECRET_KEY=None)
    sealed = cursor_keys(bare).seal(BINDING, PLACE)
    assert cursor_keys(bare).open(BINDING, sealed, KIND) == PLACE
