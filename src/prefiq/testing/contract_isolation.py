"""The part of the contract suite about what is kept apart: transactions and tenants."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from prefiq.contracts import (
    Any_,
    Compare,
    ConcurrencyError,
    IDomain,
    ITransactions,
    NotFound,
    Page,
    UniqueViolation,
    ValidationFailed,
)
from prefiq.errors import PrefiqError
from prefiq.foundation.entity import loaded
from prefiq.lowcode import ModelSpec, uuid7
from prefiq.sql.errors import ReadOnlyTransaction, TransactionFailed
from prefiq.testing.contract_values import Make, Undone, changeable
from prefiq.testing.samples import sample

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

    def test_refused_value_fails_its_transaction(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec, transactions: ITransactions | None
    ) -> None:
        """Neither reading nor writing nor the end goes on as if nothing had been; a nested one is undone alone."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        name = changeable(spec)[0]
        kept, gone, new = repo.save(make(0)), repo.save(make(1)), make(2)
        for refuse in self.refusals(repo, make, spec, kept):
            with pytest.raises(TransactionFailed) as caught, transactions.tx():  # noqa: PT012
                setattr(kept, name, getattr(make(7), name))
                repo.update(kept)
                error = refuse()
                assert transactions.failure is error
                for go_on in (
                    repo.count,
                    partial(repo.get_by_id, kept.id),
                    lambda: repo.list(Page()),
                    lambda: repo.save(new),
                    lambda: repo.save_many([new]),
                    lambda: repo.delete(gone),
                    lambda: transactions.tx().__enter__(),
                ):
                    with pytest.raises(TransactionFailed):
                        go_on()
            assert caught.value.__cause__ is error
            assert transactions.failure is None
            assert (kept.version, gone.version, new.version, repo.count()) == (1, 1, 0, 2)
            with transactions.tx():
                with pytest.raises(TransactionFailed), transactions.tx():
                    refuse()
                repo.update(kept)
                raise_version = kept.version
            assert raise_version == repo.get_by_id(kept.id).version == 2
            repo.delete(kept)
            if spec.soft_delete:
                return
            kept = repo.save(make(0))

    @staticmethod
    def refusals(
        repo: IDomain[Any], make: Make, spec: ModelSpec, kept: Any
    ) -> list[Callable[[], PrefiqError]]:
        """What a store refuses, each as a function that gives the error."""

        def same_id() -> PrefiqError:
            twin = make(4)
            twin.id = kept.id
            with pytest.raises(UniqueViolation) as caught:
                repo.save(twin)
            return caught.value

        def value_left_out() -> PrefiqError:
            entity = make(5)
            required = next(field for field in spec.fields if not field.nullable and not field.is_status)
            setattr(entity, required.name, None)
            with pytest.raises(ValidationFailed) as caught:
                repo.save(entity)
            return caught.value

        return [same_id, value_left_out]

    def test_stale_version_fails_no_transaction(
        self, repo: IDomain[Any], make: Make, spec: ModelSpec, transactions: ITransactions | None
    ) -> None:
        """Who was late, and who looked for nothing, may go on with something else."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        name = changeable(spec)[0]
        entity = repo.save(make(0))
        stale = repo.get_by_id(entity.id)
        setattr(entity, name, getattr(make(1), name))
        repo.update(entity)
        with transactions.tx():
            setattr(stale, name, getattr(make(3), name))
            for child in spec.children:
                getattr(stale, child.name).append(sample(child.model, 300))
            for write in (repo.update, repo.delete):
                with pytest.raises(ConcurrencyError):
                    write(stale)
            with pytest.raises(NotFound):
                repo.get_by_id(uuid7())
            repo.save(make(2))
        assert repo.count() == 2
        assert repo.get_by_id(entity.id) == entity

    def test_callbacks_are_called_once_in_order(
        self, repo: IDomain[Any], make: Make, transactions: ITransactions | None
    ) -> None:
        """After the commit in the order in which they were given; after a rollback in the other one."""
        if transactions is None:
            pytest.skip("no fixture `transactions`")
        said: list[str] = []

        def say(word: str) -> Callable[[], None]:
            return lambda: said.append(f"{word} {transactions.in_transaction}")

        with transactions.tx():
            transactions.after_commit(say("one"))
            with transactions.tx():
                repo.save(make(0))
                transactions.after_commit(say("two"))
                transactions.on_rollback(say("never"))
            transactions.after_commit(say("three"))
            assert said == []
        assert said == ["one False", "two False", "three False"]
        said.clear()
        with pytest.raises(Undone), transactions.tx():  # noqa: PT012  the body of a transaction
            transactions.on_rollback(say("one"))
            transactions.after_commit(say("never"))
            with transactions.tx():
                transactions.on_rollback(say("two"))
            raise Undone
        assert [word.split()[0] for word in said] == ["two", "one"]

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
