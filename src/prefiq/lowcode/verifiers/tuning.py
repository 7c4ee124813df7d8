"""Rule ``tuning``: an extension may ask for more of a base's field, or show less of it, and never allow more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.extending import extension_meta_of, tuned
from prefiq.lowcode.extension_meta import Tuning
from prefiq.lowcode.model_spec import ExtensionSpec, FieldSpec, ModelSpec
from prefiq.lowcode.verifiers.context import Context
from prefiq.nearest import nearest

LOWER: tuple[str, ...] = ("max_length", "lt", "le")
HIGHER: tuple[str, ...] = ("min_length", "gt", "ge")
ALONE = ("label", "help", "default")
"""Options of which a field has one: two modules that give it differently cannot both be right."""


def verify(extension: ExtensionSpec, base: ModelSpec, context: Context) -> Iterator[Violation]:
    """Tunings of fields that do not exist, that allow more, or that leave nobody able to create a row."""
    del context
    known = {field.name: field for field in base.fields}
    for name, tuning in _tunings(extension):
        field = known.get(name)
        if field is None:
            near = nearest(name, known)
            fix = f"did you mean {near}?" if near else f"name a field that {base.qualified} declares"
            yield _violation(extension, name, f"{base.qualified} has no field {name}", fix)
            continue
        for problem, fix in _widening(field, tuning):
            yield _violation(extension, name, problem, fix)
        after = tuned(field, [tuning])
        if after.required and (after.hidden or after.read_only) and not (field.hidden or field.read_only):
            yield _violation(
                extension, name, "a value is required and nobody could give one", "give it a default as well"
            )


def conflicts(base: ModelSpec, extensions: tuple[ExtensionSpec, ...]) -> Iterator[Violation]:
    """Two extensions that tune one option differently."""
    first: dict[tuple[str, str], tuple[ExtensionSpec, Any]] = {}
    for extension in extensions:
        for name, tuning in _tunings(extension):
            given = tuning.given()
            for option in (*ALONE, "pattern"):
                if option not in given:
                    continue
                other, value = first.setdefault((name, option), (extension, given[option]))
                if other is not extension and value != given[option]:
                    yield _violation(
                        extension,
                        name,
                        f"{other.qualified} gives {base.qualified}.{name} another {option}",
                        "leave it to one of the two",
                    )


def _tunings(extension: ExtensionSpec) -> Iterator[tuple[str, Tuning]]:
    wanted: Any = extension_meta_of(extension.cls).tune
    for name, tuning in wanted.items() if isinstance(wanted, dict) else ():
        if isinstance(tuning, Tuning):
            yield name, tuning


def _widening(field: FieldSpec, tuning: Tuning) -> Iterator[tuple[str, str]]:
    given = tuning.given()
    if field.is_status and set(given) - {"label", "help"}:
        yield "the status belongs to the base's machine", "tune its label or help alone"
    for option in given.keys() & {"hidden", "read_only", "required"}:
        if given[option] is not True:
            yield f"{option} can only be asked for", f"say {option}=True, or leave it out"
    if "pattern" in given and field.pattern is not None:
        yield "the base has a pattern already", "write a validator for what it must match as well"
    for options, allows in ((LOWER, _above), (HIGHER, _below)):
        for option in options:
            present = getattr(field, option)
            if option in given and present is not None and _holds(allows, given[option], present):
                yield (
                    f"{option}={given[option]} allows more than the base's {present}",
                    "say a narrower limit",
                )


def _above(wanted: Any, present: Any) -> bool:
    return bool(wanted > present)


def _below(wanted: Any, present: Any) -> bool:
    return bool(wanted < present)


def _holds(compare: Callable[[Any, Any], bool], wanted: Any, present: Any) -> bool:
    try:
        return compare(wanted, present)
    except TypeError:  # a limit of another kind: the rule `bounds` says so
        return False


def _violation(extension: ExtensionSpec, name: str, problem: str, fix: str) -> Violation:
    return Violation("tuning", extension.qualified, name, problem, fix)
