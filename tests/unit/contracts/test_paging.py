from __future__ import annotations

import pytest

from prefiq.contracts import Page


def test_the_first_page_has_fifty_rows():
    """The defaults are a first page without a count."""
    assert Page() == Page(limit=50, offset=0, after=None, sort=(), count=False)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": -1}, {"offset": -1}, {"offset": 5, "after": (1,)}])
def test_a_part_that_no_list_has_is_refused(wrong):
    """A negative limit is no limit to SQLite: it must never get there."""
    with pytest.raises(ValueError, match="must be"):
        Page(**wrong)


def test_sort_is_not_a_text():
    """ "code" would be sorted by c, o, d and e."""
    with pytest.raises(TypeError, match="tuple of names"):
        Page(sort="code")
