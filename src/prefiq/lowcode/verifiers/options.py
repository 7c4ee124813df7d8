"""Rule ``options``: a model's options are a ``ModelMeta`` with values that exist."""

from __future__ import annotations

from collections.abc import Iterator

from prefiq.lowcode.errors import Violation
from prefiq.lowcode.model_meta import ModelMeta
from prefiq.lowcode.model_spec import IndexSpec, ModelSpec
from prefiq.lowcode.reader import listed, meta_of
from prefiq.lowcode.verifiers.context import Context

SCOPES = {"tenant", "shared"}


def verify(spec: ModelSpec, context: Context) -> Iterator[Violation]:
    """Options in another form, of another kind, or without effect."""
    del context
    for problem, fix in _faults(spec):
        yield Violation("options", spec.qualified, "meta", problem, fix)


def _faults(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    meta = meta_of(spec.cls)
    if not isinstance(getattr(spec.cls, "meta", None), ModelMeta):
        yield "meta is not a ModelMeta", "write meta = ModelMeta(…)"
    if "Meta" in vars(spec.cls):
        yield "a class Meta is not read", "write meta = ModelMeta(…)"
    if meta.scope not in SCOPES:
        yield "scope is unknown", 'say scope="tenant" or scope="shared"'
    if not isinstance(meta.order_by, str) and len(listed(meta.order_by, str)) != _length(meta.order_by):
        yield "order_by does not list names", 'say order_by=("due", "-code")'
    if len(listed(meta.indexes, IndexSpec)) != _length(meta.indexes):
        yield "indexes does not list indexes", 'say indexes=(index("a", "b"),)'
    if spec.parent and (meta.scope != "tenant" or meta.soft_delete):
        yield "a child has its parent's scope and lives as long as its parent", "say it in the parent"


def _length(value: object) -> int:
    return len(value) if isinstance(value, (list, tuple)) else -1
