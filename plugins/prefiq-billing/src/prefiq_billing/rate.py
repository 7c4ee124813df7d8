"""``Rate``: a price of an hour that projects are given."""

from __future__ import annotations

from decimal import Decimal

from prefiq import Entity, ModelMeta, field


class Rate(Entity):
    """What an hour costs."""

    code: str = field(max_length=32, pattern=r"[A-Z0-9-]+", unique=True)
    name: str = field(max_length=120, search=True)
    amount: Decimal = field(precision=12, scale=2, ge=0)
    is_default: bool = field(default=False, index=True)

    meta = ModelMeta(label="code", order_by="code")
