"""Lookup tables: countries, subdivisions, currencies and units."""

from prefiq_masters.lookup import Lookup
from prefiq_masters.models import Country, Currency, Subdivision, Unit

__all__ = ["Country", "Currency", "Lookup", "Subdivision", "Unit"]
