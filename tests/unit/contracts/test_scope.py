from __future__ import annotations

import contextvars
import threading

import pytest

from prefiq.contracts import (
    Across,
    Actor,
    Bound,
    IDomain,
    NoScope,
    Scope,
    ScopeClosed,
    System,
    TenantNotBound,
    current_scope,
    current_scope_or_none,
)
from prefiq.contracts.scope import NOBODY


def make(tenant: str = "acme", **options) -> Scope:
    return Scope(Bound(tenant), resolve=lambda scope, contract: (scope, contract), **options)


class TestCurrent:
    def test_there_is_none_outside(self):
        """Code that needs a tenant fails outside a scope, before it does anything."""
        with pytest.raises(NoScope) as caught:
            current_scope()
        assert str(caught.value) == 'No scope is open [PFQ501]\n  Try: run inside "with app.scope(tenant=…):"'
        assert current_scope_or_none() is None

    def test_scopes_nest(self):
        """The inner scope is the current one until it is left."""
        with make("a") as outer:
            with make("b") as inner:
                assert current_scope() is inner
            assert current_scope() is outer
        assert current_scope_or_none() is None

    def test_is_restored_after_an_error(self):
        """An error that leaves a scope leaves nothing of it behind."""
        with make("a") as outer:
            with pytest.raises(ZeroDivisionError), make("b"):
                1 / 0  # noqa: B018
            assert current_scope() is outer

    def test_a_new_thread_is_in_no_scope(self):
        """A thread must be given its scope: none is taken from whoever started it."""
        seen = []
        with make():
            thread = threading.Thread(target=lambda: seen.append(current_scope_or_none()))
            thread.start()
            thread.join()
        assert seen == [None]

    def test_threads_do_not_see_each_others(self):
        """Two requests in two threads have two tenants."""
        together, seen = threading.Barrier(2), {}

        def serve(tenant: str) -> None:
            with make(tenant):
                together.wait(5)
                seen[tenant] = current_scope().tenant
                together.wait(5)

        threads = [threading.Thread(target=serve, args=(tenant,)) for tenant in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == {"a": "a", "b": "b"}

    def test_a_scope_left_in_another_context_is_not_taken_for_the_present_one(self):
        """A fixture may leave a scope elsewhere; its tenant must not serve whoever comes next."""
        scope = make("gone").__enter__()
        contextvars.copy_context().run(scope.__exit__, None, None, None)
        assert scope.closed
        with pytest.raises(NoScope):
            current_scope()

    def test_a_scope_left_out_of_order_is_not_taken_for_the_present_one(self):
        """The outer scope ends first; when the inner one ends, no tenant is left."""
        outer = make("outer").__enter__()
        inner = make("inner").__enter__()
        outer.__exit__(None, None, None)
        assert current_scope() is inner
        inner.__exit__(None, None, None)
        assert current_scope_or_none() is None

    def test_is_still_current_while_it_closes(self):
        """What is closed may ask whose it is."""
        seen = []
        with make("acme") as scope:
            scope.on_close(lambda: seen.append(current_scope().tenant))
        assert seen == ["acme"]

    def test_is_entered_once(self):
        """A second exit of the same scope would leave it current for good."""
        with make() as scope, pytest.raises(RuntimeError, match="entered already"):
            scope.__enter__()

    def test_an_ended_one_is_not_entered(self):
        """Work after the end needs a new scope."""
        scope = make()
        scope.close()
        with pytest.raises(ScopeClosed):
            scope.__enter__()


class TestClose:
    def test_the_last_opened_is_closed_first(self):
        """What was built on something is closed before it."""
        order = []
        with make() as scope:
            for name in ("connection", "session", "cursor"):
                scope.on_close(lambda name=name: order.append(name))
        assert order == ["cursor", "session", "connection"]

    def test_happens_once(self):
        """A second close does nothing."""
        order = []
        scope = make()
        scope.on_close(lambda: order.append(1))
        scope.close()
        scope.close()
        assert order == [1]

    def test_one_failure_is_raised_as_it_is_and_the_rest_is_closed(self):
        """A failing close keeps nothing else open."""
        order = []

        def fail() -> None:
            raise OSError("disk")

        scope = make()
        scope.on_close(lambda: order.append("first"))
        scope.on_close(fail)
        with pytest.raises(OSError, match="disk"):
            scope.close()
        assert order == ["first"]
        assert scope.closed

    def test_several_failures_are_raised_together(self):
        """Every failing close is told."""

        def fail(error: Exception) -> None:
            raise error

        scope = make()
        scope.on_close(lambda: fail(OSError("a")))
        scope.on_close(lambda: fail(ValueError("b")))
        with pytest.raises(ExceptionGroup) as caught:
            scope.close()
        assert [str(error) for error in caught.value.exceptions] == ["b", "a"]

    def test_an_interrupt_does_not_keep_the_rest_open(self):
        """Ctrl-C in one close: the others run, then it goes on."""
        order = []

        def interrupt() -> None:
            raise KeyboardInterrupt

        scope = make()
        scope.on_close(lambda: order.append("connection"))
        scope.on_close(interrupt)
        with pytest.raises(KeyboardInterrupt):
            scope.close()
        assert order == ["connection"]
        assert scope.closed

    def test_a_close_may_register_another(self):
        """What is opened while closing is closed as well."""
        order = []
        scope = make()
        scope.on_close(lambda: scope.on_close(lambda: order.append("late")))
        scope.close()
        assert order == ["late"]

    def test_nothing_can_be_registered_afterwards(self):
        """Nobody would call it."""
        scope = make()
        scope.close()
        with pytest.raises(ScopeClosed):
            scope.on_close(lambda: None)

    def test_forgets_what_was_built(self):
        """An ended scope keeps no object alive."""
        scope = make()
        scope.instances["x"] = object()
        scope.close()
        assert scope.instances == {}

    def test_resolves_nothing_afterwards(self):
        """The error names the contract, with its model."""
        scope = make()
        assert scope[IDomain[int]] == (scope, IDomain[int])
        scope.close()
        with pytest.raises(ScopeClosed) as caught:
            scope[IDomain[int]]
        assert str(caught.value) == (
            "The scope has ended (resolving prefiq.contracts.domain.IDomain[int]) [PFQ502]\n"
            "  Try: open a new scope for work that outlives a request"
        )
        with pytest.raises(ScopeClosed, match="resolving Actor"):
            scope[Actor]


class TestTenant:
    def test_is_the_bound_ones_key(self):
        """A bound scope has a tenant."""
        assert make("acme").tenant == "acme"

    @pytest.mark.parametrize("tenancy", [System("seeds"), Across("report")])
    def test_other_scopes_have_none(self, tenancy):
        """System and Across fail where a tenant is needed."""
        with pytest.raises(TenantNotBound):
            Scope(tenancy, resolve=lambda *_: None).tenant  # noqa: B018


class TestActor:
    def test_nobody_may_nothing(self):
        """A scope without an actor has no permission."""
        assert make().actor is NOBODY
        assert NOBODY.permissions == ()

    def test_permissions_are_not_a_text(self):
        """Taken letter by letter, "projects.*" would hold "*", which covers everything."""
        with pytest.raises(TypeError, match="tuple of patterns"):
            Actor("eve", "projects.*")
