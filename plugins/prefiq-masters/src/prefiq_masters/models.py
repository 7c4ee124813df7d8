"""The lookup tables."""

from __future__ import annotations

from uuid import UUID

from prefiq import ModelMeta, field, ref
from prefiq_masters.lookup import Lookup


class Currency(Lookup):
    """A currency of ISO 4217; the code is its alphabetic code."""

    numeric: str | None = field(default=None, max_length=3, pattern=r"\d{3}")
    meta = ModelMeta(label="name", order_by="code", plural="currencies")


class Country(Lookup):
    """A country of ISO 3166-1; the code is its alpha-2 code."""

    alpha_3: str = field(max_length=3, pattern="[A-Z]{3}", unique=True)
    numeric: str | None = field(default=None, max_length=3, pattern=r"\d{3}")


class Subdivision(Lookup):
    """A province, state or other part of a country, of ISO 3166-2."""

    country_id: UUID = ref(Country)
    kind: str = field(default="", max_length=80)


class Unit(Lookup):
    """A unit of measure; the code is that of UN/ECE Recommendation 20."""

    symbol: str = field(default="", max_length=12)
