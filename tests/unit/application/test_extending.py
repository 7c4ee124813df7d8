"""Parts of services and policies that several modules bring, put together; and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prefiq import (
    Binder,
    Criteria,
    Entity,
    Faults,
    Forbidden,
    IClock,
    IDomain,
    IDomainService,
    NotFound,
    PolicyExtension,
    ProviderBase,
    Refused,
    Scope,
    ServiceContext,
    ServiceExtension,
    Services,
    can,
    field,
    where,
)
from prefiq.testing import make_application

if TYPE_CHECKING:
    from prefiq import Missing  # type: ignore[attr-defined]


class Job(Entity):
    name: str = field(max_length=20)
    owner: str = field(default="", max_length=20)


class Price(Entity):
    name: str = field(max_length=20)


class JobService(Services[Job]):
    """Written by hand, with a parameter of its own."""

    def __init__(self, repository: IDomain[Job], context: ServiceContext, *, clock: IClock) -> None:
        super().__init__(repository, context)
        self.clock = clock

    def create(self, entity: Job, /) -> Job:
        entity.name += " own"
        return super().create(entity)

    def year(self) -> int:
        return self.clock.now().year


class WorkProvider(ProviderBase):
    name = "work"
    models = (Job,)

    def bind(self, to: Binder) -> None:
        to.bind(IDomainService[Job], JobService)


class First(ServiceExtension[Job]):
    prices: IDomain[Price]

    def create(self, entity: Job, /) -> Job:
        entity.name += f" first{self.prices.count()}"
        return super().create(entity)


class Second(ServiceExtension[Job]):
    prices: IDomain[Price]
    clock: IClock

    def create(self, entity: Job, /) -> Job:
        entity.name += " second"
        return super().create(entity)

    def year(self) -> int:
        return super().year() + 1  # type: ignore[misc, no-any-return]


class OwnRows(PolicyExtension[Job]):
    def rows(self, verb: str) -> Criteria | None:
        del verb
        return None if self.actor.id == "boss" else where(owner=self.actor.id)


class NoNames(PolicyExtension[Job]):
    def __init__(self, scope: Scope, clock: IClock) -> None:
        super().__init__(scope)
        self.clock = clock

    def rows(self, verb: str) -> Criteria | None:
        return where(name__ne="secret") if verb == "read" else None

    def unwritable(self) -> frozenset[str]:
        return frozenset({"owner"} if self.actor.id == "temp" else ())


def provider(name: str, *extensions: Any, models: tuple[type, ...] = ()) -> type[ProviderBase]:
    return type("Provider", (ProviderBase,), {"name": name, "extensions": extensions, "models": models})


def application(folder: Path, *providers: type[ProviderBase], **settings: Any) -> Any:
    return make_application(folder, modules=[WorkProvider, *providers], **settings)


def faults_of(folder: Path, *providers: type[ProviderBase]) -> list[str]:
    with pytest.raises(Faults) as caught:
        application(folder, *providers)
    return [fault.what for fault in caught.value.exceptions]


def test_the_last_module_is_outermost(tmp_path: Path) -> None:
    """Each part goes on to the one before, and the first to the service; attributes are injected."""
    app = application(tmp_path, provider("one", First, models=(Price,)), provider("two", Second))
    with app, app.scope("acme", can("*")) as scope:
        service: Any = scope[IDomainService[Job]]
        assert [cls.__name__ for cls in type(service).__mro__[:4]] == [
            "JobService",
            "Second",
            "First",
            "ServiceExtension",
        ]
        assert service.create(Job(name="a")).name == "a second first0 own"
        assert service.year() == service.clock.now().year + 1
        assert type(service).__module__ == __name__


def test_a_derived_service_is_extended_too(tmp_path: Path) -> None:
    """Nobody has to write one first."""

    class More(ServiceExtension[Price]):
        def create(self, entity: Price, /) -> Price:
            entity.name += "!"
            return super().create(entity)

    app = application(tmp_path, provider("shop", models=(Price,)), provider("more", More))
    with app, app.scope("acme", can("*")) as scope:
        assert scope[IDomainService[Price]].create(Price(name="a")).name == "a!"


def test_whoever_is_bound_is_extended(tmp_path: Path) -> None:
    """Also a replacement; a fork that binds another service has that one alone."""
    app = application(tmp_path, provider("one", First, models=(Price,)))

    class Plain(Services[Job]):
        pass

    with app, app.fork({IDomainService[Job]: Plain}) as fork, fork.scope("acme", can("*")) as scope:
        assert type(scope[IDomainService[Job]]) is Plain


def test_what_each_policy_takes_away_is_away(tmp_path: Path) -> None:
    """Rows of both, fields of either; the model's own policy stays below."""
    app = application(tmp_path, provider("one", OwnRows), provider("two", NoNames))
    with app:
        with app.scope("acme", can("*", id="boss")) as scope:
            jobs = scope[IDomainService[Job]]
            hers, secret = jobs.create(Job(name="a", owner="ann")), jobs.create(Job(name="b", owner="ann"))
            secret.name = "secret"
            jobs.repository.update(secret)  # type: ignore[attr-defined]
            assert {job.name for job in jobs.list().items} == {"a own"}
        with app.scope("acme", can("*", id="ann")) as scope:
            jobs = scope[IDomainService[Job]]
            assert [job.id for job in jobs.list().items] == [hers.id]
            with pytest.raises(NotFound):
                jobs.get(secret.id)
        with app.scope("acme", can("*", id="temp")) as scope, pytest.raises(Forbidden):
            scope[IDomainService[Job]].create(Job(name="c", owner="temp"))


def test_an_override_goes_on(tmp_path: Path) -> None:
    """One that drops the chain is told with its line; one that refuses goes on in its other way."""

    class Drops(ServiceExtension[Job]):
        def create(self, entity: Job, /) -> Job:
            return self.repository.save(entity)

        def delete(self, id: Any, /, *, version: int | None = None) -> None:
            raise Refused("", "never")

        def helper(self) -> None: ...

    class Hides(ServiceExtension[Job]):
        def helper(self) -> None: ...

    assert faults_of(tmp_path, provider("one", Drops), provider("two", Hides)) == [
        "The extension one.Drops cannot be used: its create does not go on with JobService's",
        "The extension one.Drops cannot be used: its delete does not go on with JobService's",
        "The extension two.Hides cannot be used: its helper does not go on with Drops's",
    ]


def test_what_cannot_be_put_together_is_told_at_once(tmp_path: Path) -> None:
    """A constructor, attributes that disagree or cannot be read, models that nobody lists or names."""

    class Builds(ServiceExtension[Job]):
        def __init__(self) -> None: ...

    class Reads(ServiceExtension[Job]):
        clock: Missing

    class Other(ServiceExtension[Job]):
        prices: IClock

    class Nobody(ServiceExtension[Price]): ...

    class Nameless(ServiceExtension): ...  # type: ignore[type-arg]

    class Nowhere(PolicyExtension[Price]): ...

    found = faults_of(tmp_path, provider("one", Builds, Reads, First, Other, Nobody, Nameless, Nowhere))
    assert sorted(what.partition(": ")[2] for what in found if "extension" in what) == [
        "it has an __init__",
        "it names no model",
        "no listed module declares the model Price",
        "no listed module declares the model Price",
        "one.First has another attribute prices",
        "the annotation of clock, Missing, has no value at run time",
    ]


def test_what_follows_from_a_broken_module_is_not_told(tmp_path: Path) -> None:
    """Nobody knows which models a module would have had that could not be asked."""

    class Broken(ProviderBase):
        name = "broken"

        def bind(self, to: Binder) -> None:
            raise RuntimeError

    class More(ServiceExtension[Price]): ...

    class Few(PolicyExtension[Price]): ...

    assert len(faults_of(tmp_path, Broken, provider("more", More, Few))) == 1


def test_only_services_are_extended(tmp_path: Path) -> None:
    """A service that is no ``Services`` has no chain to go on with."""

    class Bare:
        def __init__(self, inner: IDomain[Price]) -> None: ...

        def __getattr__(self, name: str) -> Any: ...

    class ShopProvider(ProviderBase):
        name = "shop"
        models = (Price,)

        def bind(self, to: Binder) -> None:
            to.bind(IDomainService[Price], Bare)  # type: ignore[arg-type]

    class More(ServiceExtension[Price]): ...

    found = faults_of(tmp_path, ShopProvider, provider("more", More))
    assert (
        "The extension more.More cannot be used: Bare, which is bound as the service, does not derive from Services"
        in found
    )
