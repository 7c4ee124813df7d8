"""Seeds from the ISO tables that the package pycountry ships; a tenant's own edits are kept."""

from __future__ import annotations

from collections.abc import Iterable

import pycountry

from prefiq import IDomain, IDomainService, Scope
from prefiq.foundation.seeds import Progress, upsert_missing
from prefiq_masters.models import Country, Currency, Subdivision, Unit

UNITS = (
    ("H87", "Piece", "pc"),
    ("C62", "One", "1"),
    ("SET", "Set", "set"),
    ("PR", "Pair", "pr"),
    ("DZN", "Dozen", "dz"),
    ("KGM", "Kilogram", "kg"),
    ("GRM", "Gram", "g"),
    ("TNE", "Tonne", "t"),
    ("LBR", "Pound", "lb"),
    ("MTR", "Metre", "m"),
    ("CMT", "Centimetre", "cm"),
    ("MMT", "Millimetre", "mm"),
    ("KMT", "Kilometre", "km"),
    ("INH", "Inch", "in"),
    ("FOT", "Foot", "ft"),
    ("MTK", "Square metre", "m²"),
    ("MTQ", "Cubic metre", "m³"),
    ("LTR", "Litre", "l"),
    ("MLT", "Millilitre", "ml"),
    ("SEC", "Second", "s"),
    ("MIN", "Minute", "min"),
    ("HUR", "Hour", "h"),
    ("DAY", "Day", "d"),
    ("MON", "Month", "mo"),
    ("ANN", "Year", "a"),
    ("KWH", "Kilowatt hour", "kWh"),
)
"""Code, name, symbol.  Source: UN/ECE Recommendation 20, the units that small firms bill in."""


def seed_currencies(scope: Scope, progress: Progress) -> None:
    """The currencies of ISO 4217."""
    progress.start("currencies", len(pycountry.currencies))
    rows = (Currency(code=c.alpha_3, name=c.name, numeric=c.numeric) for c in pycountry.currencies)
    upsert_missing(scope[IDomainService[Currency]], rows, progress=progress)


def seed_countries(scope: Scope, progress: Progress) -> None:
    """The countries of ISO 3166-1."""
    progress.start("countries", len(pycountry.countries))
    rows = (
        Country(code=c.alpha_2, name=getattr(c, "common_name", c.name), alpha_3=c.alpha_3, numeric=c.numeric)
        for c in pycountry.countries
    )
    upsert_missing(scope[IDomainService[Country]], rows, progress=progress)


def seed_subdivisions(scope: Scope, progress: Progress) -> None:
    """The subdivisions of ISO 3166-2, of the countries that the tenant still has."""
    countries = {country.code: country.id for batch in scope[IDomain[Country]].stream() for country in batch}
    progress.start("subdivisions", len(pycountry.subdivisions))
    rows: Iterable[Subdivision] = (
        Subdivision(code=s.code, name=s.name, kind=s.type, country_id=countries[s.country_code])
        for s in pycountry.subdivisions
        if s.country_code in countries
    )
    upsert_missing(scope[IDomainService[Subdivision]], rows, progress=progress)


def seed_units(scope: Scope, progress: Progress) -> None:
    """The common units of UN/ECE Recommendation 20."""
    progress.start("units", len(UNITS))
    rows = (Unit(code=code, name=name, symbol=symbol) for code, name, symbol in UNITS)
    upsert_missing(scope[IDomainService[Unit]], rows, progress=progress)
