"""The lookup tables, one declaration each; what all of them have stands in ``Lookup``."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from prefiq import Refused, field, ref, validator
from prefiq_masters.lookup import Lookup

# ---- places


class Country(Lookup):
    """A country of ISO 3166-1; the code is its alpha-2 code."""

    alpha_3: str = field(max_length=3, pattern="[A-Z]{3}", unique=True)
    numeric: str | None = field(default=None, max_length=3, pattern=r"\d{3}")


class Subdivision(Lookup):
    """A province, state or other part of a country, of ISO 3166-2."""

    country_id: UUID = ref(Country)
    kind: str = field(default="", max_length=80)
    gst_code: str | None = field(default=None, max_length=2, pattern=r"\d{2}", index=True)


class District(Lookup):
    """A district of a state."""

    subdivision_id: UUID = ref(Subdivision)


class City(Lookup):
    """A city or town of a district."""

    district_id: UUID = ref(District)


class Pincode(Lookup):
    """The area of a postal code; where areas share one, the code has a suffix: ``641601-BAZAAR``."""

    code: str = field(max_length=32, pattern=r"[1-9]\d{5}(-[A-Z0-9]+)*", unique=True)
    city_id: UUID = ref(City)


# ---- accounts


class Nature(StrEnum):
    """On which side of the accounts a group stands."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


class LedgerGroup(Lookup):
    """A group of ledgers in the chart of accounts."""

    nature: Nature = field()


class Ledger(Lookup):
    """An account that entries are booked on."""

    ledger_group_id: UUID = ref(LedgerGroup)


# ---- contacts


class AddressType(Lookup):
    """What an address serves for."""


class BankName(Lookup):
    """A bank; the code is the first four letters of its IFSC."""


class ContactGroup(Lookup):
    """A group that contacts are kept in."""


class ContactType(Lookup):
    """What a contact is to the firm."""


# ---- trade


class Currency(Lookup):
    """A currency of ISO 4217; the code is its alphabetic code."""

    numeric: str | None = field(default=None, max_length=3, pattern=r"\d{3}")
    symbol: str | None = field(default=None, max_length=12)


class Month(Lookup):
    """A month that is reported on; the code is that of ISO 8601, ``2026-04``."""

    start_date: date = field(index=True)
    end_date: date = field()

    @validator
    def in_order(self) -> None:
        """It does not end before it begins."""
        if self.end_date < self.start_date:
            raise Refused("end_date", "is before start_date")


class PaymentTerm(Lookup):
    """When an invoice is to be paid: so many days after its date."""

    days: int = field(default=0, ge=0, le=3650)


class Priority(Lookup):
    """How urgent a thing is, and the colour that shows it."""

    colour: str = field(default="", max_length=7, pattern=r"(#[0-9a-f]{6})?")
    tag: str = field(default="", max_length=32)


class SalesType(Lookup):
    """A kind of sale."""

    description: str = field(default="", max_length=255)


# ---- products


class Brand(Lookup):
    """Under whose name a product is sold."""


class Colour(Lookup):
    """A colour of a product."""


class HsnCode(Lookup):
    """A heading of the Harmonized System (goods), or a service accounting code (services)."""

    code: str = field(max_length=8, pattern=r"\d{2}(\d{2}){0,3}", unique=True)


class ProductCategory(Lookup):
    """A category of products."""


class ProductGroup(Lookup):
    """A group of products."""


class ProductType(Lookup):
    """Goods, or a service."""


class Size(Lookup):
    """A size of a product."""


class Style(Lookup):
    """A style of a product."""


class Tax(Lookup):
    """A rate of tax in percent; the GST of a sale within one state is half central, half the state's."""

    rate: Decimal = field(precision=5, scale=2, ge=0, le=100, unique=True)


class Unit(Lookup):
    """A unit of measure; the code is that of UN/ECE Recommendation 20."""

    symbol: str = field(default="", max_length=12)


# ---- work orders


class Destination(Lookup):
    """Where goods are sent."""


class StockRejectionType(Lookup):
    """Why goods are not accepted."""


class Transport(Lookup):
    """Who carries goods."""

    gstin: str | None = field(default=None, max_length=15, pattern="[0-9A-Z]{15}")
    vehicle_number: str = field(default="", max_length=32)
    address: str = field(default="", max_length=255)
    contact_number: str = field(default="", max_length=32)
    contact_person: str = field(default="", max_length=200)


class Warehouse(Lookup):
    """Where goods are kept."""


class WorkOrderType(Lookup):
    """A kind of work order."""


LOOKUPS: tuple[type[Lookup], ...] = (
    Currency, Country, Subdivision, District, City, Pincode, LedgerGroup, Ledger, AddressType, BankName,
    ContactGroup, ContactType, Month, PaymentTerm, Priority, SalesType, Brand, Colour, HsnCode,
    ProductCategory, ProductGroup, ProductType, Size, Style, Tax, Unit, Destination, StockRejectionType,
    Transport, Warehouse, WorkOrderType,
)  # fmt: skip
"""All of them; one that is referred to stands before those that do."""
