# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
"""The parts that an author writes by hand: contracts, stores, a service, a policy, hooks and a provider."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Protocol, assert_type

from typing_tests.declaration import Customer, Project, Stage

from prefiq import (
    Binder,
    Criteria,
    EntityChanged,
    IClock,
    IDomain,
    IDomainService,
    Page,
    Policy,
    ProviderBase,
    RepositoryMemory,
    RepositoryQuery,
    Scope,
    ServiceContext,
    Services,
    UniqueViolation,
    on,
    subscribe,
    where,
)


class IProject(IDomain[Project], Protocol):
    def get_by_code(self, code: str, /) -> Project | None: ...


class IProjectService(IDomainService[Project], Protocol):
    def open(self) -> Sequence[Project]: ...


class ProjectRepos(RepositoryQuery[Project]):
    def get_by_code(self, code: str, /) -> Project | None:
        found = self.get_by("code", code)
        assert_type(found, Project | None)
        return found

    def latest(self) -> Sequence[Project]:
        return self.query(self.select().order_by(self.table.c.opened_at.desc()))


class ProjectMemory(RepositoryMemory[Project]):
    def get_by_code(self, code: str, /) -> Project | None:
        return self.get_by("code", code)


class ProjectService(Services[Project]):
    def __init__(self, repository: IProject, context: ServiceContext, clock: IClock) -> None:
        super().__init__(repository, context)
        self.projects = repository
        self.clock = clock

    def create(self, entity: Project, /) -> Project:
        if self.projects.get_by_code(entity.code) is not None:
            raise UniqueViolation(self.spec.qualified, ("code",))
        entity.opened_at = self.clock.now()
        return super().create(entity)

    def open(self) -> Sequence[Project]:
        page = self.list(Page(), where(stage=Stage.ACTIVE))
        assert_type(page.items, list[Project])
        return page.items


class ProjectPolicy(Policy[Project]):
    def rows(self, verb: str) -> Criteria | None:
        return None if verb == "read" else where(code=self.actor.id)

    def unreadable(self) -> frozenset[str]:
        return frozenset({"budget"})


@on.before_create(Project)
def stamp(project: Project, clock: IClock) -> None:
    project.opened_at = clock.now()


@on.after(Project.close)
def tell(project: Project) -> None: ...


@on.around_create(Project)
def wrapped(project: Project, clock: IClock) -> Iterator[None]:
    project.opened_at = clock.now()
    yield


@on.around(Project.close)
def wrapped_action(project: Project) -> Generator[None, Project, None]:
    stored = yield
    assert_type(stored, Project)
    assert stored is project


@on.around_update(Project)  # type: ignore[type-var]
def does_not_wrap(project: Project) -> None: ...


@on.before_create(Customer)  # type: ignore[arg-type]
def wrong(project: Project) -> None: ...


@subscribe(EntityChanged, model=Project, action="close")
def closed(event: EntityChanged, projects: IProject) -> None:
    project: Project = event.entity
    assert_type(projects.get_by_code(project.code), Project | None)


class ProjectProvider(ProviderBase):
    models = (Project, Customer)
    hooks = (stamp, tell, wrapped, wrapped_action)
    subscribers = (closed,)

    def bind(self, to: Binder) -> None:
        to.bind(IProject, ProjectRepos)
        to.bind(IProjectService, ProjectService)
        to.bind(Policy[Project], ProjectPolicy)


def derived_parts_meet_the_contracts(
    repos: RepositoryQuery[Project], memory: RepositoryMemory[Project], service: Services[Project]
) -> tuple[IDomain[Project], IDomain[Project], IDomainService[Project]]:
    return repos, memory, service


def written_parts_meet_theirs(
    repos: ProjectRepos, memory: ProjectMemory, service: ProjectService, derived: RepositoryQuery[Project]
) -> tuple[object, ...]:
    stores: list[IProject] = [repos, memory]
    use_cases: IProjectService = service
    missing: IProject = derived  # type: ignore[assignment]
    other: IDomain[Customer] = repos  # type: ignore[assignment]
    return stores, use_cases, missing, other


def parts_are_asked_for_by_contract(scope: Scope) -> None:
    assert_type(scope[IProjectService].open(), Sequence[Project])
    assert_type(scope[IProject].get_by_code("A"), Project | None)
    assert_type(scope[ProjectPolicy].rows("read"), Criteria | None)
