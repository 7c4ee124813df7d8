"""What a misspelt name was meant to be."""

from __future__ import annotations

from prefiq.nearest import nearest


def test_the_most_similar_word_is_meant() -> None:
    """A letter too few or too many leads to the word."""
    assert nearest("projets", ["masters", "projects", "project_types"]) == "projects"


def test_case_does_not_count_and_is_given_back_as_known() -> None:
    """What was written in capitals is found, in the known spelling."""
    assert nearest("iproject", ["IProjct", "IProject"]) == "IProject"


def test_nothing_like_it_is_an_empty_text() -> None:
    """A word that is like none is not guessed."""
    assert nearest("xyz", ["masters", "projects"]) == ""
    assert nearest("projects", []) == ""


def test_a_beginning_counts_only_where_asked() -> None:
    """``prod`` stands for ``production`` with ``prefix`` alone."""
    assert nearest("prod", ["production", "test"], cutoff=0.9) == ""
    assert nearest("prod", ["production", "test"], cutoff=0.9, prefix=True) == "production"
