"""``MastersProvider``: the lookup tables and their seeds."""

from __future__ import annotations

from prefiq import ProviderBase
from prefiq_masters.models import LOOKUPS
from prefiq_masters.seeds import SEEDS


class MastersProvider(ProviderBase):
    """Lookup tables: places, accounts, contacts, trade, products and work orders."""

    models = LOOKUPS
    seeds = SEEDS
