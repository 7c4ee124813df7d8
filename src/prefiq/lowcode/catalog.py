"""``Catalog``: the models of all listed modules, checked together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prefiq.errors import PrefiqError
from prefiq.lowcode.errors import DeclarationError, Violation
from prefiq.lowcode.extending import extend, read_extension
from prefiq.lowcode.model_meta import raise_together
from prefiq.lowcode.model_spec import ExtensionSpec, ModelSpec
from prefiq.lowcode.reader import Names, meta_of, read_model
from prefiq.lowcode.verifiers import (
    OF_EXTENSIONS,
    VERIFIERS,
    Context,
    conflicts,
    extensions,
    status_machine,
    tuning,
)

__all__ = ["Catalog"]


class Catalog:
    """Every model by class and by qualified name, in order of the modules.

    Build it with ``Catalog.build``.
    """

    def __init__(self, specs: Sequence[ModelSpec]) -> None:
        self.specs = tuple(specs)
        self._by_class = {spec.cls: spec for spec in specs}
        self._by_name = {spec.qualified: spec for spec in specs}

    @classmethod
    def build(
        cls,
        modules: Mapping[str, Sequence[type]],
        extending: Mapping[str, Sequence[type]] | None = None,
        *,
        open_world: bool = False,
    ) -> Catalog:
        """Read and verify the models of all modules.

        Args:
            modules: Module name → its entity classes, in module order.
            extending: Module name → its extensions of other modules' models, in module order.
            open_world: Allow references to models that are not listed (to look at one class alone).

        Raises:
            Faults: Every mistake in every declaration.
        """
        catalog, faults = cls.read(modules, extending, open_world=open_world)
        raise_together("The declarations cannot be used", faults)
        return catalog

    @classmethod
    def read(
        cls,
        modules: Mapping[str, Sequence[type]],
        extending: Mapping[str, Sequence[type]] | None = None,
        *,
        open_world: bool = False,
    ) -> tuple[Catalog, list[PrefiqError]]:
        """The same as ``build``, with the mistakes returned beside what could be read."""
        names: Names = {}
        owners: dict[type, str] = {}
        faults: list[PrefiqError] = []
        for module, classes in modules.items():
            for declared in classes:
                fault = _unusable(declared, module, names)
                if fault is not None:
                    faults.append(fault)
                else:
                    names[declared] = f"{module}.{declared.__name__}"
                    owners[declared] = module
        specs = [read_model(declared, module, names) for declared, module in owners.items()]
        found, wrong = _read_extensions(extending or {}, cls(specs), names, open_world=open_world)
        faults.extend(wrong)
        catalog = cls(
            [extend(spec, found[spec.qualified]) if spec.qualified in found else spec for spec in specs]
        )
        context = Context(catalog, open_world=open_world)
        for spec in specs:
            faults.extend(_verify(spec, context))
            if spec.qualified in found:
                faults.extend(_verify_extended(spec, catalog[spec.cls], context))
        return catalog, faults

    def __getitem__(self, model: type | str) -> ModelSpec:
        """The specification of a class or a qualified name.

        Raises:
            DeclarationError: The model belongs to no listed module.
        """
        spec = self.get(model)
        if spec is None:
            name = model if isinstance(model, str) else model.__name__
            raise DeclarationError(
                f"{name} belongs to no listed module",
                fix="add it to its provider's models and list its module in APPS",
            )
        return spec

    def get(self, model: type | str) -> ModelSpec | None:
        """The specification, or None."""
        return self._by_name.get(model) if isinstance(model, str) else self._by_class.get(model)

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self.specs)

    def __len__(self) -> int:
        return len(self.specs)

    def of_module(self, module: str) -> tuple[ModelSpec, ...]:
        """The models that a module owns, in order."""
        return tuple(spec for spec in self.specs if spec.module == module)


def _read_extensions(
    extending: Mapping[str, Sequence[Any]], catalog: Catalog, names: Names, *, open_world: bool
) -> tuple[dict[str, list[ExtensionSpec]], list[PrefiqError]]:
    """The extensions by qualified name of the model that they extend, and those that cannot be used."""
    found: dict[str, list[ExtensionSpec]] = {}
    faults: list[PrefiqError] = []
    seen: set[Any] = set()
    for module, classes in extending.items():
        for declared in classes:
            name = getattr(declared, "__name__", str(declared))
            base = getattr(declared, "__prefiq_extends__", None)
            if base is None:
                faults.append(
                    DeclarationError(
                        f"{name} extends no model",
                        f"module {module}",
                        "derive it from prefiq.Extension[Model]",
                    )
                )
            elif declared in seen:
                faults.append(DeclarationError(f"{name} is listed twice", f"module {module}"))
            elif (spec := catalog.get(base)) is not None:
                seen.add(declared)
                found.setdefault(spec.qualified, []).append(read_extension(declared, module, spec, names))
            elif not open_world:
                faults.append(
                    DeclarationError(
                        f"{name} extends {base.__name__}, which belongs to no listed module",
                        f"module {module}",
                        "list that module in APPS, and require its distribution",
                    )
                )
    return found, faults


def _unusable(declared: Any, module: str, names: Names) -> PrefiqError | None:
    if getattr(declared, "__prefiq_extends__", None) is not None:
        return DeclarationError(
            f"{declared.__name__} is an extension", f"module {module}", "list it in its provider's extensions"
        )
    if not (isinstance(declared, type) and hasattr(declared, "__prefiq_fields__")):
        return DeclarationError(
            f"{getattr(declared, '__name__', declared)!s} is not an entity",
            f"module {module}",
            "derive it from prefiq.Entity",
        )
    if declared in names:
        return DeclarationError(
            f"{declared.__name__} is listed twice",
            f"modules {names[declared].partition('.')[0]} and {module}",
        )
    if not meta_of(declared).abstract and not hasattr(declared, "version"):
        return DeclarationError(
            f"{declared.__name__} is a child", f"module {module}", "list the model that holds it"
        )
    if meta_of(declared).abstract:
        return DeclarationError(
            f"{declared.__name__} is abstract", f"module {module}", "list the models that derive from it"
        )
    return None


def _verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    for verify in VERIFIERS:
        yield from verify(spec, context)
    for child in spec.children:
        yield from _verify(child.model, context)


def _verify_extended(declared: ModelSpec, extended: ModelSpec, context: Context) -> Iterator[Violation]:
    """What the extensions of a model break; the rules of models hold for their fields, too."""
    for extension in extended.extensions:
        yield from extensions.verify(extension, declared, context)
        yield from tuning.verify(extension, declared, context)
        as_model = extensions.as_model(extension, declared)
        for verify in OF_EXTENSIONS:
            yield from verify(as_model, context)
    yield from conflicts.verify(extended, context)
    with_actions = dataclasses.replace(declared, actions=extended.actions)
    known = {str(violation) for violation in status_machine.verify(declared, context)}
    yield from (v for v in status_machine.verify(with_actions, context) if str(v) not in known)
