"""From settings to a linked container: discover → declare → bind → derive → replace → link → hooks.

Every fault of every phase is collected and raised together; nothing is half-composed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefiq.application.extending import ExtendsNothing, extend_bindings, sorted_extensions
from prefiq.bridge import await_
from prefiq.container import Binder, Binding, Container, compose
from prefiq.container.errors import DecoratesNothing, MissingBinding, UnknownReplacement
from prefiq.contracts import IDomain, IDomainService
from prefiq.errors import Faults, PrefiqError
from prefiq.foundation.events import Subscriptions
from prefiq.foundation.hooks import HookTable
from prefiq.foundation.policy import Policy
from prefiq.foundation.repository_query import RepositoryQuery
from prefiq.foundation.service_context import Pipelines
from prefiq.foundation.services import Services
from prefiq.lowcode import Catalog, ModelSpec
from prefiq.lowcode.model_spec import snake
from prefiq.lowcode.validation import name_of
from prefiq.plugins import Host, LockedApp, ProviderBase, discover, read_lock, replace_from_settings
from prefiq.plugins.errors import NoSuchModel, UnknownDisabled
from prefiq.providers import LowcodeProvider
from prefiq.settings import Settings

__all__ = ["Composition", "compose_application"]

SLOW_HOOK = 0.1
"""Seconds after which a hook or subscriber is logged in development."""
OWN = "prefiq"
"""Name of the module that Prefiq itself is."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What the listed modules make together.

    Args:
        settings: What was asked for.
        host: The loaded modules.
        catalog: Their models.
        container: Their bindings, linked and validated.
    """

    settings: Settings
    host: Host
    catalog: Catalog
    container: Container


def compose_application(
    settings: Settings, modules: Sequence[type[ProviderBase]] = (), *, locked: bool = True
) -> Composition:
    """Compose what the settings list.

    Args:
        settings: As loaded.
        modules: Providers beside the listed ones; each one's name is its ``name``, or its class's name
            without ``Provider``.
        locked: Whether ``apps.lock`` counts where it exists.

    Raises:
        Faults: Everything that is wrong with modules, declarations, bindings and hooks.
    """
    faults: list[PrefiqError] = []
    lock = read_lock(settings.folder) if locked else None
    host = _host(settings, modules, lock, faults)
    models: dict[str, list[type]] = {module.name: [] for module in host.modules}
    for module, model in host.models(faults):
        models[module.name].append(model)
    extending, services, policies = sorted_extensions(host.extensions(faults))
    incomplete = bool(faults)
    catalog, mistakes = Catalog.read(models, extending, open_world=incomplete)
    faults.extend(mistakes)
    pipelines = Pipelines(catalog, HookTable(), host.disabled)
    subscriptions = Subscriptions()
    tables = {module.name: settings.app_settings(module.name) for module in host.modules}
    bindings = [
        *_values(settings, host, catalog, pipelines, subscriptions),
        *host.bindings(settings=tables, faults=faults),
        *(binding for spec in catalog for binding in derived(spec)),
    ]
    incomplete = bool(faults)
    bindings = replace_from_settings(bindings, settings.replace, faults)
    if mistakes:  # declarations that cannot be used would only cause further faults
        raise Faults("The application cannot start", _causes(faults, incomplete=True))
    if services or policies:
        bindings = extend_bindings(bindings, services, policies, catalog, faults)
    slow = SLOW_HOOK if settings.env == "development" else 0.0
    wait = await_ if settings.database.mode == "async" else None

    def hooks(linked: Container, found: list[PrefiqError]) -> None:
        classes = [spec.cls for spec in catalog]
        pipelines.hooks = host.model_hooks(classes, linked, wait=wait, faults=found, slow=slow)
        subscriptions.add(host.subscribers(linked, wait=wait, faults=found, slow=slow))
        found.extend(host.unknown_disabled(_validator_names(catalog)))
        found[:] = _causes(found, incomplete=incomplete)

    try:
        container = compose(bindings, faults, waits=wait is not None, further=hooks)
    except Faults as failed:
        raise Faults("The application cannot start", failed.exceptions) from None  # type: ignore[arg-type]
    return Composition(settings, host, catalog, container)


CONSEQUENCES = (
    MissingBinding,
    DecoratesNothing,
    UnknownReplacement,
    UnknownDisabled,
    NoSuchModel,
    ExtendsNothing,
)


def _causes(faults: Sequence[PrefiqError], *, incomplete: bool) -> list[PrefiqError]:
    """The faults without those that may only follow from others.

    Where a module could not be loaded or asked, nobody knows what it would have brought; to say that it is
    missing would send the reader after the wrong thing.
    """
    if not incomplete:
        return list(faults)
    return [fault for fault in faults if not isinstance(fault, CONSEQUENCES)]


def derived(spec: ModelSpec) -> tuple[Binding, ...]:
    """The parts of a model that hold where nobody has written them by hand."""
    to = Binder(spec.module)
    model: Any = spec.cls
    to.default(IDomain[model], RepositoryQuery.of(model))
    to.default(IDomainService[model], Services.of(model))
    to.default(Policy[model], Policy)
    source = f"the declaration of {spec.qualified}"
    return tuple(dataclasses.replace(binding, source=source) for binding in to.seal())


def _host(
    settings: Settings,
    modules: Sequence[type[ProviderBase]],
    lock: Mapping[str, LockedApp] | None,
    faults: list[PrefiqError],
) -> Host:
    """The modules that could be loaded; what is wrong with the others is among the faults."""
    builtin = [(OWN, LowcodeProvider), *((_name_of(provider), provider) for provider in modules)]
    found = discover(settings.apps, builtin=builtin, lock=lock)
    faults.extend(found.faults)
    return Host(found.modules, disable=settings.disable, faults=faults)


def _name_of(provider: type[ProviderBase]) -> str:
    return provider.name or snake(provider.__name__.removesuffix("Provider"))


def _validator_names(catalog: Catalog) -> set[str]:
    names = {f"{spec.module}.{check.name}" for spec in catalog for check in spec.validators}
    names |= {f"{spec.module}.{name_of(v)}" for spec in catalog for f in spec.fields for v in f.validators}
    for extension in (extension for spec in catalog for extension in spec.extensions):
        checks = [check.name for check in extension.validators]
        checks += [name_of(check) for field in extension.fields for check in field.validators]
        names |= {f"{extension.module}.{name}" for name in checks}
    return names


def _values(
    settings: Settings, host: Host, catalog: Catalog, pipelines: Pipelines, subscriptions: Subscriptions
) -> tuple[Binding, ...]:
    to = Binder(OWN)
    to.value(Settings, settings)
    to.value(Host, host)
    to.value(Catalog, catalog)
    to.value(Pipelines, pipelines)
    to.value(Subscriptions, subscriptions)
    return to.seal()
