"""All rows of one tenant, history included, as a file for the customer.

Everything is read through the repositories of a scope of that tenant, in one snapshot and in batches: another
tenant's row cannot be among them, and memory does not grow with their number.  What cannot be in the file
(hidden fields, tables of modules that are not listed) is named in its manifest.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from prefiq.application.export_files import CsvFiles, JsonLines, Writer, XlsxSheets
from prefiq.contracts import Actor, Bound, IDomain, ITransactions, Scope, UnknownTenant
from prefiq.contracts.scope import Placement
from prefiq.foundation.tenants import Tenant, TenantState
from prefiq.lowcode import ChildSpec, FieldSpec, ModelSpec

if TYPE_CHECKING:
    from prefiq.application.application import Application
    from prefiq.application.tenants import Tenants

__all__ = ["Format", "Section", "export", "planned", "sections_of"]

Format = Literal["csv", "xlsx", "json"]
BATCH = 1000
WRITERS: dict[str, type[Writer]] = {"csv": CsvFiles, "xlsx": XlsxSheets, "json": JsonLines}
EXPORT = Actor("system", ("*",), "Export")


@dataclass(frozen=True, slots=True)
class Section:
    """One table of an export.

    Args:
        name: Of the model; of a child ``<model>.<field>``.
        columns: Names of its columns.
        rows: Its rows in a scope, in batches.
        hidden: Fields that are left out.
    """

    name: str
    columns: tuple[str, ...]
    rows: Callable[[Scope], Iterator[Sequence[tuple[Any, ...]]]]
    hidden: tuple[str, ...] = ()


def sections_of(app: Application) -> list[Section]:
    """What an export of this application consists of."""
    found: list[Section] = []
    for spec in app.catalog:
        if spec.scope == "tenant":
            found.append(_of_model(spec))
            found += [_of_child(spec, child) for child in spec.children]
    return found


def planned(tenants: Tenants, key: str) -> dict[str, Any]:
    """See ``Tenants.planned_export``."""
    with _visit(tenants, key) as scope:
        sections = [
            {"name": spec.qualified, "rows": _store(scope, spec).count()}
            for spec in tenants.app.catalog
            if spec.scope == "tenant"
        ]
    hidden = [f"{section.name}.{name}" for section in sections_of(tenants.app) for name in section.hidden]
    return _manifest(tenants, key, sections, hidden)


def export(
    tenants: Tenants,
    key: str,
    path: Path,
    format: Format,
    *,
    operator: str = "",
    reason: str = "",
    report: Callable[[str, int], None] = lambda section, rows: None,  # noqa: ARG005
) -> dict[str, Any]:
    """See ``Tenants.export``."""
    if path.exists():
        raise FileExistsError(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner alone
    os.close(handle)
    temporary = Path(name)
    try:
        with _visit(tenants, key) as scope, WRITERS[format](temporary) as writer:
            manifest = _write(tenants, key, scope, writer, report)
        os.link(temporary, path)  # unlike a rename, it replaces nothing that came meanwhile
    finally:
        temporary.unlink(missing_ok=True)
    if tenants.app.settings.tenancy != "single":
        with tenants.changing() as scope, scope[ITransactions].tx():
            tenant = tenants.stored(scope, key)
            details = {"format": format, "rows": manifest["total"]}
            tenants.record(scope, tenant, "export", tenant.state.value, operator, reason, details)
    return manifest


def _write(
    tenants: Tenants, key: str, scope: Scope, writer: Writer, report: Callable[[str, int], None]
) -> dict[str, Any]:
    told: list[dict[str, Any]] = []
    hidden: list[str] = []
    with scope[ITransactions].tx(read_only=True):  # one snapshot of all
        for section in sections_of(tenants.app):
            writer.begin(section.name, section.columns)
            rows = 0
            for batch in section.rows(scope):
                writer.write(batch)
                rows += len(batch)
                report(section.name, len(batch))
            told.append({"name": section.name, "rows": rows, "columns": section.columns, **writer.end()})
            hidden += [f"{section.name}.{name}" for name in section.hidden]
    manifest = _manifest(tenants, key, told, hidden)
    writer.finish(manifest)
    return manifest


def _manifest(
    tenants: Tenants, key: str, sections: list[dict[str, Any]], hidden: Sequence[str]
) -> dict[str, Any]:
    return {
        "tenant": key,
        "made_at": datetime.now(UTC).isoformat(),
        "total": sum(one["rows"] for one in sections),
        "sections": sections,
        "left_out": {"hidden_fields": list(hidden), "tables": _unlisted(tenants, key)},
    }


def _visit(tenants: Tenants, key: str) -> Scope:
    """A scope that reads one tenant, also while it is not served; nothing can be written in it."""
    app = tenants.app
    if app.settings.tenancy == "single":
        if key != app.settings.tenant:
            raise UnknownTenant(key)
        bound = Bound(key, Placement("single"), read_only=True)
    else:
        tenant = tenants.get(key)
        if tenant.state in {TenantState.PROVISIONING, TenantState.GONE} or _is_going(tenant):
            raise UnknownTenant(key)
        bound = Bound(key, tenant.placement, read_only=True)
    return Scope(bound, EXPORT, app.container.resolve)


def _is_going(tenant: Tenant) -> bool:
    return tenant.purging_since is not None


def _unlisted(tenants: Tenants, key: str) -> dict[str, int]:
    """Tables with rows of the tenant that no listed model has, and how many rows."""
    app = tenants.app
    if app.settings.tenancy == "single":
        return {}
    known = {model.table for spec in app.catalog for model in (spec, *(c.model for c in spec.children))}
    return {table: rows for table, rows in tenants.count_rows(key).items() if table not in known}


def _of_model(spec: ModelSpec) -> Section:
    fields = [field for field in spec.all_fields if not field.hidden]

    def rows(scope: Scope) -> Iterator[Sequence[tuple[Any, ...]]]:
        for batch in _store(scope, spec).stream(batch=BATCH):
            yield [(e.id, e.version, *(field.read(e) for field in fields)) for e in batch]

    columns = ("id", "version", *(field.name for field in fields))
    return Section(spec.qualified, columns, rows, _hidden(spec.all_fields))


def _of_child(spec: ModelSpec, child: ChildSpec) -> Section:
    fields = [field for field in child.model.all_fields if not field.hidden]

    def rows(scope: Scope) -> Iterator[Sequence[tuple[Any, ...]]]:
        for batch in _store(scope, spec).stream(batch=BATCH):
            yield [
                (e.id, position, row.id, *(field.read(row) for field in fields))
                for e in batch
                for position, row in enumerate(getattr(e, child.name))
            ]

    columns = (child.model.parent_column, "position", "id", *(field.name for field in fields))
    return Section(f"{spec.qualified}.{child.name}", columns, rows, _hidden(child.model.all_fields))


def _store(scope: Scope, spec: ModelSpec) -> IDomain[Any]:
    contract: Any = IDomain[spec.cls]  # type: ignore[name-defined]
    store: IDomain[Any] = scope[contract]
    return store


def _hidden(fields: Sequence[FieldSpec]) -> tuple[str, ...]:
    return tuple(field.name for field in fields if field.hidden)
