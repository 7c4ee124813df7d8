"""``transition`` and ``action``: the named use cases of an entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Protocol, TypeVar, overload

from typing_extensions import ParamSpec

from prefiq.contracts import IllegalTransition
from prefiq.lowcode.errors import DeclarationError
from prefiq.lowcode.status import Status

if TYPE_CHECKING:
    from types import EllipsisType

__all__ = ["Action", "action", "transition"]

E = TypeVar("E")
T = TypeVar("T")
B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)
P = ParamSpec("P")


class Extends(Protocol[B_co]):
    """What an extension of a model is to an action that it declares: the action is the model's."""

    def _extends(self) -> B_co: ...


class Action(Generic[E, P]):
    """A declared use case of one entity.

    On the class (``Project.close``) it is what ``service.run`` takes; on an entity (``project.close``) it is a
    method that changes the object alone: no permission, hook or write.

    Args:
        function: Body; None for a transition that only changes the state.
        sources: States it is possible in; empty for an action without states.
        to: State it leads to, or None.
        permission: Permission needed in place of the derived one.
    """

    def __init__(
        self,
        function: Callable[Concatenate[Any, P], None] | None,
        sources: tuple[Status, ...] = (),
        to: Status | None = None,
        permission: str = "",
    ) -> None:
        self.function = function
        self.sources = sources
        self.to = to
        self.permission = permission
        self.name = ""
        self.owner: type = object
        self.status_field = ""
        self.__doc__ = function.__doc__ if function is not None else None

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner = owner
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Extends[B]], /) -> Action[B, P]: ...
    @overload
    def __get__(self, instance: None, owner: type[T], /) -> Action[T, P]: ...
    @overload
    def __get__(self, instance: object, owner: type, /) -> Callable[P, None]: ...
    def __get__(self, instance: object, owner: type, /) -> Any:
        if instance is None:
            return self

        def bound(*args: P.args, **kwargs: P.kwargs) -> None:
            self.apply(instance, *args, **kwargs)

        return bound

    def _takes(self, *args: P.args, **kwargs: P.kwargs) -> E:  # noqa: ARG002  the shape that IAction asks for
        raise TypeError(f"run {self.name} through a service")

    @property
    def extends(self) -> type | None:
        """The model that it is an action of, where an extension declares it."""
        base: type | None = getattr(self.owner, "__prefiq_extends__", None)
        return base

    def apply(self, entity: Any, *args: P.args, **kwargs: P.kwargs) -> None:
        """Change the object: check the state, run the body, set the state.

        The body of an action that an extension declares gets the extension, whose ``base`` is the entity.

        Raises:
            IllegalTransition: Not possible in the entity's present state.
            prefiq.contracts.Refused: The body says no.
        """
        subject = entity
        if self.extends is not None:
            owner: Any = self.owner
            subject = entity if isinstance(entity, owner) else owner.on(entity)
            entity = subject.base
        if not self.sources:
            if self.function is not None:
                self.function(subject, *args, **kwargs)
            return
        field = status_field_of(type(entity), type(self.sources[0]))
        state = getattr(entity, field)
        if state not in self.sources:
            raise IllegalTransition(
                type(entity).__name__, self.name, str(state), actions_from(type(entity), state)
            )
        if self.function is not None:
            self.function(subject, *args, **kwargs)
        if self.to is not None:
            setattr(entity, field, self.to)
            entity._explain(field, state, self.to)

    def __repr__(self) -> str:
        return f"<action {self.owner.__name__}.{self.name}>"


class Transition(Action[Any, []]):
    """A transition without a body; called with a function, it becomes one with a body."""

    def __call__(self, function: Callable[Concatenate[Any, P], None]) -> Action[Any, P]:
        """The transition with this body, whose parameters are the request's."""
        return Action(function, self.sources, self.to, self.permission)


def transition(*sources: Status, to: Status, permission: str = "") -> Transition:
    """Declare a change of state, as in ``activate = transition(Stage.DRAFT, to=Stage.ACTIVE)``.

    As a decorator it gives the transition a body, whose parameters become the request's and whose
    ``Refused`` stops it.

    Args:
        sources: States it is possible in, one or more.
        to: State it leads to.
        permission: Needed in place of ``<module>.<model>.<name>``.
    """
    return Transition(None, sources, to, permission)


@overload
def action(function: Callable[Concatenate[Any, P], None], /) -> Action[Any, P]: ...
@overload
def action(*, permission: str = ...) -> Callable[[Callable[Concatenate[Any, P], None]], Action[Any, P]]: ...
def action(function: Callable[Concatenate[Any, P], None] | None = None, /, *, permission: str = "") -> Any:
    """Declare a use case without a change of state; its parameters become the request's.

    Args:
        function: The body, a method of the entity.
        permission: Needed in place of ``<module>.<model>.<name>``.
    """
    if function is not None:
        return Action(function)

    def decorate(body: Callable[Concatenate[Any, P], None]) -> Action[Any, P]:
        return Action(body, permission=permission)

    return decorate


def actions_of(cls: type) -> dict[str, Action[Any, Any]]:
    """Every action that a class declares or inherits, by name, in order of declaration."""
    found: dict[str, Action[Any, Any]] = {}
    for base in reversed(cls.__mro__):
        for name, value in vars(base).items():
            if isinstance(value, Action):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def actions_from(cls: type, state: Status | EllipsisType) -> tuple[str, ...]:
    """Names of the actions that are possible in a state."""
    return tuple(name for name, act in actions_of(cls).items() if state in act.sources)


def status_field_of(cls: Any, states: type[Status]) -> str:
    """Name of the field that holds these states: the one whose default is among them."""
    fields: dict[str, Any] = cls.__prefiq_fields__
    for name, decl in fields.items():
        if isinstance(decl.default, states):
            return name
    raise DeclarationError(
        f"{cls.__name__} has no field that starts in a state of {states.__name__}",
        fix=f"declare one: stage: {states.__name__} = field(default={states.__name__}.…)",
    )
