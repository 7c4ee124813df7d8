"""The plan's second stage: what is asked for often becomes one function, without a call per object.

The source depends on the shape of the tree alone, so contracts of like shape share compiled code.  An error
finds what was being built by the line that it came from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any

from prefiq.container.native import Take
from prefiq.container.providers import Scoped, noted
from prefiq.contracts import current_scope

if TYPE_CHECKING:
    from prefiq.container.plan import Compiler

__all__ = ["unrolled"]

MOST = 40
"""Objects that one function builds; what is beyond is called."""

HEAD = """\
def take(scope):
    try:
        instances = scope.instances
    except AttributeError:
        scope = current_scope()
        instances = scope.instances
    if k0 in instances:
        return instances[k0]
    try:
"""
TAIL = """\
    except Exception as error:
        explain(error)
        raise
    return x0
"""


def unrolled(provider: Any, compiler: Compiler) -> Take | None:
    """One function for a provider and all that is built for it in a scope; None where that gains nothing."""
    if not _fits(provider):
        return None
    writer = _Writer(compiler)
    writer.build(provider, "        ", ())
    if len(writer.ways) < 2:
        return None
    source = HEAD + "\n".join(writer.lines) + "\n" + TAIL
    names: dict[str, Any] = {**writer.values, "current_scope": current_scope}
    names["explain"] = _explaining(writer.ways)
    exec(_code(source), names)  # noqa: S102  our own text; names are identifiers
    made: Take = names["take"]
    return made


@lru_cache(maxsize=512)
def _code(source: str) -> CodeType:
    return compile(source, "<plan>", "exec")


def _explaining(ways: dict[int, tuple[Any, ...]]) -> Callable[[Exception], None]:
    def explain(error: Exception) -> None:
        trace = error.__traceback__
        for provider in reversed(ways.get(trace.tb_lineno if trace else 0, ())):
            noted(error, provider.node)

    return explain


def _fits(provider: Any) -> bool:
    return (
        isinstance(provider, Scoped)
        and not provider.node.binding.opens
        and not provider.attributes
        and provider.last_overriding is None
        and all(name.isidentifier() for name in provider.kwargs)
    )


class _Writer:
    """Writes the lines that build an object and what it needs.

    Args:
        compiler: Says how arguments are given that are not unrolled.
    """

    def __init__(self, compiler: Compiler) -> None:
        self.compiler = compiler
        self.lines: list[str] = []
        self.values: dict[str, Any] = {}
        self.ways: dict[int, tuple[Any, ...]] = {}
        """By line number, what is being built there, outermost first."""
        self._seen: set[Any] = set()

    def build(self, provider: Any, indent: str, outer: tuple[Any, ...]) -> str:
        """Write what builds one object; returns the name that holds it."""
        number = len(self._seen)
        self._seen.add(provider)
        way = (*outer, provider)
        key, made = f"k{number}", f"x{number}"
        self.values[key] = provider
        self.values[f"p{number}"] = provider.provides
        named = [("", argument) for argument in provider.args] + list(provider.kwargs.items())
        given = [f"{name}={value}" if name else value for name, value in self._given(named, indent, way)]
        self.lines.append(f"{indent}{made} = instances[{key}] = p{number}({', '.join(given)})")
        self.ways[HEAD.count("\n") + len(self.lines)] = way
        return made

    def _given(
        self, named: list[tuple[str, Any]], indent: str, way: tuple[Any, ...]
    ) -> list[tuple[str, str]]:
        given: list[tuple[str, str]] = []
        for name, argument in named:
            inline = argument.__class__ is Scoped and argument.family is self.compiler.family
            if inline and argument not in self._seen and len(self._seen) < MOST and _fits(argument):
                number = len(self._seen)
                self.lines.append(f"{indent}if k{number} in instances:")
                self.lines.append(f"{indent}    x{number} = instances[k{number}]")
                self.lines.append(f"{indent}else:")
                given.append((name, self.build(argument, indent + "    ", way)))
                continue
            how, value = self.compiler.part(argument)
            if how == "s":
                given.append((name, "scope"))
                continue
            held = f"v{len(self.values)}"
            self.values[held] = value
            given.append((name, f"{held}(scope)" if how == "t" else held))
        return given
