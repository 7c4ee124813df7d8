"""Random modules for property tests: classes that remember what they were given, bound in every way there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from prefiq.container import Binder, Binding, Lazy
from prefiq.contracts import Scope

LONG = {"app", "value", "resource"}


class Missing:
    """A contract that nobody binds."""


class Item:
    """What modules add to one collection."""


@dataclass
class Part:
    """One binding to be made.

    Args:
        number: Of its contract.
        lifetime: One of the binder's ways.
        needs: (how, number) for each parameter.
        module: Which of two modules binds it.
        private: Whether the other module may not ask for it.
        scoped: Whether building it needs a scope, which decides who may hold it.
    """

    number: int
    lifetime: str
    needs: list[tuple[str, int]] = field(default_factory=list)
    module: str = "a"
    private: bool = False
    scoped: bool = False
    contract: type = object
    made: Any = None
    decorators: list[Any] = field(default_factory=list)


@dataclass
class Graph:
    parts: list[Part]
    items: list[Any]

    def bindings(self) -> list[Binding]:
        """What the two modules bind."""
        binders = {"a": Binder("a"), "b": Binder("b")}
        for part in self.parts:
            to = binders[part.module]
            if part.lifetime == "value":
                to.value(part.contract, part.made, private=part.private)
            elif part.lifetime == "resource":
                to.resource(part.contract, part.made, private=part.private)
            elif part.lifetime == "opened":
                to.resource(part.contract, part.made, per="scope", private=part.private)
            else:
                getattr(to, part.lifetime)(part.contract, part.made, private=part.private)
            for decorator in part.decorators:
                to.decorate(part.contract, decorator)
        for item in self.items:
            binders["a"].add(Item, item)
        return [*binders["a"].seal(), *binders["b"].seal()]


def class_of(name: str, needs: dict[str, Any], base: type = object, keyword: int = 99) -> type:
    """A class whose objects keep what they were given in ``given``, with the last parameters by name only."""
    names = list(needs)
    places, named = names[:keyword], names[keyword:]
    parameters = ", ".join(["self", *places, *(["*", *named] if named else [])])
    space: dict[str, Any] = {}
    exec(f"def __init__({parameters}):\n    self.given = ({''.join(n + ', ' for n in names)})", space)
    space["__init__"].__annotations__ = dict(needs)
    return type(name, (base,), {"__init__": space["__init__"]})


def opening_of(made: type, needs: dict[str, Any], log: list[str]) -> Callable[..., Iterator[Any]]:
    """A generator function that opens an object of the class."""
    names = ", ".join(needs)
    space: dict[str, Any] = {"made": made, "log": log}
    exec(
        f"def opening({names}):\n    log.append('open ' + made.__name__)\n"
        f"    yield made({names})\n    log.append('close ' + made.__name__)",
        space,
    )
    opening: Any = space["opening"]
    opening.__annotations__ = dict(needs)
    return opening


WAYS = ("one", "one", "one", "lazy", "optional", "scope", "items", "missing")


@st.composite
def graphs(draw: Any, log: list[str] | None = None) -> Graph:
    """A graph without faults: each part needs earlier ones, and nothing long-lived holds a scope's."""
    log = [] if log is None else log
    contracts = [type(f"C{n}", (), {}) for n in range(draw(st.integers(2, 7)))]
    parts: list[Part] = []
    items = [
        class_of(f"Item{n}", {"scope": Scope} if draw(st.booleans()) else {}, Item)
        for n in range(draw(st.integers(0, 2)))
    ]
    for number, contract in enumerate(contracts):
        lifetime = draw(st.sampled_from(("bind", "bind", "app", "new", "value", "resource", "opened")))
        part = Part(number, lifetime, contract=contract, module=draw(st.sampled_from("ab")))
        long = lifetime in LONG
        part.private = draw(st.integers(0, 5)) == 0
        part.scoped = lifetime in {"bind", "opened"}
        needs: dict[str, Any] = {}
        for place in range(0 if lifetime == "value" else draw(st.integers(0, 3))):
            how = draw(st.sampled_from(WAYS))
            target = draw(st.sampled_from(parts)) if parts else None
            if how in {"one", "lazy", "optional"} and (
                target is None or (target.private and target.module != part.module)
            ):
                how = "missing"
            if long and (
                how in {"scope", "items"} or (how in {"one", "optional"} and target and target.scoped)
            ):
                how = "lazy" if how not in {"scope", "items"} else "missing"
            if how == "missing":
                needs[f"p{place}"] = Missing | None
            elif how == "scope":
                needs[f"p{place}"] = Scope
                part.scoped = True
            elif how == "items":
                needs[f"p{place}"] = list[Item]
                part.scoped = True
            else:
                assert target is not None
                asked: Any = target.contract
                needs[f"p{place}"] = (
                    Lazy[asked] if how == "lazy" else asked | None if how == "optional" else asked
                )
                part.scoped = part.scoped or (how != "lazy" and target.scoped)
        keyword = 99 if lifetime in {"resource", "opened"} else draw(st.sampled_from((0, 1, 99)))
        made = class_of(f"M{number}", needs, contract, keyword)
        part.made = made() if lifetime == "value" else made
        if lifetime in {"resource", "opened"}:
            part.made = opening_of(class_of(f"M{number}", needs, contract), needs, log)
        for depth in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
            part.decorators.append(
                class_of(f"D{number}_{depth}", {"x": Missing | None, "inner": contract}, contract)
            )
        parts.append(part)
    return Graph(parts, items)


class Drawing:
    """Draws objects as data: classes, what they hold, and which of them are the same object."""

    def __init__(self) -> None:
        self.known: dict[int, int] = {}
        self.alive: list[Any] = []  # else an id might be used twice

    def draw(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, list):
            return [self.draw(one, depth) for one in value]
        if isinstance(value, Lazy):
            return ("lazy", self.draw(value(), depth + 1)) if depth < 3 else "lazy"
        if value is None or isinstance(value, str):
            return value
        if id(value) in self.known:
            return self.known[id(value)]
        self.alive.append(value)
        self.known[id(value)] = number = len(self.known)
        given = getattr(value, "given", ())
        return (type(value).__name__, number, *(self.draw(one, depth) for one in given))
