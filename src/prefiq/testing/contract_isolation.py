"""The part of the contract suite about what is kept apart: transactions and tenants."""

from __future__ import annotations

from typing import Any

import pytest

from prefiq.contracts import Any_, Compare, ConcurrencyError, IDomain, ITransactions, NotFound, Page
from prefiq.foundation.entity import loaded
from prefiq.lowcode import ModelSpec
from prefiq.sql.errors import ReadOnlyTransaction
from prefiq.testing.contract_values import Make, Undone, changeable

__all__ = ["IsolationContract"]


class IsolationContract:
    """Tests of transactions and tenants; ``DomainContract`` gives the fixtures."""

    def test_rollback_undoes_rows_and_versions(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec, transactions: ITransactions | None
    ) -> None:
        """An exception leaves store and entities as they were before."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        name = changeable(spec)[0]
        kept, gone, new, many = repo.save(make(0)), repo.save(make(1)), make(2), [make(3), make(4)]
        value, before, known = getattr(kept, name), loaded(kept), loaded(gone)
        with pytest.raises(Undone), transactions.tx():  # noqa: PT012  the body of a transaction
            assert transactions.in_transaction
            setattr(kept, name, getattr(make(5), name))
            repo.update(kept)
            repo.delete(gone)
            repo.save(new)
            repo.save_many(many)
            assert repo.count() == 4
            raise Undone
        assert not transactions.in_transaction
        assert (kept.version, gone.version, new.version) == (1, 1, 0)
        assert [entity.version for entity in many] == [0, 0]
        assert (loaded(kept), loaded(gone), loaded(new)) == (before, known, None)
        assert getattr(repo.get_by_id(kept.id), name) == value
        assert repo.count() == 2
        repo.update(kept)
        repo.delete(gone)
        repo.save(new)
        repo.save_many(many)
        assert (kept.version, new.version, repo.count()) == (2, 1, 4)

    def test_nested_transaction_is_undone_alone(
        self, repo: IDomain[Any], make: Make, transactions: ITransactions | None
    ) -> None:
        """A savepoint takes back its own rows and callbacks, not those around it."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        said: list[str] = []
        outer, inner = make(0), make(1)
        with transactions.tx():
            repo.save(outer)
            transactions.after_commit(lambda: said.append("outer"))
            with pytest.raises(Undone), transactions.tx():  # noqa: PT012  the body of a transaction
                repo.save(inner)
                transactions.after_commit(lambda: said.append("inner"))
                transactions.on_rollback(lambda: said.append("undone"))
                raise Undone
            assert said == ["undone"]
            with transactions.tx():
                transactions.after_commit(lambda: said.append("second"))
            assert repo.count() == 1
        assert said == ["undone", "outer", "second"]
        assert (outer.version, inner.version) == (1, 0)
        assert repo.get_by_id(outer.id) == outer
        transactions.after_commit(lambda: said.append("at once"))
        assert said[-1] == "at once"

    def test_reading_transaction_refuses_writes(
        self, repo: IDomain[Any], make: Make, transactions: ITransactions | None
    ) -> None:
        """Nothing is written in ``tx(read_only=True)``."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        entity = repo.save(make(0))
        with transactions.tx(read_only=True):
            assert repo.get_by_id(entity.id) == entity
            for write in (lambda: repo.save(make(1)), lambda: repo.delete(entity)):
                with pytest.raises(ReadOnlyTransaction):
                    write()
        repo.save(make(1))
        assert repo.count() == 2

    def test_other_tenant_reaches_no_row(
        self, repo: IDomain[Any], other_repo: IDomain[Any], make: Make, spec: ModelSpec
    ) -> None:
        """A foreign row is missing for every way of reading, changing and deleting."""
        if spec.scope == "shared":
            pytest.skip("all tenants read the rows of a shared model")
        entity = repo.save(make(0))
        with pytest.raises(NotFound):
            other_repo.get_by_id(entity.id)
        assert other_repo.get_many([entity.id]) == {}
        assert other_repo.list(Page(count=True)).items == []
        everything = Any_((Compare("id", "isnull", False), Compare("id", "isnull", True)))
        assert other_repo.list(Page(count=True), everything).total == other_repo.count(everything) == 0
        assert list(other_repo.stream()) == []
        for field in spec.fields:
            if field.unique:
                assert other_repo.get_by(field.name, getattr(entity, field.name)) is None
        name = changeable(spec)[0]
        stolen = repo.get_by_id(entity.id)
        setattr(stolen, name, getattr(make(1), name))
        for write in (other_repo.update, other_repo.delete):
            with pytest.raises(ConcurrencyError):
                write(stolen)
        assert repo.get_by_id(entity.id) == entity

    def test_tenants_may_have_the_same_values(
        self, repo: IDomain[Any], other_repo: IDomain[Any], make: Make, make_other: Make, spec: ModelSpec
    ) -> None:
        """Ids and unique values are a tenant's own; a write reaches the tenant's row alone."""
        if spec.scope == "shared":
            pytest.skip("all tenants read the rows of a shared model")
        mine, theirs = make(0), make_other(0)
        theirs.id = mine.id
        repo.save(mine)
        other_repo.save(theirs)
        name = changeable(spec)[0]
        setattr(theirs, name, getattr(make_other(1), name))
        other_repo.update(theirs)
        assert repo.get_by_id(mine.id) == mine
        assert other_repo.get_by_id(mine.id) == theirs
        other_repo.delete(theirs)
        assert repo.get_by_id(mine.id) == mine
        assert other_repo.count() == 0
