"""What is written in a transaction is nobody else's business before its end, on every database and in both modes."""

from __future__ import annotations

from typing import Any

import pytest
from tests.stores import DATABASES, Place

from prefiq.contracts import Bound, NotFound, Page
from prefiq.sql.errors import ReadOnlyTransaction
from prefiq.testing.samples import sample

ACME = Bound("acme")


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def make(here: Place, models: Any) -> Any:
    spec = here.tables.catalog[models.Project]
    return lambda number: sample(spec, number)


def test_others_see_it_after_the_commit(here: Place, models: Any, make: Any) -> None:
    """New, changed and removed rows; callbacks after the commit run when they do."""
    repo, transactions = here.open(ACME)(models.Project)
    theirs, _ = here.open(ACME)(models.Project)
    kept, gone = repo.save(make(0)), repo.save(make(1))
    new, seen, name = make(2), [], kept.name
    with transactions.tx():
        kept.name = "changed"
        repo.update(kept)
        repo.delete(gone)
        repo.save(new)
        transactions.after_commit(lambda: seen.append(theirs.get_by_id(new.id).id))
        assert theirs.get_by_id(kept.id).name == name
        assert theirs.get_by_id(gone.id).code == gone.code
        with pytest.raises(NotFound):
            theirs.get_by_id(new.id)
        assert repo.count() == theirs.count() == 2
    assert seen == [new.id]
    assert theirs.get_by_id(kept.id).name == "changed"
    assert {entity.id for entity in theirs.list().items} == {kept.id, new.id}


def test_a_reading_transaction_sees_one_moment(here: Place, models: Any, make: Any) -> None:
    """Whatever others commit meanwhile."""
    repo, transactions = here.open(ACME)(models.Project)
    theirs, _ = here.open(ACME)(models.Project)
    first = repo.save(make(0))
    with transactions.tx(read_only=True):
        before = repo.list(Page(count=True))
        copy = theirs.get_by_id(first.id)
        copy.name = "changed"
        theirs.update(copy)
        theirs.save(make(1))
        assert repo.list(Page(count=True)) == before
        assert repo.get_by_id(first.id) == first
        assert [entity.id for batch in repo.stream(batch=1) for entity in batch] == [first.id]
        with pytest.raises(ReadOnlyTransaction):
            repo.save(make(2))
        with transactions.tx(), pytest.raises(ReadOnlyTransaction):
            repo.delete(first)
    assert repo.count() == 2
    assert repo.get_by_id(first.id).name == "changed"


def test_a_scope_that_ends_in_a_transaction_leaves_nothing(here: Place, models: Any, make: Any) -> None:
    """And no lock: others write at once."""
    with here.opened(ACME) as store:
        repo, transactions = store(models.Project)
        first = repo.save(make(0))
        transactions.tx().__enter__()
        repo.delete(first)
        repo.save(make(1))
    theirs, _ = here.open(ACME)(models.Project)
    assert [entity.id for entity in theirs.list().items] == [first.id]
    theirs.delete(theirs.get_by_id(first.id))
    assert first.version == 1
