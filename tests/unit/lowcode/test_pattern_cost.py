"""No pattern that is let through can take a worker's time, and no ordinary one is refused."""

from __future__ import annotations

import re
import time

import pytest

from prefiq.lowcode.pattern_cost import endless_steps, most_steps

DOUBLING = [
    (r"(a+)+", "a"), (r"(a*)*", "a"), (r"(a|a)*", "a"), (r"(ab|ab)*", "ab"), (r"(a|ab|b)*c?", "ab"),
    (r"(a?){60}a{60}", "a"), (r"([a-z]+)*!", "a"), (r"(?:\w+\s?)+", "a"), (r"(x+x+)+y", "x"), (r"(.*)*=", "a"),
    (r"([a-z0-9]+-?)*", "a"), (r"(\d+,?)+", "1"), (r"(?=(a+)+$)a*", "a"), (r"(?i:[a-z]+|[A-Z])+", "a"),
    (r"(a{1,9}){1,90}", "a"), (r"((ab)*|(ab)+)*", "ab"), (r"(\s*\w+\s*)*", "a "), (r"(a+?)+?", "a"),
    (r"(?>(a+)+)b", "a"), (r"((a*)?b)*", "b"), ("(é+)+", "é"), (r"(a+|b+|c)*d|(e+)+f", "e"),
]  # fmt: skip
ORDINARY = [
    r"[A-Z0-9-]+", r"[a-z0-9]+(?:-[a-z0-9]+)*", r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", r"\d{3}",
    r"(\d{1,3}\.){3}\d{1,3}", r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", r"\+?[0-9 ()-]{5,20}", r"(\w|\d)+",
    r"[^@\s]+@[^@\s]+\.[^@\s]+", r"(?:[0-9A-F]{2}:){5}[0-9A-F]{2}", r"(?:[a-z]++-?)+", r".*",
    r"#[0-9a-fA-F]{6}", r"(GET|POST|PUT)", r"\d{4}-(0[1-9]|1[0-2])-\d{2}", r"(\d{3}){1,2}", r"",
    r"https?://[^\s/]+(/\S*)?", r"(?:[A-Z][a-z]+ ?)+", r"[A-Z]{1,3}(-\d+)*", r"(?:\d+\.)*\d+", r"(a)\1",
    r'("(?:[^"\\]|\\.)*"|\w+)(,("(?:[^"\\]|\\.)*"|\w+))*', r"-?\d+(\.\d+)?([eE][+-]?\d+)?", r"^a$|b\b",
    r"(\w+\.)*\w+@(\w+\.)+[a-z]{2,}", r"(?!0)\d+", r"(a|b)*abb", r"[^a-z]+x?",
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "text"), DOUBLING)
def test_what_doubles_with_each_character_is_found(pattern: str, text: str) -> None:
    """Nested repeats, overlapping alternatives, parts that may be empty, also looked ahead at."""
    assert most_steps(pattern, 10) == float("inf")
    assert endless_steps(pattern, 10)


@pytest.mark.parametrize("pattern", ORDINARY)
def test_what_people_write_passes(pattern: str) -> None:
    """Codes, slugs, addresses, dates, numbers: none is refused, and none takes long on hostile text."""
    assert not endless_steps(pattern, 600)
    compiled = re.compile(pattern, re.ASCII)
    before = time.process_time()
    for unit in ("a", "1", "a-", "a.", "1.", "A ", '"', '\\"', "a@", "0:", " ", "/", "ab"):
        compiled.fullmatch((unit * 600)[:600] + "\n!")
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("pattern", "degree"),
    [
        (r"[a-z]+", 1),
        (r"\d+-\d+", 1),
        (r".*x.*", 2),
        (r"[a-z]*[0-9]*[a-z]*", 2),
        (r".*x.*y.*z", 3),
        (r"(ab)*(ab)*(ab)*", 3),
    ],
)
def test_parts_that_one_text_fits_multiply(pattern: str, degree: int) -> None:
    """Repeats that follow each other and take the same letters: each is one more power of the length."""
    assert most_steps(pattern, 100) == 100.0**degree
