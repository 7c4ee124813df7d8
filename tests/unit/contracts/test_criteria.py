from __future__ import annotations

import pickle

import pytest

from prefiq.contracts import All, Any_, Compare, Not, where

A, B, C = where(a=1), where(b=2), where(c=3)


def test_where_compares_for_equality_by_default():
    """A keyword alone is eq."""
    assert where(stage="open") == Compare("stage", "eq", "open")


def test_where_takes_the_operator_behind_two_underscores():
    """budget__gte is the field budget and the operator gte."""
    assert where(budget__gte=5) == Compare("budget", "gte", 5)
    assert where(project_id__in=(1, 2)) == Compare("project_id", "in", (1, 2))


def test_where_needs_all_of_several():
    """Several keywords are joined by and, in order."""
    assert where(a=1, b__lt=2) == All((Compare("a", "eq", 1), Compare("b", "lt", 2)))


def test_where_of_nothing_is_true_for_every_row():
    """No condition leaves nothing out."""
    assert where() == All(())


@pytest.mark.parametrize("values", [[1, 2], {1: 0, 2: 0}.keys(), (1, 2)])
def test_several_values_become_a_tuple_that_can_be_hashed(values):
    """A list of ids serves as well as a tuple."""
    criteria = where(id__in=list(values))
    assert criteria == Compare("id", "in", (1, 2))
    assert hash(criteria) == hash(Compare("id", "in", (1, 2)))


def test_an_unknown_operator_is_refused_at_once():
    """A typo does not wait for the database."""
    with pytest.raises(ValueError, match=r"^budget__ge: there is no operator ge; there are eq, ne, gt, gte"):
        where(budget__ge=1)


def test_and_or_not_build_the_value():
    """&, | and ~ are and, or and not, with Python's precedence."""
    assert All((A, B)) == A & B
    assert Any_((A, B)) == A | B
    assert Not(A) == ~A
    assert Any_((All((A, B)), C)) == A & B | C
    assert All((A, Any_((B, C)))) == A & (B | C)
    assert Not(Any_((A, B))) == ~(A | B)


def test_a_chain_stays_flat():
    """A thousand terms are not a nest a thousand deep."""
    chain = A
    for _ in range(1000):
        chain &= B
    assert isinstance(chain, All)
    assert len(chain.terms) == 1001
    assert Any_((A, B, B, C)) == (A | B) | (B | C)


@pytest.mark.parametrize("use", [lambda: A and B, lambda: A or B, lambda: not A, lambda: bool(A & B)])
def test_the_words_and_or_not_are_refused(use):
    """`a and b` would silently be b: half of a policy."""
    with pytest.raises(TypeError, match="write & for and"):
        use()


def test_are_values():
    """Equal, hashable, frozen, and the same after a pickle."""
    criteria = (A & B) | ~C
    assert pickle.loads(pickle.dumps(criteria)) == criteria
    assert hash(criteria) == hash((where(a=1) & where(b=2)) | ~where(c=3))
    with pytest.raises(AttributeError):
        A.field = "b"
