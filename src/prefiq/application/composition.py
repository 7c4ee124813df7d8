"""From settings to a linked container: discover → declare → bind → derive → replace → link → hooks.

Every fault of every phase is collected and raised together; nothing is half-composed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefiq.container import Binder, Binding, Container, compose
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
from prefiq.plugins import Host, ProviderBase, discover, replace_from_settings
from prefiq.providers import LowcodeProvider
from prefiq.settings import Settings

__all__ = ["Composition", "compose_application"]

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


def compose_application(settings: Settings, modules: Sequence[type[ProviderBase]] = ()) -> Composition:
    """Compose what the settings list.

    Args:
        settings: As loaded.
        modules: Providers beside the listed ones; each one's name is its ``name``, or its class's name
            without ``Provider``.

    Raises:
        Faults: Everything that is wrong with modules, declarations, bindings and hooks.
    """
    faults: list[PrefiqError] = []
    host = _host(settings, modules, faults)
    models: dict[str, list[type]] = {module.name: [] for module in host.modules}
    for module, model in host.models(faults):
        models[module.name].append(model)
    catalog, mistakes = Catalog.read(models)
    faults.extend(mistakes)
    faults.extend(host.unknown_disabled(_validator_names(catalog)))
    pipelines = Pipelines(catalog, HookTable(), host.disabled)
    subscriptions = _subscriptions(host, faults)
    tables = {module.name: settings.app_settings(module.name) for module in host.modules}
    bindings = [
        *_values(settings, host, catalog, pipelines, subscriptions),
        *host.bindings(settings=tables, faults=faults),
        *(binding for spec in catalog for binding in derived(spec)),
    ]
    bindings = replace_from_settings(bindings, settings.replace, faults)
    if mistakes:  # declarations that cannot be used would only cause further faults
        raise Faults("The application cannot start", faults)
    container = compose(bindings, faults)
    pipelines.hooks = host.model_hooks([spec.cls for spec in catalog], container, faults=faults)
    if faults:
        raise Faults("The application cannot start", faults)
    return Composition(settings, host, catalog, container)


def derived(spec: ModelSpec) -> tuple[Binding, ...]:
    """The parts of a model that hold where nobody has written them by hand."""
    to = Binder(spec.module)
    model: Any = spec.cls
    to.default(IDomain[model], RepositoryQuery.of(model))
    to.default(IDomainService[model], Services.of(model))
    to.default(Policy[model], Policy)
    return to.seal()


def _subscriptions(host: Host, faults: list[PrefiqError]) -> Subscriptions:
    functions = [function for module in host.modules for function in module.provider.subscribers]
    try:
        return Subscriptions(functions)
    except PrefiqError as error:
        faults.append(error)
        return Subscriptions()


def _host(settings: Settings, modules: Sequence[type[ProviderBase]], faults: list[PrefiqError]) -> Host:
    builtin = [(OWN, LowcodeProvider), *((_name_of(provider), provider) for provider in modules)]
    found = discover([app.path or app.name for app in settings.apps], builtin=builtin)
    faults.extend(found.faults)
    if faults:
        raise Faults("The application cannot start", faults)
    return Host(found.modules, disable=settings.disable)


def _name_of(provider: type[ProviderBase]) -> str:
    return provider.name or snake(provider.__name__.removesuffix("Provider"))


def _validator_names(catalog: Catalog) -> set[str]:
    names = {f"{spec.module}.{check.name}" for spec in catalog for check in spec.validators}
    return names | {
        f"{spec.module}.{v.__name__}" for spec in catalog for f in spec.fields for v in f.validators
    }


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
