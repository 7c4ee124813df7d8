"""What ``prefiq run sanity`` looks at: one read of every model; it writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prefiq.contracts import Actor, Bound, IDomain, Page, Scope
from prefiq.doctor.finding import Finding, findings_of
from prefiq.errors import PrefiqError

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.lowcode import ModelSpec

__all__ = ["read_each_model"]

NOBODYS = "sanity-check"
"""A tenant that need not exist: reading its rows proves the tables, and shows nobody's."""


def read_each_model(app: Application) -> tuple[Finding, ...]:
    """Read one row of every model through its repository, as no tenant that exists.

    Args:
        app: Booted.
    """
    reader = Actor("sanity", ("*",))
    findings: list[Finding] = []
    with (
        app.scope(as_system="sanity check", routine=True) as shared,
        Scope(_bound(app), reader, resolve=app.container.resolve) as tenants,
    ):
        for spec in app.catalog:
            findings += _read(spec, shared if spec.scope == "shared" else tenants)
    return tuple(findings)


def _bound(app: Application) -> Bound:
    return Bound(app.settings.tenant) if app.settings.tenancy == "single" else Bound(NOBODYS)


def _read(spec: ModelSpec, scope: Scope) -> Iterator[Finding]:
    model: Any = spec.cls
    where = f"reading {spec.qualified}"
    try:
        scope[IDomain[model]].list(Page(limit=1))
    except PrefiqError as error:
        for found in findings_of(error):
            yield Finding(found.id, "error", found.what, where, found.fix, found.exit_code)
    except Exception as error:  # noqa: BLE001  a repository written by hand: anything may come
        yield Finding(
            "PFQ-D301", "error", f"The repository raised {type(error).__name__}", where, "mend the repository"
        )
