import time

import pytest

from prefiq.web.errors import Malformed
from prefiq.web.json_text import check_text, scan


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": {"b": 1, "b": 1}}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"a": ' + b"9" * 401 + b"}",
        b'{"a": "\xff"}',
        b'{"a": 1',
        b"{'a': 1}",
        b'{"a": 1} x',
        b"\xef\xbb\xbf{}",
        b"",
    ],
)
def test_what_two_readers_read_differently_is_refused(body):
    """Duplicates, NaN, endless numbers, depth, and what is no JSON are all malformed."""
    with pytest.raises(Malformed):
        scan(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "\\"b\\": [[[[", "c": {"a": 1}}',
        b'{"a": "' + b"[" * 100 + b'"}',
        b'{"a": "' + b"9" * 500 + b'"}',
        b'{"a": ' + b"[" * 63 + b"]" * 63 + b"}",
        b"1",
    ],
)
def test_what_only_looks_odd_is_read(body):
    """Brackets, digits and names inside of texts count for nothing."""
    scan(body)


def test_the_message_quotes_nothing_of_the_body():
    """The place is named, the text is not: it may be secret, and logs keep messages."""
    with pytest.raises(Malformed) as caught:
        scan(b'{"password": hunter2}')
    assert "hunter2" not in str(caught.value)
    assert "line 1, column 14" in caught.value.what


@pytest.mark.parametrize("gap", [b"", b" ", b"\n\t "])
def test_a_member_said_twice_is_found_by_counting(gap):
    """The decoder found one member, the text has two names: whatever white space is between."""
    with pytest.raises(Malformed):
        check_text(b'{"a"' + gap + b':1,"a"' + gap + b":2}", 1)


def test_colons_in_values_are_no_names():
    """An instant holds colons, and its object holds one member all the same."""
    check_text(b'{"a": "2026-01-01T00:00:00Z"}', 1)
    check_text(b'{"a": "\\":"}', 1)


def test_depth_is_checked_in_a_text_that_was_decoded():
    """A decoder without a limit of depth does not let a deep body through."""
    with pytest.raises(Malformed, match="64 levels"):
        check_text(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", 1)


def test_time_to_refuse_grows_with_length_alone():
    """An endless string of escaped quotes is refused in one pass, not in one for each of its quotes."""
    body = b"[" * 65 + b'"' + b'\\"' * 500_000
    before = time.process_time()
    with pytest.raises(Malformed):
        scan(body)
    assert time.process_time() - before < 2  # in one pass 20 ms; in one for each quote hours
