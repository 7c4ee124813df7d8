"""The name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6, prefix: bool = False) -> str:
    """The known word most like ``word``, or an empty string.

    Args:
        word: What was written.
        known: What could have been meant.
        cutoff: How alike they must be, 0.0 to 1.0.
        prefix: Whether a beginning counts as like: ``prod`` for ``production``.
    """
    import difflib

    words = {known_word.casefold(): known_word for known_word in known}
    written = word.strip().casefold()
    if prefix and len(written) > 2:
        for candidate, original in words.items():
            if candidate.startswith(written) or written.startswith(candidate):
                return original
    found = difflib.get_close_matches(written, words, n=1, cutoff=cutoff)
    return words[found[0]] if found else ""
