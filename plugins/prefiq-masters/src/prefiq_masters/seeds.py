"""What a tenant starts with: the ISO tables that the package pycountry ships, and those of ``rows``.

A tenant's own edits are kept.  A column that is younger than its table is filled in where it is empty.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pycountry

from prefiq import IClock, IDomain, IDomainService, Page, Scope
from prefiq.contracts import Compare
from prefiq.foundation.seeds import Progress, Seed, upsert_missing
from prefiq_masters import rows
from prefiq_masters.lookup import Lookup
from prefiq_masters.models import (
    BankName,
    City,
    Country,
    Currency,
    District,
    HsnCode,
    Ledger,
    LedgerGroup,
    Month,
    PaymentTerm,
    Pincode,
    Priority,
    SalesType,
    Subdivision,
    Tax,
    Transport,
    Unit,
)

__all__ = ["SEEDS", "code_of", "months_of_year"]

APRIL = 4
"""The month in which India's financial year begins."""


def code_of(name: str) -> str:
    """A row's code made of its name: ``"Web clients"`` gives ``WEB-CLIENTS``."""
    return re.sub(r"[^A-Z0-9]+", "-", name.upper()).strip("-")


def months_of_year(today: date) -> Iterator[tuple[date, date]]:
    """First and last day of each month of the financial year that holds a day."""
    begins = today.year if today.month >= APRIL else today.year - 1
    for count in range(12):
        year, month = begins + (APRIL + count - 1) // 12, (APRIL + count - 1) % 12 + 1
        yield date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def ids_of(scope: Scope, model: type[Lookup], codes: Iterable[str]) -> dict[str, UUID]:
    """Code → id of the rows that the tenant still has."""
    wanted = tuple(codes)
    page = Page(limit=len(wanted), sort=("code",))
    return {
        row.code: row.id for row in _service(scope, model).list(page, Compare("code", "in", wanted)).items
    }


def listed(model: type[Lookup], entries: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Entities in the order in which they are given."""
    return [model(sort_order=10 * place, **entry) for place, entry in enumerate(entries, 1)]


def named(names: Sequence[str], *entries: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Each entry with its fields' names."""
    return [dict(zip(names, entry, strict=True)) for entry in entries]


def currencies(_: Scope) -> list[Any]:
    """The currencies of ISO 4217."""
    return [
        Currency(code=c.alpha_3, name=c.name, numeric=c.numeric, symbol=rows.SYMBOLS.get(c.alpha_3))
        for c in pycountry.currencies
    ]


def countries(_: Scope) -> list[Any]:
    """The countries of ISO 3166-1."""
    return [
        Country(code=c.alpha_2, name=getattr(c, "common_name", c.name), alpha_3=c.alpha_3, numeric=c.numeric)
        for c in pycountry.countries
    ]


def subdivisions(scope: Scope) -> list[Any]:
    """The subdivisions of ISO 3166-2, of the countries that the tenant still has."""
    known = {country.code: country.id for batch in scope[IDomain[Country]].stream() for country in batch}
    return [
        Subdivision(
            code=s.code,
            name=s.name,
            kind=s.type,
            country_id=known[s.country_code],
            gst_code=rows.GST_STATES.get(s.code),
        )
        for s in pycountry.subdivisions
        if s.country_code in known
    ]


def districts(scope: Scope) -> list[Any]:
    """The districts of the states that the tenant still has."""
    states = ids_of(scope, Subdivision, rows.DISTRICTS)
    return [
        District(code=f"{state[3:]}-{code_of(name)}", name=name, subdivision_id=states[state])
        for state, names in rows.DISTRICTS.items()
        if state in states
        for name in names
    ]


def cities(scope: Scope) -> list[Any]:
    """The cities of the districts that the tenant still has."""
    known = ids_of(scope, District, {f"TN-{code_of(district)}" for _, district, _ in rows.CITIES})
    return [
        City(code=code_of(name), name=name, district_id=known[f"TN-{code_of(district)}"])
        for name, district, _ in rows.CITIES
        if f"TN-{code_of(district)}" in known
    ]


def pincodes(scope: Scope) -> list[Any]:
    """The main postal code of the cities that the tenant still has."""
    known = ids_of(scope, City, [code_of(name) for name, _, _ in rows.CITIES])
    return [
        Pincode(code=pin, name=name, city_id=known[code_of(name)])
        for name, _, pin in rows.CITIES
        if code_of(name) in known
    ]


def ledgers(scope: Scope) -> list[Any]:
    """The first ledgers, of the groups that the tenant still has."""
    known = ids_of(scope, LedgerGroup, {group for _, _, group in rows.LEDGERS})
    entries = [
        {"code": code, "name": name, "ledger_group_id": known[group]}
        for code, name, group in rows.LEDGERS
        if group in known
    ]
    return listed(Ledger, entries)


def months(scope: Scope) -> list[Any]:
    """The months of the financial year in which the tenant is made."""
    entries = (
        {"code": f"{first:%Y-%m}", "name": f"{first:%B %Y}", "start_date": first, "end_date": last}
        for first, last in months_of_year(scope[IClock].now().date())
    )
    return listed(Month, entries)


def taxes(_: Scope) -> list[Any]:
    """The rates of India's GST."""
    entries = (
        {"code": code, "name": name, "rate": Decimal(rate), "active": active}
        for code, name, rate, active in rows.TAXES
    )
    return listed(Tax, entries)


def plain(model: type[Lookup], names: Sequence[str], _: Scope) -> list[Any]:
    """Rows that are a name alone."""
    return listed(model, ({"code": code_of(name), "name": name} for name in names))


def table(
    model: type[Lookup], names: Sequence[str], entries: Sequence[tuple[Any, ...]], _: Scope
) -> list[Any]:
    """Rows that stand in a table, in its order."""
    return listed(model, named(names, *entries))


def units(_: Scope) -> list[Any]:
    """The common units of UN/ECE Recommendation 20."""
    return [Unit(**entry) for entry in named(("code", "name", "symbol"), *rows.UNITS)]


def chapters(_: Scope) -> list[Any]:
    """The chapters of the Harmonized System."""
    lines = (line.split(" ", 1) for line in rows.HSN_CHAPTERS.strip().splitlines())
    return [HsnCode(code=code, name=name) for code, name in lines]


ROWS: dict[str, tuple[type[Lookup], Callable[[Scope], list[Any]]]] = {
    "currencies": (Currency, currencies),
    "countries": (Country, countries),
    "subdivisions": (Subdivision, subdivisions),
    "districts": (District, districts),
    "cities": (City, cities),
    "pincodes": (Pincode, pincodes),
    "ledger-groups": (
        LedgerGroup,
        partial(table, LedgerGroup, ("code", "name", "nature"), rows.LEDGER_GROUPS),
    ),
    "ledgers": (Ledger, ledgers),
    "bank-names": (BankName, partial(table, BankName, ("code", "name"), rows.BANKS)),
    "months": (Month, months),
    "payment-terms": (PaymentTerm, partial(table, PaymentTerm, ("code", "name", "days"), rows.PAYMENT_TERMS)),
    "priorities": (Priority, partial(table, Priority, ("code", "name", "colour", "tag"), rows.PRIORITIES)),
    "sales-types": (SalesType, partial(table, SalesType, ("code", "name", "description"), rows.SALES_TYPES)),
    "hsn-codes": (HsnCode, chapters),
    "taxes": (Tax, taxes),
    "units": (Unit, units),
    "transports": (Transport, partial(table, Transport, ("code", "name"), (("SELF", "Own vehicle"),))),
    **{name: (model, partial(plain, model, names)) for name, (model, names) in rows.PLAIN.items()},
}
"""Seed → its model and what makes the rows; one that refers to another stands behind it."""


def seed(name: str, scope: Scope, progress: Progress) -> None:
    """Add the rows of a seed that the tenant does not have."""
    model, made = ROWS[name]
    entities = made(scope)
    progress.start(name, len(entities))
    upsert_missing(_service(scope, model), entities, progress=progress)


def fill(
    model: type[Lookup],
    name: str,
    values: Mapping[str, str],
    scope: Scope,
    progress: Progress,
) -> None:
    """Fill in a column that an earlier release of the table did not have, where it is still empty."""
    progress.start(f"{name} of {len(values)} rows", len(values))
    service = _service(scope, model)
    page = Page(limit=len(values), sort=("code",))
    for row in service.list(page, Compare("code", "in", tuple(values))).items:
        if getattr(row, name) is None:
            setattr(row, name, values[row.code])
            service.update(row)
        progress.advance(1)


def _service(scope: Scope, model: type[Lookup]) -> IDomainService[Any]:
    contract: Any = IDomainService
    service: IDomainService[Any] = scope[contract[model]]
    return service


SEEDS: tuple[Seed, ...] = (
    *(Seed(name, 1, partial(seed, name)) for name in ROWS),
    Seed("currency-symbols", 1, partial(fill, Currency, "symbol", rows.SYMBOLS)),
    Seed("gst-states", 1, partial(fill, Subdivision, "gst_code", rows.GST_STATES)),
)
