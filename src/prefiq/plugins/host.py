"""``Host``: the loaded modules, and every question that is put to all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pluggy

from prefiq.bridge import is_ending
from prefiq.container import Binder, Binding, Container, parameters_of, replace
from prefiq.errors import Faults, PrefiqError
from prefiq.foundation.events import Subscriber, compile_subscriber, subscriptions_of
from prefiq.foundation.hooks import CompiledHook, HookTable, compile_hook, marks_of
from prefiq.nearest import nearest
from prefiq.plugins.app_settings import settings_binding
from prefiq.plugins.discovery import LoadedModule, discover
from prefiq.plugins.errors import HookUnusable, NoSuchModel, UnknownDisabled, UnknownHook
from prefiq.plugins.hookspecs import MODEL_HOOKS, PROJECT
from prefiq.plugins.loading import Step, failed, load_object
from prefiq.plugins.manager import FunctionHook, ModelHook, PluginManager, ProviderHooks
from prefiq.plugins.provider_base import ProviderBase
from prefiq.settings import AppRef

__all__ = ["Host", "replace_from_settings"]

NOTHING: Mapping[str, Any] = {}


class Host:
    """The modules of an application and their hooks.

    Args:
        modules: In order.
        disable: Names of hooks that are switched off, ``<module>.<function>``.
        faults: Receives what is wrong with hooks; raised together where left out.

    Raises:
        Faults: A hook cannot be used or does not exist.
    """

    def __init__(
        self,
        modules: Iterable[LoadedModule],
        *,
        disable: Collection[str] = (),
        faults: list[PrefiqError] | None = None,
    ) -> None:
        self.modules = tuple(modules)
        self.manager = PluginManager()
        self.disabled = frozenset(disable)
        self.hook_names: set[str] = set()
        wrong: list[PrefiqError] = []
        for module in self.modules:
            self.manager.register(ProviderHooks(module), module.name)
            # pluggy calls the last registered first; within a module the order is as written.
            for function in reversed(module.provider.hooks):
                self._register(module, function, wrong)
        self.hook_names.update(
            _name_and_source(module, function)[0]
            for module in self.modules
            for function in module.provider.subscribers
        )
        wrong.extend(self._unknown_hooks())
        if faults is None:
            _raise(wrong)
        else:
            faults.extend(wrong)

    @classmethod
    def load(
        cls,
        apps: Sequence[str | AppRef],
        *,
        builtin: Sequence[tuple[str, type[ProviderBase]]] = (),
        disable: Collection[str] = (),
    ) -> Host:
        """Discover the listed modules and register their hooks.

        Args:
            apps: Entry point names, and import paths ``package.module:Provider``.
            builtin: Name and provider of the modules that come with Prefiq; they are first.
            disable: Names of hooks that are switched off.

        Raises:
            Faults: Everything that is wrong; nothing is kept then.
        """
        found = discover(apps, builtin=builtin)
        faults = list(found.faults)
        host = cls(found.modules, disable=disable, faults=faults)
        _raise(faults)
        return host

    def __getitem__(self, name: str) -> LoadedModule:
        return next(module for module in self.modules if module.name == name)

    # ---- questions to every module, in module order

    def bindings(
        self,
        *,
        settings: Mapping[str, Mapping[str, Any]] = NOTHING,
        faults: list[PrefiqError] | None = None,
    ) -> list[Binding]:
        """What the modules bind, and their settings.

        Args:
            settings: By module, its own table of settings.
            faults: Receives what goes wrong; raised together where left out.
        """
        found: list[Binding] = []
        with _Together(faults) as wrong:
            for module in self.modules:
                found.extend(settings_binding(module, settings.get(module.name, NOTHING), wrong))
            for module, implementation in self._implementations("prefiq_bind"):
                to = Binder(module.name, settings.get(module.name, NOTHING))
                self._ask(module, implementation, "bind", wrong, to=to)
                found.extend(to.seal())
        return found

    def models(self, faults: list[PrefiqError] | None = None) -> list[tuple[LoadedModule, type]]:
        """The models that the modules declare."""
        return self._gather("prefiq_models", faults)

    def extensions(self, faults: list[PrefiqError] | None = None) -> list[tuple[LoadedModule, type]]:
        """What the modules add to each other's models."""
        return self._gather("prefiq_extensions", faults)

    def seeds(self, faults: list[PrefiqError] | None = None) -> list[tuple[LoadedModule, Any]]:
        """The rows that a tenant starts with."""
        return self._gather("prefiq_seeds", faults)

    def routes(self, faults: list[PrefiqError] | None = None) -> list[tuple[LoadedModule, Any]]:
        """Routes beside those that models bring."""
        return self._gather("prefiq_routes", faults)

    def commands(self, faults: list[PrefiqError] | None = None) -> list[tuple[LoadedModule, Any]]:
        """Further commands."""
        return self._gather("prefiq_commands", faults)

    def checks(
        self, faults: list[PrefiqError] | None = None
    ) -> list[tuple[LoadedModule, Callable[..., Any]]]:
        """Further checks."""
        return self._gather("prefiq_checks", faults)

    def boot(
        self,
        app: object,
        faults: list[PrefiqError] | None = None,
        *,
        wait: Callable[[Any], object] | None = None,
    ) -> None:
        """Tell every module that everything can be resolved.

        Args:
            app: The application.
            faults: Receives what goes wrong; raised together where left out.
            wait: What runs the coroutine of an ``async def boot`` to its end; None where none is taken.
        """
        with _Together(faults) as wrong:
            for module, implementation in self._implementations("prefiq_boot"):
                self._ask(module, implementation, "boot", wrong, wait, app=app)

    def _gather(self, hook: str, faults: list[PrefiqError] | None) -> list[tuple[LoadedModule, Any]]:
        found: list[tuple[LoadedModule, Any]] = []
        with _Together(faults) as wrong:
            for module, implementation in self._implementations(hook):
                step = hook.removeprefix("prefiq_")
                found += [(module, one) for one in self._ask(module, implementation, step, wrong)]
        return found

    def _implementations(self, hook: str) -> Iterator[tuple[LoadedModule, Any]]:
        caller: pluggy.HookCaller = getattr(self.manager.hook, hook)
        for implementation in caller.get_hookimpls():
            yield implementation.plugin.module, implementation  # type: ignore[attr-defined]

    @staticmethod
    def _ask(
        module: LoadedModule,
        implementation: Any,
        step: str,
        faults: list[PrefiqError],
        wait: Callable[[Any], object] | None = None,
        **given: Any,
    ) -> tuple[Any, ...]:
        try:
            with Step(module.name, module.package, step):
                answer = implementation.function(*(given[name] for name in implementation.argnames))
                if inspect.iscoroutine(answer):
                    if wait is None:
                        answer.close()
                        raise TypeError(f"{step} is async def; write a plain def")  # noqa: TRY301
                    answer = wait(answer)
                # A generator raises when it is read; what is told something answers nothing.
                return () if given else tuple(answer or ())
        except BaseException as error:  # somebody else's code: anything may come
            if is_ending(error):
                raise
            faults.append(failed(module.name, module.package, step, error))
            return ()

    # ---- hooks

    def hooks(self) -> list[ModelHook]:
        """Every model hook that is not disabled, in module order and as written."""
        found = [plugin for _, plugin in self.manager.list_name_plugin() if isinstance(plugin, ModelHook)]
        order = {module.name: number for number, module in enumerate(self.modules)}
        return sorted(found, key=lambda hook: (order[hook.module.name], hook.source, hook.mark.event))

    def model_hooks(
        self,
        models: Iterable[type],
        container: Container,
        *,
        wait: Callable[[Any], object] | None = None,
        faults: list[PrefiqError] | None = None,
        slow: float = 0.0,
    ) -> HookTable:
        """The model hooks as one tuple per (event, model), in pluggy's order.

        Args:
            models: Every model of the application; a hook on a mixin or base reaches all that derive from it.
            container: Says what hooks can be given.
            wait: What runs the coroutine of an ``async def`` hook to its end; None in sync mode, where
                such a hook is a fault.
            faults: Receives what cannot be used; raised together where left out.
            slow: Seconds after which a run is logged; 0 for never.
        """
        deriving: dict[type, list[type]] = {}
        for model in models:
            for base in model.__mro__:
                deriving.setdefault(base, []).append(model)
        table: dict[tuple[str, type], tuple[CompiledHook, ...]] = {}
        with _Together(faults) as wrong:
            for name in MODEL_HOOKS:
                caller: pluggy.HookCaller = getattr(self.manager.hook, name)
                for implementation in reversed(caller.get_hookimpls()):
                    hook = implementation.plugin
                    if not isinstance(hook, ModelHook):
                        continue
                    compiled = self._compile(hook, container, wait, slow, wrong)
                    reached = deriving.get(hook.mark.model, [])
                    if not reached:
                        wrong.append(_no_model(hook))
                    if compiled is None:
                        continue
                    hook.compiled = compiled
                    for model in reached:
                        key = (hook.mark.event, model)
                        table[key] = (*table.get(key, ()), compiled)
        return HookTable(table)

    def _compile(
        self,
        hook: ModelHook,
        container: Container,
        wait: Callable[[Any], object] | None,
        slow: float,
        faults: list[PrefiqError],
    ) -> CompiledHook | None:
        module, mark = hook.module, hook.mark
        names = [parameter.name for parameter in parameters_of(hook.function)]
        generates = _yields(hook.function)
        why, advice = _uncallable(hook.function, "entity", may_wait=wait is not None)
        if not why and mark.wraps and not generates:
            why, advice = "it wraps and does not yield", "write a generator function that yields once"
        elif not why and generates and not mark.wraps:
            why = "it yields, so nothing of it would run"
            advice = f"mark it with on.around{'' if mark.action else '_' + mark.event.partition('_')[2]}"
        if why:
            faults.append(HookUnusable(module.name, module.package, hook.name, why, advice, hook.source))
            return None
        offered = {"arguments"} if mark.action else {"before"} if mark.event.endswith("_update") else set()
        given = frozenset(offered.intersection(names[1:]))
        try:
            injected = container.injections(
                hook.function, given={names[0], *given}, module=module.name, source=hook.source
            )
        except Faults as found:
            faults.extend(found.exceptions)  # type: ignore[arg-type]
            return None
        return compile_hook(
            hook.function,
            name=hook.name,
            mark=mark,
            source=hook.source,
            injected=injected,
            given=given,
            wait=wait if _waits(hook.function) else None,
            slow=slow,
        )

    def subscribers(
        self,
        container: Container,
        *,
        wait: Callable[[Any], object] | None = None,
        faults: list[PrefiqError] | None = None,
        slow: float = 0.0,
    ) -> list[Subscriber]:
        """The functions that listen to events, in module order, without those that are disabled.

        Args:
            container: Says what they can be given.
            wait: As for ``model_hooks``.
            faults: Receives what cannot be used; raised together where left out.
            slow: Seconds after which a run is logged; 0 for never.
        """
        found: list[Subscriber] = []
        with _Together(faults) as wrong:
            for module in self.modules:
                for function in module.provider.subscribers:
                    name, source = _name_and_source(module, function)
                    if name in self.disabled:
                        continue
                    why, advice = _uncallable(function, "event", may_wait=wait is not None)
                    if not why and _yields(function):
                        why, advice = (
                            "it yields, so nothing of it would run",
                            "write a function without yield",
                        )
                    if not subscriptions_of(function):
                        why, advice = "it is not marked", "mark it with subscribe(Event)"
                    if why:
                        wrong.append(HookUnusable(module.name, module.package, name, why, advice, source))
                        continue
                    first = parameters_of(function)[0].name
                    try:
                        injected = container.injections(
                            function, given={first}, module=module.name, source=source
                        )
                    except Faults as missing:
                        wrong.extend(missing.exceptions)  # type: ignore[arg-type]
                        continue
                    waiting = wait if _waits(function) else None
                    found.append(
                        compile_subscriber(function, name=name, injected=injected, wait=waiting, slow=slow)
                    )
        return found

    def _register(self, module: LoadedModule, function: Any, faults: list[PrefiqError]) -> None:
        name, source = _name_and_source(module, function)
        marks = marks_of(function)
        plugins: list[Any] = [ModelHook(module, name, function, mark, source) for mark in marks]
        options = getattr(function, f"{PROJECT}_impl", None) or {}
        if not plugins and options:
            plugins = [FunctionHook(module, function)]
        why = advice = ""
        if options.get("wrapper") or options.get("hookwrapper"):
            why, advice = "wrappers are not called here", "use on.around_create(Model) or the like"
        elif options and (options.get("specname") or function.__name__) in MODEL_HOOKS:
            why, advice = (
                "it would not be routed by model",
                "mark it with on.before_create(Model) or the like",
            )
        elif not plugins:
            why, advice = "it is not marked", "mark it with on.before_create(Model) or the like, or hookimpl"
        elif name in self.hook_names:
            why, advice = "another hook of the module has its name", "rename one: disable goes by the name"
        if why:
            faults.append(HookUnusable(module.name, module.package, name, why, advice, source))
            return
        self.hook_names.add(name)
        for number, plugin in enumerate(plugins):
            registered = name if number == 0 else f"{name}/{number + 1}"
            if name in self.disabled:
                self.manager.set_blocked(registered)
            try:
                self.manager.register(plugin, registered)
            except pluggy.PluginValidationError as error:
                why, advice = _first_line(error), "see prefiq.plugins.hookspecs for its parameters"
                faults.append(HookUnusable(module.name, module.package, name, why, advice, source))

    def _unknown_hooks(self) -> Iterator[PrefiqError]:
        callers = vars(self.manager.hook)
        known = [name for name, caller in callers.items() if caller.has_spec()]
        for name, caller in callers.items():
            if name in known:
                continue
            for implementation in caller.get_hookimpls():
                if not implementation.optionalhook:
                    module = implementation.plugin.module
                    yield UnknownHook(module.name, module.package, name, nearest(name, known))

    def unknown_disabled(self, others: Collection[str] = ()) -> list[PrefiqError]:
        """A fault for each disabled name that is neither a hook nor among the other things of a name.

        Args:
            others: Names of validators and guards, which can be disabled too.
        """
        known = self.hook_names.union(others)
        return [UnknownDisabled(name, nearest(name, known)) for name in sorted(self.disabled - known)]


def replace_from_settings(
    bindings: Iterable[Binding],
    wanted: Mapping[str, str],
    faults: list[PrefiqError],
    *,
    source: str = "prefiq.toml [replace]",
) -> list[Binding]:
    """The bindings with implementations replaced as the settings say.

    Args:
        bindings: Of all modules, in module order, derived ones too.
        wanted: Import path by ``<module>.<contract>``, for example
            ``{"projects.IProject": "acme.repos:FastProjects"}``.
        faults: Receives unknown names and import paths that lead nowhere.
        source: File and table that ask for it.
    """
    loaded: dict[str, Any] = dict.fromkeys(wanted)
    for name, reference in wanted.items():
        try:
            loaded[name] = load_object(reference, asked_by=f'{source} "{name}"')
        except PrefiqError as error:
            faults.append(error)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  somebody else's code: anything may come
            faults.append(failed(reference, "", "import", error))
    return replace(bindings, loaded, faults, source=source)


class _Together:
    """Collects faults: into the caller's list, or to be raised at the end."""

    def __init__(self, faults: list[PrefiqError] | None) -> None:
        self.given = faults
        self.faults: list[PrefiqError] = [] if faults is None else faults

    def __enter__(self) -> list[PrefiqError]:
        return self.faults

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.given is None and error is None:
            _raise(self.faults)


def _raise(faults: list[PrefiqError]) -> None:
    if faults:
        raise Faults("The application cannot start", faults)


def _name_and_source(module: LoadedModule, function: Any) -> tuple[str, str]:
    name = getattr(function, "__name__", None)
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    source = f"{code.co_filename}:{code.co_firstlineno}" if code else ""
    return f"{module.name}.{name if isinstance(name, str) else type(function).__name__}", source


def _waits(function: Any) -> bool:
    plain = inspect.unwrap(function)
    return inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain)


def _yields(function: Any) -> bool:
    plain = inspect.unwrap(function) if callable(function) else None
    return inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain)


def _uncallable(function: Any, given: str, *, may_wait: bool) -> tuple[str, str]:
    """Why a hook or subscriber could not be called, and what to write; empty where it can."""
    plain = inspect.unwrap(function) if callable(function) else None
    if plain is None:
        return "it cannot be called", "list functions"
    if _waits(function) and not may_wait:
        return "it is async, and DB_MODE is sync", "write a plain def; it works in both modes"
    taken = list(inspect.signature(function).parameters.values())
    kinds = inspect.Parameter
    if not taken or taken[0].kind not in {kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD}:
        return f"it takes no {given}", "give it a first parameter"
    if any(parameter.kind is kinds.POSITIONAL_ONLY for parameter in taken[1:]):
        return "a parameter behind the first cannot be given by name", "remove the / from its parameters"
    return "", ""


def _no_model(hook: ModelHook) -> NoSuchModel:
    module = hook.module
    return NoSuchModel(
        module.name,
        module.package,
        hook.name,
        f"no listed module declares the model {hook.mark.model.__name__}",
        "list it in a provider's models, or list its module in apps",
        hook.source,
    )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
