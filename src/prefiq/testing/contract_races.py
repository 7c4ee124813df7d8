"""The part of the contract suite about several writers: who is first wins, and nobody's change is lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import pytest

from prefiq.contracts import ConcurrencyError, IDomain, Page, UniqueViolation
from prefiq.lowcode import ModelSpec
from prefiq.testing.contract_values import Make, changeable, other_value
from prefiq.testing.together import together

__all__ = ["Another", "RacesContract"]

Another = Callable[[], AbstractContextManager[IDomain[Any]]]
"""Opens the store under test once more, for the same tenant, in a scope of its own."""

WRITERS = 4


class RacesContract:
    """Tests with several writers; ``DomainContract`` gives the fixtures."""

    def test_one_of_several_gets_a_unique_value(
        self, repo: IDomain[Any], another: Another | None, make: Make, spec: ModelSpec
    ) -> None:
        """The others are told, whoever comes first; the index decides, not a look before."""
        if another is None:
            pytest.skip("no fixture `another`")
        for number, index in enumerate(index for index in spec.indexes if index.unique):
            prize = make(50 + number)
            rivals = [make(10 * (number + 1) + writer) for writer in range(WRITERS)]
            for rival in rivals:
                for name in index.fields:
                    setattr(rival, name, getattr(prize, name))

            def insert(rival: Any) -> Any:
                with another() as store:
                    return store.save(rival)

            results = together([partial(insert, rival) for rival in rivals])
            winners = [result for result in results if not isinstance(result, Exception)]
            losers = [result for result in results if isinstance(result, Exception)]
            assert len(winners) == 1, results
            assert [type(loser) for loser in losers] == [UniqueViolation] * (WRITERS - 1)
            assert {loser.fields for loser in losers if isinstance(loser, UniqueViolation)} == {index.fields}
            assert [rival.version for rival in rivals].count(1) == 1
            assert repo.list(Page(limit=100)).items.count(winners[0]) == 1

    def test_no_change_is_lost(
        self, repo: IDomain[Any], another: Another | None, make: Make, spec: ModelSpec
    ) -> None:
        """Of several that read the same version, one may write it; the others must read again."""
        if another is None:
            pytest.skip("no fixture `another`")
        name = changeable(spec)[0]
        first = repo.save(make(0))

        def change(number: int) -> Any:
            with another() as store:
                for attempt in range(100):
                    entity = store.get_by_id(first.id)
                    old, start = getattr(entity, name), 10 + 20 * number + WRITERS * attempt
                    setattr(entity, name, other_value(make, name, old, start))
                    try:
                        return store.update(entity).version
                    except ConcurrencyError:
                        continue
                raise AssertionError("never")

        versions = together([partial(change, number) for number in range(WRITERS)])
        assert sorted(versions, key=str) == list(range(2, WRITERS + 2)), versions
        assert repo.get_by_id(first.id).version == WRITERS + 1

    def test_what_another_changed_or_removed_is_not_overwritten(
        self, repo: IDomain[Any], another: Another | None, make: Make, spec: ModelSpec
    ) -> None:
        """A row that was removed meanwhile does not come back, and is not removed twice."""
        if another is None:
            pytest.skip("no fixture `another`")
        name = changeable(spec)[0]
        for write in ("update", "delete"):
            entity = repo.save(make(1))
            with another() as store:
                theirs = store.get_by_id(entity.id)
                if write == "update":
                    setattr(theirs, name, getattr(make(5), name))
                    store.update(theirs)
                else:
                    store.delete(theirs)
            setattr(entity, name, getattr(make(7), name))
            for late in (repo.update, repo.delete):
                with pytest.raises(ConcurrencyError):
                    late(entity)
            if write == "update":
                assert getattr(repo.get_by_id(entity.id), name) == getattr(theirs, name)
                repo.delete(repo.get_by_id(entity.id))
                if spec.soft_delete:
                    return
