"""``MastersProvider``: the lookup tables and their seeds."""

from __future__ import annotations

from prefiq import ProviderBase
from prefiq.foundation.seeds import Seed
from prefiq_masters.models import Country, Currency, Subdivision, Unit
from prefiq_masters.seeds import seed_countries, seed_currencies, seed_subdivisions, seed_units


class MastersProvider(ProviderBase):
    """Countries, subdivisions, currencies and units."""

    models = (Currency, Country, Subdivision, Unit)
    seeds = (
        Seed("currencies", 1, seed_currencies),
        Seed("countries", 1, seed_countries),
        Seed("subdivisions", 1, seed_subdivisions),
        Seed("units", 1, seed_units),
    )
