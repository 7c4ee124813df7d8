"""The part of the contract suite about many rows: all or none, and in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from prefiq.contracts import Compare, IDomain, ITransactions, Page, UniqueViolation, ValidationFailed
from prefiq.foundation.entity import loaded
from prefiq.foundation.extension import revive
from prefiq.foundation.mapper import snapshot_of
from prefiq.lowcode import ModelSpec
from prefiq.testing.contract_values import Make, Undone, changeable, other_value
from prefiq.testing.samples import NoSample

__all__ = ["BulkContract"]

MANY = 1203
"""More than what engines take in one packet, pipeline or statement of ours."""


class BulkContract:
    """Tests of many rows; ``DomainContract`` gives the fixtures."""

    def test_many_rows_are_stored_or_none(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec, transactions: ITransactions | None
    ) -> None:
        """The last of more than a thousand is refused: nothing is stored, and no entity says otherwise."""
        *rows, taken, last = _distinct(make, spec, MANY + 2)
        count = len(rows)
        repo.save(taken)
        for refuse in (_take_an_id(taken), _leave_out(spec)):
            last = revive(spec, snapshot_of(spec)(last))
            error = refuse(last)
            with pytest.raises(error):
                repo.save_many([*rows, last])
            assert repo.count() == 1
            assert {(row.version, loaded(row)) for row in (*rows, last)} == {(0, None)}
        if transactions is not None:
            with pytest.raises(Undone), transactions.tx():  # noqa: PT012  the body of a transaction
                repo.save_many(rows)
                assert repo.count() == count + 1
                raise Undone
            assert repo.count() == 1
        repo.save_many(rows)
        assert {row.version for row in rows} == {1}
        assert repo.count() == count + 1
        assert repo.get_many(row.id for row in rows) == {row.id: row for row in rows}

    def test_a_transaction_goes_on_after_a_refused_bulk(
        self, repo: IDomain[Any], make: Make, transactions: ITransactions | None
    ) -> None:
        """Only the bulk is undone."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        rows = [make(number) for number in range(4)]
        with transactions.tx():
            repo.save(rows[0])
            again = make(1)
            again.id = rows[0].id
            with pytest.raises(UniqueViolation):
                repo.save_many([rows[2], again])
            repo.save(rows[3])
        assert repo.count() == 2
        assert [row.version for row in (rows[0], rows[2], rows[3])] == [1, 0, 1]

    def test_stream_goes_over_everything_once(self, repo: IDomain[Any], make: Make) -> None:
        """Batches of every size, with and without criteria; it can be left early."""
        rows = [make(number) for number in range(12)]
        repo.save_many(rows)
        ids = sorted(row.id for row in rows)
        for batch in (1, 4, 5, 12, 13):
            batches = list(repo.stream(batch=batch))
            assert [entity.id for part in batches for entity in part] == ids
            assert {len(part) for part in batches[:-1]} <= {batch}
        some = Compare("id", "in", tuple(ids[::3]))
        assert [entity.id for part in repo.stream(some, batch=3) for entity in part] == ids[::3]
        assert list(repo.stream(Compare("id", "in", ()))) == []
        assert len(next(iter(repo.stream(batch=5)))) == 5

    def test_what_is_streamed_may_be_changed_and_removed(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """Each row comes once, though every batch is written before the next one is read."""
        name = changeable(spec)[0]
        repo.save_many([make(number) for number in range(9)])
        seen = 0
        for part in repo.stream(batch=2):
            for entity in part:
                seen += 1
                if seen % 2:
                    setattr(entity, name, other_value(make, name, getattr(entity, name), 20 + 10 * seen))
                    repo.update(entity)
                else:
                    repo.delete(entity)
        assert seen == 9
        assert repo.count() == 5
        assert {entity.version for entity in repo.list(Page(limit=100)).items} == {2}


def _distinct(make: Make, spec: ModelSpec, most: int) -> list[Any]:
    """So many entities, or as many as the declaration has unique values for."""
    found: list[Any] = []
    taken: set[Any] = set()
    for number in range(most):
        try:
            entity = make(number)
        except NoSample:
            break
        values = {
            (index.fields, *(getattr(entity, name) for name in index.fields))
            for index in spec.indexes
            if index.unique
        }
        if values & taken:
            break
        taken |= values
        found.append(entity)
    return found


def _take_an_id(taken: Any) -> Callable[[Any], type[Exception]]:
    def refuse(entity: Any) -> type[Exception]:
        entity.id = taken.id
        return UniqueViolation

    return refuse


def _leave_out(spec: ModelSpec) -> Callable[[Any], type[Exception]]:
    def refuse(entity: Any) -> type[Exception]:
        required = next(field for field in spec.fields if not field.nullable and not field.is_status)
        setattr(entity, required.name, None)
        return ValidationFailed

    return refuse
