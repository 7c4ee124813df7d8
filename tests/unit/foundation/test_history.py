"""What the history keeps of a change, and what it does not."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest

from prefiq.contracts import Actor, Bound, Scope
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.events import EntityChanged, subscriptions_of
from prefiq.foundation.history import HistoryEntry, record_history
from prefiq.foundation.tenants import Tenant
from prefiq.lowcode import Catalog, ModelMeta, action, children, field


class Row(Child):
    title: str
    pin: str = field(default="", hidden=True)


class Account(Entity):
    name: str
    limit_of: Decimal = field(default=Decimal(0), precision=9, scale=2)
    token: str = field(default="", hidden=True)
    rows: list[Row] = children(Row)

    @action
    def lock(self, why: str, pin: Annotated[str, field(hidden=True)] = "") -> None: ...


class Quiet(Entity):
    meta = ModelMeta(audit=False)


class Saved(list[HistoryEntry]):
    """A store that keeps what it is given."""

    def save(self, entity: HistoryEntry, /) -> HistoryEntry:
        self.append(entity)
        return entity

    def save_many(self, entities: Any, /) -> None:
        self.extend(entities)


CATALOG = Catalog.build({"app": (Account, Quiet)})


def change(model: type = Account, act: str = "updated", tenant: str = "acme", **more: Any) -> EntityChanged:
    changed = more.pop("changes", {"name": ("a", "b")})
    return EntityChanged(
        model, f"app.{model.__name__}", uuid.UUID(int=1), act, None, changed, 2,
        datetime(2026, 1, 1, tzinfo=UTC), "eve", tenant, **more,
    )  # fmt: skip


def record(*events: EntityChanged) -> Saved:
    saved = Saved()
    scope = Scope(Bound("acme"), Actor("eve", name="Eve Adams"), resolve=lambda *_: None)
    record_history(events, saved, CATALOG, scope)
    return saved


def test_an_entry_says_who_did_what_when():
    """With the values before and after, as JSON."""
    (entry,) = record(change(changes={"limit_of": (Decimal(1), Decimal("2.50"))}, arguments={"why": "x"}))
    assert (entry.model, entry.entity_id, entry.entity_version) == ("app.Account", uuid.UUID(int=1), 2)
    assert (entry.actor, entry.actor_name, entry.action) == ("eve", "Eve Adams", "updated")
    assert entry.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert [list(pair) for pair in entry.changes.values()] == [["1", "2.50"]]
    assert entry.arguments == {"why": "x"}


def test_what_is_hidden_is_not_kept():
    """Neither of the entity nor of its rows nor of an action's arguments: history is read by others."""
    rows = [Row(title="a", pin="1234")]
    (entry,) = record(
        change(
            act="lock",
            changes={"token": ("old-secret", "new-secret"), "rows": (None, rows)},
            arguments={"why": "x", "pin": "1234"},
        )
    )
    assert entry.changes["token"] == "hidden"
    assert entry.changes["rows"][1][0]["title"] == "a"
    assert entry.arguments == {"why": "x", "pin": "hidden"}
    assert "secret" not in repr(entry)
    assert "1234" not in repr(entry)
    assert rows[0].pin == "1234"


def test_models_without_audit_and_rows_without_tenant_have_none():
    """As declared; shared rows are the system's log."""
    assert record(change(Quiet), change(tenant="")) == []


def test_many_are_stored_at_once():
    """One entry for each change."""
    assert len(record(change(), change())) == 2


def test_it_runs_in_the_transaction_for_every_model():
    """Nothing changes without its entry."""
    (wanted,) = subscriptions_of(record_history)
    assert (wanted.event, wanted.model, wanted.after_commit, wanted.batch) == (
        EntityChanged,
        None,
        False,
        True,
    )


@pytest.mark.parametrize("model", [HistoryEntry, Tenant])
def test_prefiqs_own_models_are_sound(model):
    """Declared like any other, and without an API of their own."""
    spec = ModelMeta.of(model, module="prefiq")
    assert not spec.remote
    assert not spec.audit
