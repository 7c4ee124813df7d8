"""Faults of modules: what is listed is missing, broken, contradictory or in a circle.  Room ``plugins``."""

from __future__ import annotations

from typing import ClassVar

from prefiq.errors import PrefiqError

__all__ = [
    "AmbiguousModule",
    "AppSettingWrong",
    "BadReference",
    "HookUnusable",
    "LockMismatch",
    "LockUnreadable",
    "ModuleCycle",
    "ModuleFailed",
    "ModuleFault",
    "ModuleListedTwice",
    "ModuleNotInstalled",
    "NoSuchModel",
    "NotAProvider",
    "NotLocked",
    "ProviderMisdeclared",
    "RequirementNotInstalled",
    "RequirementNotListed",
    "RequirementVersion",
    "UnknownDisabled",
    "UnknownHook",
]


class ModuleFault(PrefiqError):
    """Something is wrong with a listed module; the root of what the plugin host finds.

    Args:
        module: Name of the module as listed.
        distribution: Name and version of the package that it comes from; empty where unknown.
    """

    exit_code: ClassVar[int] = 3

    code: ClassVar[str] = "PFQ330"

    def __init__(self, module: str, distribution: str = "") -> None:
        self.module = module
        self.distribution = distribution

    @property
    def where(self) -> str:  # type: ignore[override]
        """The module and its package."""
        return f"module {self.module}" + (f" of {self.distribution}" if self.distribution else "")


class ModuleNotInstalled(ModuleFault):
    """The list of apps names a module that no installed package offers.

    Args:
        module: The name listed.
        nearest: The most similar name that is installed, or empty.
    """

    code: ClassVar[str] = "PFQ331"

    def __init__(self, module: str, nearest: str = "") -> None:
        super().__init__(module)
        self.nearest = nearest

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name."""
        return f"No installed package offers the app {self.module}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """The nearest name, or how to install."""
        if self.nearest:
            return f"did you mean {self.nearest}? Else install it: pip install <package that offers {self.module}>"
        return (
            f"install the package that offers it (often: pip install prefiq-{self.module}), "
            "or remove it from apps"
        )


class AmbiguousModule(ModuleFault):
    """Two installed packages offer an app of the same name.

    Args:
        module: The name.
        distributions: The packages, in the order in which they are found.
    """

    code: ClassVar[str] = "PFQ332"

    def __init__(self, module: str, distributions: tuple[str, ...]) -> None:
        super().__init__(module)
        self.distributions = distributions

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name and the packages."""
        return f"The app {self.module} is offered by {' and '.join(self.distributions)}"

    fix = "uninstall one, or list the provider you mean by its import path (package.module:Provider)"


class ModuleListedTwice(ModuleFault):
    """Two entries of the list of apps have the same name."""

    code: ClassVar[str] = "PFQ333"

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name."""
        return f"The app {self.module} is listed twice"

    fix = "remove one, or give the provider listed by import path another name (name = ...)"


class RequirementNotListed(ModuleFault):
    """A module needs another one that is installed but not listed.

    Args:
        module: The module that needs it.
        distribution: Its package.
        requirement: The package it needs, as its metadata says.
        offers: Names of the apps that this package offers.
    """

    code: ClassVar[str] = "PFQ334"

    def __init__(self, module: str, distribution: str, requirement: str, offers: tuple[str, ...]) -> None:
        super().__init__(module, distribution)
        self.requirement = requirement
        self.offers = offers

    @property
    def what(self) -> str:  # type: ignore[override]
        """Who needs whom."""
        return f"The app {self.module} requires {self.requirement}, whose app is not listed"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """What to add."""
        return f"add {' or '.join(self.offers)} to apps"


class RequirementNotInstalled(ModuleFault):
    """A module's package requires another one that is not installed.

    Args:
        module: The module that needs it.
        distribution: Its package.
        requirement: What it needs, as its metadata says.
    """

    code: ClassVar[str] = "PFQ335"

    def __init__(self, module: str, distribution: str, requirement: str) -> None:
        super().__init__(module, distribution)
        self.requirement = requirement

    @property
    def what(self) -> str:  # type: ignore[override]
        """Who needs what."""
        return f"The app {self.module} requires {self.requirement}, which is not installed"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """How to install it."""
        return f'pip install "{self.requirement}"'


class RequirementVersion(ModuleFault):
    """A module's package requires another version of a package than the one installed.

    Args:
        module: The module that needs it.
        distribution: Its package.
        requirement: What it needs, as its metadata says.
        found: The version that is installed.
    """

    code: ClassVar[str] = "PFQ336"

    def __init__(self, module: str, distribution: str, requirement: str, found: str) -> None:
        super().__init__(module, distribution)
        self.requirement = requirement
        self.found = found

    @property
    def what(self) -> str:  # type: ignore[override]
        """Who needs what, and what there is."""
        return f"The app {self.module} requires {self.requirement}, but {self.found} is installed"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """How to install it."""
        return f'pip install "{self.requirement}"'


class ModuleFailed(ModuleFault):
    """A module's own code raised while it was loaded or asked; the original error is the cause.

    Args:
        module: The module.
        distribution: Its package.
        step: What was being done, for example ``"import"`` or ``"bind"``.
        error: The type of the error; with its text only where that cannot hold a secret.
        source: ``file:line`` in the module, or empty.
    """

    code: ClassVar[str] = "PFQ337"

    def __init__(self, module: str, distribution: str, step: str, error: str, source: str = "") -> None:
        super().__init__(module, distribution)
        self.step = step
        self.error = error
        self.source = source

    @property
    def what(self) -> str:  # type: ignore[override]
        """The step and the error."""
        return f"The app {self.module} failed in {self.step}: {self.error}"

    @property
    def where(self) -> str:  # type: ignore[override]
        """The module, its package and the line."""
        return super().where + (f", {self.source}" if self.source else "")

    @property
    def fix(self) -> str:  # type: ignore[override]
        """Where to look."""
        return "see the error it was caused by, or remove the app from apps"


class NotAProvider(ModuleFault):
    """What a module's entry point or import path names is no provider.

    Args:
        module: The module.
        distribution: Its package.
        reference: The import path.
    """

    code: ClassVar[str] = "PFQ338"

    def __init__(self, module: str, distribution: str, reference: str) -> None:
        super().__init__(module, distribution)
        self.reference = reference

    @property
    def what(self) -> str:  # type: ignore[override]
        """The import path."""
        return f"{self.reference} is no provider"

    fix = "point it to a class that derives from prefiq.ProviderBase"


class ModuleCycle(ModuleFault):
    """Modules come after each other in a circle, so none can be first.

    Args:
        path: Names around the circle; the first is repeated at the end.
    """

    code: ClassVar[str] = "PFQ339"

    def __init__(self, path: tuple[str, ...]) -> None:
        super().__init__(path[0])
        self.path = path

    @property
    def what(self) -> str:  # type: ignore[override]
        """The circle."""
        return "These apps come after each other: " + " -> ".join(self.path)

    fix = 'remove one "after", or one requirement of the packages'


class UnknownHook(ModuleFault):
    """A module implements a hook that nobody declares, so it would never be called.

    Args:
        module: The module.
        distribution: Its package.
        hook: The name it implements.
        nearest: The most similar hook that exists, or empty.
    """

    code: ClassVar[str] = "PFQ340"

    def __init__(self, module: str, distribution: str, hook: str, nearest: str = "") -> None:
        super().__init__(module, distribution)
        self.hook = hook
        self.nearest = nearest

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name."""
        return f"There is no hook {self.hook}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """The nearest name."""
        return f"did you mean {self.nearest}?" if self.nearest else "see prefiq.plugins.hookspecs"


class HookUnusable(ModuleFault):
    """A hook cannot be called as it is written.

    Args:
        module: The module.
        distribution: Its package.
        hook: ``<module>.<function>``.
        why: What is wrong, a clause without full stop.
        advice: What to write instead.
        source: ``file:line`` of the function.
    """

    code: ClassVar[str] = "PFQ341"

    def __init__(
        self, module: str, distribution: str, hook: str, why: str, advice: str, source: str = ""
    ) -> None:
        super().__init__(module, distribution)
        self.hook = hook
        self.why = why
        self.fix = advice
        self.source = source

    @property
    def what(self) -> str:  # type: ignore[override]
        """The hook and the reason."""
        return f"The hook {self.hook} cannot be used: {self.why}"

    @property
    def where(self) -> str:  # type: ignore[override]
        """The module, its package and the line."""
        return super().where + (f", {self.source}" if self.source else "")


class NoSuchModel(HookUnusable):
    """A hook is for a model that no listed module declares."""


class UnknownDisabled(ModuleFault):
    """``disable`` names something that does not exist, so nothing would be switched off.

    Args:
        name: The name given.
        nearest: The most similar name that exists, or empty.
    """

    code: ClassVar[str] = "PFQ342"

    def __init__(self, name: str, nearest: str = "") -> None:
        super().__init__(name.partition(".")[0])
        self.name = name
        self.nearest = nearest

    @property
    def what(self) -> str:  # type: ignore[override]
        """The name."""
        return f"There is no {self.name} to disable"

    where = "prefiq.toml, disable"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """The nearest name."""
        return f"did you mean {self.nearest}?" if self.nearest else "the name is <module>.<function>"


class BadReference(ModuleFault):
    """An import path does not lead to an object.

    Args:
        reference: The import path, ``package.module:Name``.
        why: What stands in the way, a clause without full stop.
        asked_by: File and key that name it.
    """

    code: ClassVar[str] = "PFQ343"

    def __init__(self, reference: str, why: str, asked_by: str = "") -> None:
        super().__init__(reference)
        self.reference = reference
        self.why = why
        self.asked_by = asked_by

    @property
    def what(self) -> str:  # type: ignore[override]
        """The path and the reason."""
        return f"The import path {self.reference} leads nowhere: {self.why}"

    @property
    def where(self) -> str:  # type: ignore[override]
        """Who asks."""
        return self.asked_by

    fix = "write package.module:Name, and install the package that has it"


class LockMismatch(ModuleFault):
    """A listed app is not what ``apps.lock`` says; nothing of it was imported.

    Either somebody changed what is installed, or the lock is older than a wanted upgrade.

    Args:
        module: The app.
        distribution: Its package, as it is installed.
        part: ``"distribution"``, ``"version"`` or ``"record"`` (the files).
        wanted: What the lock says of it.
        found: What is installed.
    """

    code: ClassVar[str] = "PFQ344"

    def __init__(self, module: str, distribution: str, part: str, wanted: str, found: str) -> None:
        super().__init__(module, distribution)
        self.part = part
        self.wanted = wanted
        self.found = found

    @property
    def what(self) -> str:  # type: ignore[override]
        """The part, as it should be and as it is."""
        if self.part == "record" and "editable" not in {self.wanted, self.found}:
            return f"The files of {self.distribution} are not those that apps.lock holds"
        return (
            f"apps.lock holds {self.part} {self.wanted} for the app {self.module}, installed is {self.found}"
        )

    fix = "install what is locked, or, if the change is wanted: prefiq apps lock"


class NotLocked(ModuleFault):
    """A listed app is missing from ``apps.lock``; nothing of it was imported."""

    code: ClassVar[str] = "PFQ345"

    @property
    def what(self) -> str:  # type: ignore[override]
        """The app."""
        return f"The app {self.module} is not in apps.lock"

    fix = "prefiq apps lock, or remove the app from apps"


class LockUnreadable(ModuleFault):
    """``apps.lock`` exists and is not what ``prefiq apps lock`` writes.

    Args:
        path: The file.
        why: What stands in the way, a clause without full stop.
    """

    code: ClassVar[str] = "PFQ346"

    def __init__(self, path: str, why: str) -> None:
        super().__init__("apps.lock")
        self.path = path
        self.why = why

    @property
    def what(self) -> str:  # type: ignore[override]
        """The reason."""
        return f"apps.lock cannot be used: {self.why}"

    @property
    def where(self) -> str:  # type: ignore[override]
        """The file."""
        return self.path

    fix = "prefiq apps lock writes it anew"


class ProviderMisdeclared(ModuleFault):
    """An attribute of a provider is not of the kind that it must be.

    Args:
        module: The module.
        distribution: Its package.
        attribute: Name of the attribute.
        wanted: What it must be.
        found: Type of what it is.
    """

    code: ClassVar[str] = "PFQ347"

    def __init__(self, module: str, distribution: str, attribute: str, wanted: str, found: str) -> None:
        super().__init__(module, distribution)
        self.attribute = attribute
        self.wanted = wanted
        self.found = found

    @property
    def what(self) -> str:  # type: ignore[override]
        """The attribute."""
        return f"{self.attribute} of the provider of {self.module} is {self.found}, not {self.wanted}"

    @property
    def fix(self) -> str:  # type: ignore[override]
        """What to write."""
        comma = " (one element needs a comma behind it)" if self.wanted == "a tuple" else ""
        return f"make {self.attribute} {self.wanted}{comma}"


class AppSettingWrong(ModuleFault):
    """A module's table in ``prefiq.toml`` does not fit the class of its settings.

    Every fault of the table is reported: keys that the class does not have, keys that lack, and values of
    another type.

    Args:
        module: The module.
        distribution: Its package.
        key: The key; empty for the table as a whole.
        settings: Name of the class.
        problem: What is wrong, a clause without full stop; never a value.
        advice: What to write instead.
    """

    code: ClassVar[str] = "PFQ360"

    def __init__(
        self, module: str, distribution: str, key: str, settings: str, problem: str, advice: str
    ) -> None:
        super().__init__(module, distribution)
        self.key = key
        self.settings = settings
        self.problem = problem
        self.fix = advice

    @property
    def what(self) -> str:  # type: ignore[override]
        """The key and what is wrong."""
        key = f"{self.key} of " if self.key else ""
        return f"{key}{self.settings} cannot be read: {self.problem}"

    @property
    def where(self) -> str:  # type: ignore[override]
        """The table, and the module that it is for."""
        return f"prefiq.toml [settings.{self.module}], {super().where}"
