"""The service pipeline: one road for every use case, on every path."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from tests.unit.foundation.work import Bill, Job, Log, Stage, Step, WorkProvider, delivered

from prefiq import (
    Actor,
    ConcurrencyError,
    Forbidden,
    ForeignKeyViolation,
    IDomain,
    IDomainService,
    IllegalTransition,
    NotFound,
    Page,
    Policy,
    Refused,
    UniqueViolation,
    ValidationFailed,
    can,
    where,
)
from prefiq.lowcode import DeclarationError

pytestmark = pytest.mark.prefiq(modules=[WorkProvider])


@pytest.fixture
def jobs(scope):
    return scope[IDomainService[Job]]


def texts(scope):
    return [log.text for log in scope[IDomain[Log]].list(Page(limit=1000, sort=("id",))).items]


class TestCreate:
    def test_a_new_entity_gets_defaults_the_clock_and_version_one(self, jobs):
        job = jobs.create(Job(code="A-1", steps=[Step(title="one"), Step(title="two")]))
        assert (job.version, job.name, job.stage) == (1, "job 2026", Stage.DRAFT)
        assert job.made == datetime(2026, 1, 1, 12, tzinfo=UTC)
        assert [step.title for step in jobs.get(job.id).steps] == ["one", "two"]

    def test_every_fault_is_reported_at_once_and_nothing_is_stored(self, jobs, scope):
        with pytest.raises(ValidationFailed) as caught:
            jobs.create(Job(code="a b", budget=Decimal("-1.005"), steps=[Step(), Step(title="x" * 21)]))
        assert {(error.field, error.code) for error in caught.value.errors} == {
            ("code", "pattern"),
            ("budget", "scale"),
            ("steps.0.title", "required"),
            ("steps.1.title", "max_length"),
        }
        assert jobs.list().items == []
        assert texts(scope) == []

    def test_a_rule_over_the_whole_entity_names_its_field(self, jobs):
        with pytest.raises(ValidationFailed) as caught:
            jobs.create(Job(code="A", name="A"))
        assert [(e.field, e.message) for e in caught.value.errors] == [("name", "must differ from the code")]

    def test_without_the_permission_nothing_happens(self, app, tenant):
        with app.scope(tenant, can("work.job.read")) as scope, pytest.raises(Forbidden) as caught:
            scope[IDomainService[Job]].create(Job(code="A"))
        assert caught.value.permission == "work.job.create"

    def test_nobody_may_do_anything(self, app, tenant):
        with app.scope(tenant) as scope, pytest.raises(Forbidden):
            scope[IDomainService[Job]].list()

    def test_a_taken_value_is_named(self, jobs):
        jobs.create(Job(code="A"))
        with pytest.raises(UniqueViolation) as caught:
            jobs.create(Job(code="A"))
        assert caught.value.fields == ("code",)

    def test_the_same_value_is_free_in_another_tenant(self, jobs, other_scope):
        jobs.create(Job(code="A"))
        assert other_scope[IDomainService[Job]].create(Job(code="A")).version == 1

    def test_a_new_entity_starts_in_the_first_state(self, jobs):
        with pytest.raises(IllegalTransition):
            jobs.create(Job(code="A", stage=Stage.CLOSED))

    def test_what_a_hook_raises_leaves_nothing_behind(self, jobs, scope):
        delivered.clear()
        job = Job(code="A", name="explode")
        with pytest.raises(Refused, match="the hook says no"):
            jobs.create(job)
        assert jobs.list().items == []
        assert texts(scope) == []
        assert delivered == []
        assert job.version == 0

    def test_a_reference_to_a_missing_or_foreign_row_names_its_field(self, scope, other_scope):
        foreign = other_scope[IDomainService[Job]].create(Job(code="A"))
        for wrong in (uuid4(), foreign.id):
            with pytest.raises(ForeignKeyViolation) as caught:
                scope[IDomainService[Bill]].create(Bill(job_id=wrong))
            assert caught.value.fields == ("job_id",)


class TestCreateMany:
    def test_all_are_stored_with_history_and_hooks(self, jobs, scope):
        assert jobs.create_many([Job(code=f"A-{n}") for n in range(30)]) == 30
        stored = jobs.list(Page(limit=50)).items
        assert len(stored) == 30
        assert [entry.action for entry in jobs.history(stored[7].id)] == ["created"]
        assert texts(scope).count("event created A-3") == 1

    def test_the_faults_of_all_are_reported_together(self, jobs):
        with pytest.raises(ValidationFailed) as caught:
            jobs.create_many([Job(code="A"), Job(code="b"), Job(code="C", budget=Decimal(-1))])
        assert [error.field for error in caught.value.errors] == ["1.code", "2.budget"]
        assert jobs.list().items == []

    def test_a_state_assigned_directly_is_refused(self, jobs):
        with pytest.raises(IllegalTransition):
            jobs.create_many([Job(code="A"), Job(code="B", stage=Stage.ACTIVE)])
        assert jobs.list().items == []

    def test_one_taken_value_stores_none(self, jobs):
        with pytest.raises(UniqueViolation):
            jobs.create_many([Job(code="A"), Job(code="B"), Job(code="A")])
        assert jobs.list().items == []


class TestUpdate:
    def test_only_a_change_raises_the_version_and_is_recorded(self, jobs):
        job = jobs.create(Job(code="A", name="x"))
        assert jobs.update(job).version == 1
        job.name = "y"
        assert jobs.update(job).version == 2
        entry = jobs.history(job.id)[-1]
        assert (entry.action, entry.entity_version) == ("updated", 2)
        assert entry.changes == {"name": ["x", "y"]}

    def test_hooks_see_the_entity_as_it_was(self, jobs, scope):
        job = jobs.create(Job(code="A", name="x"))
        job.name = "y"
        jobs.update(job)
        assert "x -> y" in texts(scope)

    def test_a_stale_entity_is_refused(self, jobs):
        job = jobs.create(Job(code="A"))
        mine, theirs = jobs.get(job.id), jobs.get(job.id)
        theirs.name = "theirs"
        jobs.update(theirs)
        mine.name = "mine"
        with pytest.raises(ConcurrencyError):
            jobs.update(mine)
        assert jobs.get(job.id).name == "theirs"

    def test_a_copy_without_memory_is_compared_with_the_stored_row(self, jobs):
        job = jobs.create(Job(code="A", name="x"))
        twin = Job(id=job.id, version=1, code="A", name="z", made=job.made)
        jobs.update(twin)
        assert jobs.get(job.id).name == "z"
        old = Job(id=job.id, version=1, code="A", name="again", made=job.made)
        with pytest.raises(ConcurrencyError):
            jobs.update(old)

    def test_a_state_is_not_assigned(self, jobs):
        job = jobs.create(Job(code="A"))
        job.stage = Stage.CLOSED
        with pytest.raises(IllegalTransition):
            jobs.update(job)
        assert jobs.get(job.id).stage is Stage.DRAFT

    def test_a_state_moved_on_the_object_needs_the_actions_permission(self, app, tenant, jobs):
        job = jobs.create(Job(code="A"))
        jobs.run(Job.activate, job.id)
        with app.scope(tenant, can("work.job.*")) as scope:
            weak = scope[IDomainService[Job]]
            theirs = weak.get(job.id)
            theirs.close("sneaky")
            with pytest.raises(Forbidden) as caught:
                weak.update(theirs)
            with pytest.raises(Forbidden):
                weak.run(Job.rename, theirs, name="other")
        assert caught.value.permission == "work.close"
        mine = jobs.get(job.id)
        mine.close("done")
        assert jobs.update(mine).stage is Stage.CLOSED

    def test_children_are_compared_one_by_one(self, jobs):
        job = jobs.create(Job(code="A", steps=[Step(title="one"), Step(title="two")]))
        first, second = job.steps
        job.steps = [second, Step(title="three")]
        second.title = "second"
        jobs.update(job)
        again = jobs.get(job.id)
        assert [(s.title, s.id == second.id) for s in again.steps] == [("second", True), ("three", False)]
        assert again.version == 2
        assert first.id not in {s.id for s in again.steps}

    def test_an_unknown_entity_is_not_found(self, jobs):
        with pytest.raises(NotFound):
            jobs.update(Job(code="A", version=1))


class TestDelete:
    def test_a_deleted_entity_keeps_its_history(self, jobs):
        job = jobs.create(Job(code="A"))
        jobs.delete(job.id)
        with pytest.raises(NotFound):
            jobs.get(job.id)
        assert [entry.action for entry in jobs.history(job.id)] == ["created", "deleted"]

    def test_the_version_that_was_seen_must_still_be_there(self, jobs):
        job = jobs.create(Job(code="A"))
        job.name = "new"
        jobs.update(job)
        with pytest.raises(ConcurrencyError):
            jobs.delete(job.id, version=1)
        jobs.delete(job.id, version=2)

    def test_what_others_refer_to_stays(self, jobs, scope):
        job = jobs.create(Job(code="A"))
        scope[IDomainService[Bill]].create(Bill(job_id=job.id))
        with pytest.raises(ForeignKeyViolation) as caught:
            jobs.delete(job.id)
        assert caught.value.deleting
        assert jobs.get(job.id).code == "A"


class TestRun:
    def test_an_action_is_permission_guard_hooks_event_and_history(self, jobs, scope):
        job = jobs.create(Job(code="A"))
        jobs.run(Job.activate, job.id)
        closed = jobs.run(Job.close, job.id, reason="done")
        assert (closed.stage, closed.version) == (Stage.CLOSED, 3)
        assert [entry.action for entry in jobs.history(job.id)] == ["created", "activate", "close"]
        assert jobs.history(job.id)[-1].arguments == {"reason": "done"}
        assert "closing A: done" in texts(scope)
        assert "event close A" in texts(scope)

    def test_arguments_may_be_given_by_position(self, jobs):
        job = jobs.create(Job(code="A"))
        jobs.run(Job.rename, job.id, "B")
        assert jobs.get(job.id).name == "B"

    def test_the_wrong_state_says_what_is_possible(self, jobs):
        job = jobs.create(Job(code="A"))
        with pytest.raises(IllegalTransition) as caught:
            jobs.run(Job.close, job.id, reason="done")
        assert (caught.value.state, caught.value.allowed) == ("draft", ("activate", "rename", "grant"))

    def test_what_the_body_refuses_changes_nothing(self, jobs):
        job = jobs.create(Job(code="A"))
        jobs.run(Job.activate, job.id)
        with pytest.raises(Refused, match="say why"):
            jobs.run(Job.close, job.id, reason=" ")
        assert jobs.get(job.id).stage is Stage.ACTIVE

    def test_arguments_are_checked_like_fields(self, jobs):
        job = jobs.create(Job(code="A"))
        jobs.run(Job.activate, job.id)
        with pytest.raises(ValidationFailed) as caught:
            jobs.run(Job.close, job.id, why="x")
        assert {(e.field, e.code) for e in caught.value.errors} == {
            ("reason", "required"),
            ("why", "unknown"),
        }

    def test_an_action_needs_its_own_permission(self, app, tenant, jobs):
        job = jobs.create(Job(code="A"))
        jobs.run(Job.activate, job.id)
        with app.scope(tenant, can("work.job.*")) as scope, pytest.raises(Forbidden) as caught:
            scope[IDomainService[Job]].run(Job.close, job.id, reason="x")
        assert caught.value.permission == "work.close"

    def test_what_was_changed_beside_an_action_is_an_update(self, app, tenant, jobs):
        job = jobs.create(Job(code="A"))
        with app.scope(tenant, can("work.job.read", "work.job.rename")) as scope:
            weak = scope[IDomainService[Job]]
            theirs = weak.get(job.id)
            theirs.budget = Decimal(999)
            with pytest.raises(Forbidden) as caught:
                weak.run(Job.rename, theirs, name="other")
        assert caught.value.permission == "work.job.update"
        job.budget = Decimal(5)
        assert jobs.run(Job.rename, job, name="other").budget == Decimal(5)

    def test_the_declared_rules_hold_after_an_action(self, jobs):
        job = jobs.create(Job(code="A"))
        with pytest.raises(ValidationFailed):
            jobs.run(Job.rename, job.id, name="A")

    def test_an_entity_that_was_read_must_not_have_changed(self, jobs):
        job = jobs.create(Job(code="A"))
        seen = jobs.get(job.id)
        jobs.run(Job.rename, job.id, name="other")
        with pytest.raises(ConcurrencyError):
            jobs.run(Job.activate, seen)


class TestPolicy:
    @pytest.fixture
    def theirs(self, open_scope, tenant):
        return open_scope(tenant, Actor("owner:ann", ("*",)))[IDomainService[Job]]

    def test_only_the_policys_rows_are_seen(self, jobs, theirs):
        mine = jobs.create(Job(code="A", owner="ann"))
        other = jobs.create(Job(code="B", owner="bob"))
        assert [job.code for job in theirs.list().items] == ["A"]
        assert theirs.list(Page(count=True)).total == 1
        assert theirs.get(mine.id).code == "A"
        with pytest.raises(NotFound):
            theirs.get(other.id)
        with pytest.raises(NotFound):
            theirs.history(other.id)
        with pytest.raises(NotFound):
            theirs.delete(other.id)

    def test_a_row_cannot_be_moved_out_of_ones_reach_or_made_there(self, jobs, theirs):
        jobs.create(Job(code="A", owner="ann"))
        job = theirs.list().items[0]
        job.owner = "bob"
        with pytest.raises(Forbidden):
            theirs.update(job)
        with pytest.raises(Forbidden):
            theirs.create(Job(code="B", owner="bob"))
        with pytest.raises(Forbidden):
            theirs.create_many([Job(code="B", owner="bob")])

    def test_a_locked_field_is_not_written(self, jobs, theirs):
        jobs.create(Job(code="A", owner="ann", budget=Decimal(5)))
        job = theirs.list().items[0]
        job.budget = Decimal(6)
        with pytest.raises(Forbidden) as caught:
            theirs.update(job)
        assert caught.value.permission == "work.job.write.budget"
        with pytest.raises(Forbidden):
            theirs.create(Job(code="B", owner="ann", budget=Decimal(1)))
        with pytest.raises(Forbidden):
            theirs.run(Job.rename, job, name="other")

    def test_what_a_hook_or_an_action_sets_is_not_the_actors(self, jobs, theirs):
        job = theirs.create(Job(code="A", owner="ann", name="budgeted"))
        assert jobs.get(job.id).budget == Decimal(100)
        assert theirs.run(Job.grant, job.id).budget == Decimal(200)

    def test_an_unreadable_field_is_no_oracle(self, theirs):
        with pytest.raises(Forbidden):
            theirs.list(where=where(budget__gt=Decimal(1)))
        with pytest.raises(Forbidden):
            theirs.list(Page(sort=("-budget",)))


class Misspelt(Policy[Job]):
    def unreadable(self) -> frozenset[str]:
        return frozenset({"budgets"})


def test_a_policy_that_names_no_field_is_a_fault_not_an_open_door(app, tenant):
    fork = app.fork({Policy[Job]: Misspelt})
    with fork.scope(tenant, can("*")) as scope, pytest.raises(DeclarationError, match="names budgets"):
        scope[IDomainService[Job]].list()


class TestHistory:
    def test_it_says_who_and_when_and_hides_hidden_values(self, app, tenant, clock):
        with app.scope(tenant, Actor("u-1", ("*",), "Ann")) as scope:
            jobs = scope[IDomainService[Job]]
            job = jobs.create(Job(code="A", secret="s3cret", budget=Decimal("1.50")))
            clock.tick(60)
            job.secret = "other"
            jobs.update(job)
            first, second = jobs.history(job.id)
        assert (first.actor, first.actor_name) == ("u-1", "Ann")
        assert (second.at - first.at).total_seconds() == 60
        assert first.changes["budget"] == [None, "1.50"]
        assert "s3cret" not in repr(first.changes)
        assert second.changes == {"secret": "hidden"}

    def test_another_tenant_does_not_see_it(self, jobs, other_scope):
        job = jobs.create(Job(code="A"))
        with pytest.raises(NotFound):
            other_scope[IDomainService[Job]].history(job.id)

    def test_it_is_gone_with_the_transaction(self, jobs, scope):
        from prefiq import ITransactions

        job = jobs.create(Job(code="A"))

        def fail_after_renaming():
            with scope[ITransactions].tx():
                jobs.run(Job.rename, job.id, name="x")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_after_renaming()
        assert [entry.action for entry in jobs.history(job.id)] == ["created"]


class TestAfterCommit:
    def test_delivery_waits_for_the_commit(self, jobs, scope):
        from prefiq import ITransactions

        delivered.clear()
        with scope[ITransactions].tx():
            jobs.create(Job(code="A"))
            assert delivered == []
        assert delivered == ["created A"]


def test_the_entity_given_is_the_one_returned(jobs):
    job = Job(code="A")
    assert jobs.create(job) is job
    assert copy.copy(job) == job
