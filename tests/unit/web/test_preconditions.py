import pytest

from prefiq.web.preconditions import ANY, if_match, is_fresh


@pytest.mark.parametrize(
    ("field", "versions"),
    [
        (None, None),
        (b"*", ANY),
        (b'"3"', {3}),
        (b' "3" , "4"', {3, 4}),
        (b'W/"3"', {-1}),
        (b'"abc"', {-1}),
        (b"3", {-1}),
        (b"", {-1}),
        ('"\u0663"'.encode(), {-1}),
    ],
)
def test_versions_that_if_match_accepts(field, versions):
    """A weak tag never matches (RFC 9110, section 13.1.1), nor does one that is not ours."""
    assert if_match(field) == versions


@pytest.mark.parametrize(
    ("field", "fresh"),
    [
        (b'"3"', True),
        (b'W/"3"', True),
        (b"*", True),
        (b'"2", "3"', True),
        (b'"2"', False),
        (b"3", False),
        (b"", False),
    ],
)
def test_a_copy_is_fresh_where_its_tag_is_the_present_one(field, fresh):
    """If-None-Match compares weakly and takes a list."""
    assert is_fresh(field, b'"3"') is fresh
