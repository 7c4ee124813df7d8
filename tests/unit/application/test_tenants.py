"""The tenant directory: what processes remember, and what the states of a tenant mean."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from prefiq import (
    Actor,
    Application,
    IClock,
    IDomain,
    IDomainService,
    IllegalTransition,
    Placement,
    ProviderBase,
    Refused,
    Tenant,
    TenantEvent,
    TenantState,
    UniqueViolation,
    UnknownTenant,
    ValidationFailed,
    subscribe,
)
from prefiq.application import tenant_places, tenants
from prefiq.application.errors import PlacementNotServed, TenantHeld
from prefiq.foundation import FrozenClock, TenantLife, TenantMode
from prefiq.testing import make_application

HEARD: list[TenantEvent] = []


@subscribe(TenantEvent)
def hear(event: TenantEvent) -> None:
    """Note what happens."""
    HEARD.append(event)


class Listening(ProviderBase):
    """Hears of tenants."""

    name = "listening"
    subscribers = (hear,)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    HEARD.clear()
    with make_application(tmp_path, modules=[Listening], tenants=("acme",)) as made:
        yield made


def states(app: Application) -> dict[str, str]:
    return {tenant.key: tenant.state.value for tenant in app.tenants.list()}


# ---- what is remembered


def test_tenant_is_looked_up_once_a_lease(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the time that it may be remembered nobody asks the database; after it, somebody does."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    asked: list[str] = []
    look = app.tenants._look
    monkeypatch.setattr(app.tenants, "_look", lambda key: asked.append(key) or look(key))
    for seconds in (0.0, 0.5, 0.99):
        clock[0] = 1000.0 + seconds
        assert app.tenants.bound("acme") is not None
        assert app.tenants.bound("nobody") is None
    assert asked == ["acme", "nobody"]
    clock[0] = 1000.0 + tenants.REMEMBERED_SECONDS
    assert app.tenants.remembered("acme") is None
    assert app.tenants.bound("acme") is not None
    assert asked == ["acme", "nobody", "acme"]


def test_lease_begins_before_the_question(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that took long is remembered for less: it may have been true at the beginning only."""
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    found = app.tenants._app.scope

    def slow(**arguments: object) -> object:
        clock[0] += 0.7
        return found(**arguments)

    monkeypatch.setattr(app, "scope", slow)
    app.tenants.bound("acme")
    clock[0] = 1000.0 + 0.99
    assert app.tenants.remembered("acme") is not None
    clock[0] = 1000.0 + 1.0
    assert app.tenants.remembered("acme") is None


def test_what_cannot_be_a_key_costs_no_question(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths, quotes, blanks and upper case are refused before any database is asked."""
    monkeypatch.setattr(app, "scope", None)
    for key in ("", "../acme", "ACME", "acme ", "a'b", "a\0b", "-a", "é", "a" * 64):
        assert app.tenants.bound(key) is None


def test_change_waits_until_every_process_knows(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is committed first; whoever asks from then on sees it, also in this process."""
    waited: list[tuple[float, str]] = []

    def pause(seconds: float) -> None:
        waited.append((seconds, states(app)["acme"]))

    monkeypatch.setattr(tenants, "pause", pause)
    app.tenants.settling = tenants.REMEMBERED_SECONDS
    app.scope("acme").close()
    app.tenants.suspend("acme")
    assert waited == [(1.0, "suspended")]
    with pytest.raises(UnknownTenant):
        app.scope("acme")


# ---- states


def test_states_and_who_is_served(app: Application) -> None:
    """Active is served, read-only is served bound so, all others are answered as unknown."""
    bound = app.tenants.bound("acme")
    assert bound is not None
    assert not bound.read_only
    app.tenants.read_only("acme")
    bound = app.tenants.bound("acme")
    assert bound is not None
    assert bound.read_only
    app.tenants.suspend("acme")
    assert app.tenants.bound("acme") is None
    app.tenants.resume("acme")
    assert app.tenants.is_active("acme")
    app.tenants.delete("acme")
    assert app.tenants.bound("acme") is None
    app.tenants.delete("acme", now=True)
    assert app.tenants.bound("acme") is None
    assert states(app) == {"acme": "gone"}


def test_only_declared_ways_lead_from_state_to_state(app: Application) -> None:
    """A state cannot be assigned, and what is gone stays gone, with its key."""
    with app.scope(as_system="test") as scope:
        tenant = scope[IDomain[Tenant]].get_by("key", "acme")
        assert tenant is not None
        tenant.state = TenantState.GONE
        with pytest.raises(IllegalTransition):
            scope[IDomain[Tenant]].update(tenant)
    app.tenants.suspend("acme")
    with pytest.raises(IllegalTransition) as caught:
        app.tenants.suspend("acme")
    assert caught.value.allowed == ("make_read_only", "begin_deletion", "resume")
    app.tenants.delete("acme", now=True)
    for change in (app.tenants.suspend, app.tenants.resume, app.tenants.read_only):
        with pytest.raises(IllegalTransition):
            change("acme")
    with pytest.raises(UniqueViolation):
        app.tenants.create("acme")
    with pytest.raises(UnknownTenant):
        app.tenants.suspend("nobody")


def test_life_says_who_and_why(app: Application) -> None:
    """Each change leaves one entry, and an event of the same words in its transaction."""
    app.tenants.suspend("acme", operator="ann", reason="unpaid")
    with app.scope(as_system="sign-up"):
        app.tenants.resume("acme", reason="paid")
    life = [(e.action, e.state_before, e.state_after, e.operator, e.reason) for e in app.tenants.life("acme")]
    assert life[0][:3] == ("create", "", "provisioning")
    assert life[1][:3] == ("activate", "provisioning", "active")
    assert life[2:] == [
        ("suspend", "active", "suspended", "ann", "unpaid"),
        ("resume", "suspended", "active", "system", "paid"),
    ]
    assert [(e.action, e.before, e.after, e.operator, e.reason) for e in HEARD] == life
    assert [e.tenant for e in HEARD] == ["acme"] * 4


def test_log_tells_what_was_committed(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """One record for each change, with tenant and operator; none of what was undone."""
    with caplog.at_level("INFO", "prefiq"):
        app.tenants.suspend("acme", operator="ann", reason="unpaid")
        with pytest.raises(IllegalTransition):
            app.tenants.suspend("acme", operator="bob")
    told = [record for record in caplog.records if record.getMessage().startswith("tenant acme")]
    assert [record.getMessage() for record in told] == ["tenant acme: suspend by ann"]
    assert (told[0].tenant, told[0].reason) == ("acme", "unpaid")  # type: ignore[attr-defined]


def test_operator_is_the_actor_of_the_open_scope(app: Application) -> None:
    """A service that changes tenants for somebody need not repeat who that is."""
    with app.scope("acme", Actor("u42", ("*",))):
        app.tenants.create("globex")
    assert {entry.operator for entry in app.tenants.life("globex")} == {"u42"}


def test_subscriber_that_raises_undoes_the_change(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither state nor life is changed."""

    class Veto(list[TenantEvent]):
        def append(self, event: TenantEvent) -> None:
            raise Refused("", f"not {event.action}")

    monkeypatch.setitem(hear.__globals__, "HEARD", Veto())
    before = app.tenants.life("acme")
    with pytest.raises(Refused):
        app.tenants.suspend("acme")
    assert states(app) == {"acme": "active"}
    assert app.tenants.life("acme") == before


def test_list_is_streamed_and_filtered(app: Application) -> None:
    """By state, in batches."""
    for key in ("b", "c", "d"):
        app.tenants.create(key)
    app.tenants.suspend("c")
    assert [tenant.key for tenant in app.tenants.list(TenantState.SUSPENDED)] == ["c"]
    assert [tenant.key for batch in app.tenants.stream() for tenant in batch] == ["acme", "b", "c", "d"]


# ---- creating


def test_create_goes_on_where_it_broke_off(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its place is made a tenant is provisioning and not served; calling create again finishes it."""
    made: list[str] = []

    class Maker:
        @staticmethod
        def placement(app: Application, key: str, mode: str) -> object:
            return Placement("schema", f"t_{key}")

        @staticmethod
        def provision(app: Application, tenant: Tenant) -> None:
            made.append(tenant.hint)
            if len(made) == 1:
                raise OSError("no space left")

    monkeypatch.setattr(tenant_places, "_maker", lambda mode: Maker)
    with pytest.raises(OSError, match="no space"):
        app.tenants.create("globex", mode=TenantMode.SCHEMA)
    assert states(app)["globex"] == "provisioning"
    with pytest.raises(UnknownTenant):
        app.scope("globex")
    tenant = app.tenants.create("globex")
    assert tenant.state is TenantState.ACTIVE
    assert made == ["t_globex", "t_globex"]
    assert [entry.action for entry in app.tenants.life("globex")] == ["create", "activate"]
    bound = app.tenants.bound("globex")
    assert bound is not None
    assert (bound.placement.mode, bound.placement.hint) == ("schema", "t_globex")


def test_one_tenant_of_an_installation_has_no_second(tmp_path: Path) -> None:
    """The service refuses it, as the command does."""
    with (
        make_application(tmp_path, tenancy="single", tenant="home") as app,
        pytest.raises(PlacementNotServed, match="the one tenant is there already"),
    ):
        app.tenants.create("other")


# ---- holding and deleting


def test_hold_keeps_a_tenant_from_being_deleted(app: Application) -> None:
    """By a reason until it is released, by a time until that has passed; the error says which."""
    with pytest.raises(ValidationFailed):
        app.tenants.hold("acme", reason=" ")
    app.tenants.hold("acme", reason="case 17")
    app.tenants.hold("acme", reason="tax law", until=datetime(2036, 1, 1, tzinfo=UTC))
    with pytest.raises(TenantHeld) as caught:
        app.tenants.delete("acme", now=True)
    assert str(caught.value) == (
        "This tenant must not be deleted: it is held (case 17) and it has to be kept until 2036-01-01"
        " (tenant acme) [PFQ370]\n  Try: prefiq tenants release acme, once that is over"
    )
    assert states(app) == {"acme": "active"}
    app.tenants.release("acme", reason="settled")
    app.tenants.delete("acme", now=True)
    actions = [entry.action for entry in app.tenants.life("acme")]
    assert actions == ["create", "activate", "hold", "hold", "release", "delete", "purge", "gone"]
    assert app.tenants.life("acme")[4].details == {"hold": "case 17", "until": "2036-01-01T00:00:00+00:00"}


def test_time_of_retention_ends_by_itself(app: Application) -> None:
    """Nobody has to release what is over."""
    app.tenants.hold("acme", reason="tax law", until=datetime(2020, 1, 1, tzinfo=UTC))
    app.tenants.delete("acme", now=True)
    assert states(app) == {"acme": "gone"}


def test_hold_that_comes_in_the_time_of_grace_stops_the_rows_from_going(app: Application) -> None:
    """The deletion waits, and goes on when it is asked for again after the release."""
    app.tenants.delete("acme")
    app.tenants.hold("acme", reason="case 17")
    with pytest.raises(TenantHeld):
        app.tenants.delete("acme", now=True)
    assert app.tenants.get("acme").purging_since is None
    app.tenants.release("acme")
    assert app.tenants.delete("acme", now=True).tenant.state is TenantState.GONE


def test_hold_that_comes_at_the_last_moment_counts(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the first row that goes, somebody else may hold the tenant."""
    real = tenant_places.count_rows

    def held(app: Application, tenant: Tenant) -> dict[str, int]:
        app.tenants.hold("acme", reason="case 17")
        return real(app, tenant)

    monkeypatch.setattr(tenant_places, "count_rows", held)
    with pytest.raises(TenantHeld):
        app.tenants.delete("acme", now=True)
    assert app.tenants.get("acme").purging_since is None


def test_deletion_waits_for_its_time_and_can_be_taken_back(tmp_path: Path) -> None:
    """Asked again before its time it changes nothing; after it, the rows go; in between, resume ends it."""
    clock = FrozenClock(datetime(2026, 5, 1, tzinfo=UTC))
    with make_application(tmp_path, tenants=("acme",)) as made:
        app = made.fork({IClock: clock})
        app.tenants.settling = 0.0
        found = app.tenants.delete("acme", grace=timedelta(days=7))
        assert found.tenant.delete_after == datetime(2026, 5, 8, tzinfo=UTC)
        assert app.tenants.resume("acme").delete_after is None
        app.tenants.delete("acme", grace=timedelta(days=7))
        clock.tick(6 * 86_400)
        assert app.tenants.delete("acme").tenant.state is TenantState.DELETING
        clock.tick(86_400)
        assert app.tenants.delete("acme").tenant.state is TenantState.GONE


def test_no_way_back_once_rows_go(app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deletion that died in the middle is finished, never resumed; its receipt counts from the beginning."""
    real = tenant_places.delete_rows

    def dies(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tenant_places, "delete_rows", dies)
    with pytest.raises(KeyboardInterrupt):
        app.tenants.delete("acme", now=True)
    with pytest.raises(Refused, match="deleted already"):
        app.tenants.resume("acme")
    assert states(app) == {"acme": "deleting"}
    monkeypatch.setattr(tenant_places, "delete_rows", real)
    app.tenants.delete("acme")
    assert states(app) == {"acme": "gone"}
    assert [entry.action for entry in app.tenants.life("acme")][2:] == ["delete", "purge", "gone"]


def test_name_of_one_that_is_gone_is_forgotten(app: Application) -> None:
    """It may be a person's; the key and the life stay."""
    app.tenants.create("doe", "Jane Doe")
    app.tenants.delete("doe", now=True)
    tenant = app.tenants.get("doe")
    assert (tenant.name, tenant.state) == ("doe", TenantState.GONE)
    with app.scope(as_system="test") as scope:
        assert scope[IDomain[TenantLife]].count() >= 5
        assert scope[IDomainService[Tenant]].get(tenant.id) == tenant


@pytest.mark.parametrize("mode", ["row", "database"])
def test_key_of_another_form_is_told_as_such(tmp_path: Path, mode: str) -> None:
    """Whatever the characters, and wherever the tenant would stand: the field is named, and nothing is made."""
    with make_application(
        tmp_path, modules=[], tenants=(), tenancy="database", db_path="home.db", db_busy_timeout="1"
    ) as made:
        for key in ("a\0b", "\ud800", "A B", "-a", "", "x" * 64):
            for ask in (made.tenants.create, made.tenants.planned):
                with pytest.raises(ValidationFailed) as raised:
                    ask(key, "Somebody", mode=mode)
                assert [error.field for error in raised.value.errors] == ["key"]
            with pytest.raises(UnknownTenant):
                made.tenants.get(key)
            assert made.tenants.life(key) == []
        assert made.tenants.list() == []
