"""``Lookup``: what every lookup table has."""

from __future__ import annotations

from prefiq import Entity, ModelMeta, field, index


class Lookup(Entity):
    """A row that others choose from: a code, a name, a place in lists, and whether it may still be chosen."""

    code: str = field(max_length=32, pattern=r"[A-Z0-9-]+", unique=True)
    name: str = field(max_length=200, search=True, index=True)
    sort_order: int = field(default=0, ge=0)
    active: bool = field(default=True, index=True)

    meta = ModelMeta(
        label="name", order_by=("sort_order", "name"), indexes=(index("sort_order", "name"),), abstract=True
    )
