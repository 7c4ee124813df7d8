"""Puts extensions of services and policies into the bindings of the models that they extend.

A service becomes one class: the parts of the modules in front of the class that is bound, so that ``super()``
leads from the last module to the first and on to the service itself.  Policies are laid over each other by a
decorator of the container.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType
from typing import Any, ClassVar

from prefiq.container import Binder, Binding
from prefiq.container.generics import origin
from prefiq.container.parameters import Parameter, Unreadable, evaluate, parameters_of
from prefiq.container.selection import contracts_of
from prefiq.contracts import IDomainService
from prefiq.errors import PrefiqError
from prefiq.foundation.policy import Policy
from prefiq.foundation.service_extension import PolicyExtension, ServiceExtension, both_policies
from prefiq.foundation.services import Services
from prefiq.lowcode import Catalog
from prefiq.lowcode.reader import hints_of
from prefiq.plugins.discovery import LoadedModule

__all__ = ["ExtendsNothing", "ExtensionUnusable", "extend_bindings", "sorted_extensions"]

Part = tuple[LoadedModule, Any]
"""A module and the class that it lists."""


class ExtensionUnusable(PrefiqError):
    """An extension of a service or policy cannot be put together with what it extends.

    An extension lists no ``__init__``, calls ``super()`` in each method that it shares with the service, and
    agrees with the others about the attributes that are injected.

    Args:
        extension: ``<module>.<class>``.
        package: The module's package and version.
        why: What is wrong, a clause without full stop.
        advice: What to write instead.
        source: ``file:line`` of the class or method.
    """

    code: ClassVar[str] = "PFQ361"
    exit_code: ClassVar[int] = 3

    def __init__(self, extension: str, package: str, why: str, advice: str, source: str = "") -> None:
        self.extension = extension
        self.package = package
        self.why = why
        self.fix = advice
        self.source = source

    @property
    def what(self) -> str:  # type: ignore[override]
        """The extension and the reason."""
        return f"The extension {self.extension} cannot be used: {self.why}"

    @property
    def where(self) -> str:  # type: ignore[override]
        """Its package and line."""
        return ", ".join(part for part in (self.package, self.source) if part)


class ExtendsNothing(ExtensionUnusable):
    """An extension is of a model that no listed module declares."""


def sorted_extensions(listed: Iterable[Part]) -> tuple[dict[str, list[type]], list[Part], list[Part]]:
    """What providers list as extensions: those of models by module, of services, and of policies."""
    models: dict[str, list[type]] = {}
    services: list[Part] = []
    policies: list[Part] = []
    for module, declared in listed:
        kind = declared if isinstance(declared, type) else object
        if issubclass(kind, ServiceExtension):
            services.append((module, declared))
        elif issubclass(kind, PolicyExtension):
            policies.append((module, declared))
        else:
            models.setdefault(module.name, []).append(declared)
    return models, services, policies


def extend_bindings(
    bindings: Sequence[Binding],
    services: Sequence[Part],
    policies: Sequence[Part],
    catalog: Catalog,
    faults: list[PrefiqError],
) -> list[Binding]:
    """The bindings with the extensions in them.

    Args:
        bindings: Of all modules, derived ones and replacements included.
        services: Modules and their ``ServiceExtension``s, in module order.
        policies: Modules and their ``PolicyExtension``s, in module order.
        catalog: All models.
        faults: Receives what cannot be used.
    """
    found = list(bindings)
    by_model: dict[Any, list[Part]] = {}
    for part in services:
        model = _model_of(part, catalog, faults)
        if model is not None:
            by_model.setdefault(model, []).append(part)
    for model, parts in by_model.items():
        contract: Any = IDomainService[model]  # type: ignore[valid-type]
        place = _place_of(found, contract)
        if place is not None:
            found[place] = _composed(found[place], parts, faults)
    for part in policies:
        model = _model_of(part, catalog, faults)
        if model is not None:
            found.extend(_overlaid(model, part))
    return found


def _model_of(part: Part, catalog: Catalog, faults: list[PrefiqError]) -> Any:
    cls = part[1]
    model = getattr(cls, "model", None)
    if model is None or cls in {ServiceExtension, PolicyExtension}:
        faults.append(_fault(part, "it names no model", f"derive it from {cls.__bases__[0].__name__}[Model]"))
        return None
    if catalog.get(model) is None:
        why = f"no listed module declares the model {model.__name__}"
        faults.append(_fault(part, why, "list its module in apps", kind=ExtendsNothing))
        return None
    return model


def _place_of(bindings: Sequence[Binding], contract: Any) -> int | None:
    """Number of the binding that answers a contract: its owner's, else the first default."""
    for role in ("owner", "default"):
        for number, binding in enumerate(bindings):
            if binding.active and binding.role == role and contract in contracts_of(binding):
                return number
    return None


# ---- services


def _composed(binding: Binding, parts: Sequence[Part], faults: list[PrefiqError]) -> Binding:
    base = origin(binding.provides)
    if not (isinstance(base, type) and issubclass(base, Services)):
        name = getattr(base, "__name__", str(base))
        why = f"{name}, which is bound as the service, does not derive from Services"
        faults.extend(_fault(part, why, "use to.decorate, which wraps whatever is bound") for part in parts)
        return binding
    wrong: list[PrefiqError] = []
    injected: dict[str, tuple[Any, Part]] = {}
    chain: list[type] = [base]
    for part in parts:
        wrong.extend(_shape_faults(part, chain))
        wrong.extend(_injected_of(part, injected))
        chain.append(part[1])
    if wrong:
        faults.extend(wrong)
        return binding
    bases = (*(cls for _, cls in reversed(parts)), base)
    namespace = {
        "__init__": _constructor(
            binding.provides, {name: contract for name, (contract, _) in injected.items()}
        ),
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
    }
    extended = tuple((module.name, cls.__name__, _source_of(cls)) for module, cls in parts)
    return dataclasses.replace(binding, provides=type(base.__name__, bases, namespace), extended=extended)


def _own_classes(cls: type) -> Iterator[type]:
    """The class and its bases that are not Prefiq's own."""
    theirs = set(ServiceExtension.__mro__)
    return (base for base in cls.__mro__ if base not in theirs)


def _shape_faults(part: Part, chain: Sequence[type]) -> Iterator[PrefiqError]:
    for cls in _own_classes(part[1]):
        if "__init__" in vars(cls):
            yield _fault(
                part,
                "it has an __init__",
                "annotate what it needs as attributes; they are injected",
                vars(cls)["__init__"],
            )
        for name, member in vars(cls).items():
            if not isinstance(member, FunctionType) or (name.startswith("__") and name.endswith("__")):
                continue
            shared = next((other for other in reversed(chain) if hasattr(other, name)), None)
            if shared is not None and not _goes_on(inspect.unwrap(member).__code__, name):
                yield _fault(
                    part,
                    f"its {name} does not go on with {shared.__name__}'s",
                    f"call super().{name}(…), or raise what refuses",
                    member,
                )


def _goes_on(code: CodeType, name: str) -> bool:
    """Whether a function calls the method of its name of ``super()``."""
    if "super" in code.co_names and name in code.co_names:
        return True
    return any(_goes_on(inner, name) for inner in code.co_consts if isinstance(inner, CodeType))


def _injected_of(part: Part, injected: dict[str, tuple[Any, Part]]) -> Iterator[PrefiqError]:
    own = {name for cls in _own_classes(part[1]) for name in inspect.get_annotations(cls)}
    for name, contract in hints_of(part[1]).items():
        if name not in own:
            continue
        if isinstance(contract, str):
            yield _fault(
                part,
                f"the annotation of {name}, {contract}, has no value at run time",
                "import it outside TYPE_CHECKING",
            )
            continue
        other, owner = injected.setdefault(name, (contract, part))
        if other != contract:
            yield _fault(
                part,
                f"{owner[0].name}.{owner[1].__name__} has another attribute {name}",
                "rename one of them",
            )


def _constructor(provides: Any, injected: Mapping[str, Any]) -> Any:
    """An ``__init__`` that takes what the service takes, and the extensions' attributes by name."""
    own = parameters_of(provides)
    base_init = origin(provides).__init__
    # A name with two underscores is nobody's: the service may have a parameter of an attribute's name.
    given = {f"x__{name}": name for name in injected}
    defaults = [f"{p.name}=DEFAULT" if not p.required else p.name for p in own if not p.keyword]
    keywords = [f"{p.name}=DEFAULT" if not p.required else p.name for p in own if p.keyword]
    parameters = ", ".join(
        ["self", *defaults, "*", *keywords, *given] if keywords or given else ["self", *defaults]
    )
    arguments = "".join(f"given({p.name!r}, {p.name}), " for p in own)
    lines = [
        f"def made({parameters}):",
        f"    base_init(self, **dict(x for x in ({arguments}) if x[1] is not DEFAULT))",
        *(f"    self.{name} = {parameter}" for parameter, name in given.items()),
    ]
    namespace: dict[str, Any] = {"base_init": base_init, "DEFAULT": object(), "given": _pair}
    exec("\n".join(lines), namespace)  # noqa: S102  the names are identifiers of code that was imported
    made = namespace["made"]
    made.__name__, made.__qualname__ = "__init__", f"{origin(provides).__qualname__}.__init__"
    made.__annotations__ = {
        **{p.name: _meaning(p) for p in own if p.written},
        **{parameter: injected[name] for parameter, name in given.items()},
        "return": None,
    }
    return made


def _pair(name: str, value: Any) -> tuple[str, Any]:
    return name, value


def _meaning(parameter: Parameter) -> Any:
    try:
        return evaluate(parameter, {})
    except Unreadable:
        return parameter.annotation  # the linker says what is wrong with it


# ---- policies


def _overlaid(model: Any, part: Part) -> tuple[Binding, ...]:
    module, cls = part
    to = Binder(module.name)
    to.bind(cls, private=True)

    def overlay(bound: Any, further: Any) -> Any:
        return both_policies(bound, further)

    overlay.__annotations__ = {"bound": Policy[model], "further": cls, "return": Policy[model]}
    to.decorate(Policy[model], overlay)
    source = _source_of(cls)
    return tuple(dataclasses.replace(binding, source=source) for binding in to.seal())


def _fault(
    part: Part,
    why: str,
    advice: str,
    place: Any = None,
    *,
    kind: type[ExtensionUnusable] = ExtensionUnusable,
) -> ExtensionUnusable:
    module, cls = part
    name = f"{module.name}.{cls.__name__}"
    return kind(name, module.package.strip(), why, advice, _source_of(place or cls))


def _source_of(thing: Any) -> str:
    code = getattr(thing, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        file = inspect.getsourcefile(thing)
        return f"{file}:{inspect.getsourcelines(thing)[1]}" if file else ""
    except (OSError, TypeError):
        return ""
