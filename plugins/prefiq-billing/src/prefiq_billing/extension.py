"""What billing adds to a project: a rate, a cap, what was billed, and rules about the three."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from prefiq import (
    Extension,
    ExtensionMeta,
    IDomain,
    IPermissions,
    PolicyExtension,
    Refused,
    Scope,
    ServiceExtension,
    action,
    field,
    index,
    ref,
    tune,
    validator,
)
from prefiq_billing.rate import Rate
from prefiq_projects import Project, Stage

Amount = Annotated[Decimal, field(precision=12, scale=2, gt=0)]


class ProjectBilling(Extension[Project]):
    """What an hour of a project costs, and how much it may cost in all."""

    rate: Decimal = field(default=Decimal(0), precision=12, scale=2, ge=0)
    cap: Decimal | None = field(default=None, precision=12, scale=2, ge=0)
    billed: Decimal = field(default=Decimal(0), precision=12, scale=2, read_only=True)
    agreed_id: UUID | None = ref(Rate, default=None, label="Rate it came from")

    @action
    def bill(self, amount: Amount) -> None:
        """Note that an amount was billed."""
        if self.base.stage is Stage.DRAFT:
            raise Refused("", "a draft is not billed")
        if self.cap is not None and self.billed + amount > self.cap:
            raise Refused("cap", "would be exceeded")
        self.billed += amount

    @validator
    def billed_within_cap(self) -> None:
        """No more is billed than the cap allows, and the cap is within the budget."""
        if self.cap is None:
            return
        if self.billed > self.cap:
            raise Refused("cap", "more than this was billed")
        if self.base.budget is not None and self.cap > self.base.budget:
            raise Refused("cap", "must not exceed the budget")

    meta = ExtensionMeta(
        tune={
            "name": tune(label="Title", max_length=100),
            "budget": tune(le=Decimal(1_000_000), help="Agreed with the customer"),
        },
        indexes=(index("rate"),),
    )


class BillingProjectService(ServiceExtension[Project]):
    """A project that is given one of the rates has its amount."""

    rates: IDomain[Rate]

    def create(self, entity: Project, /) -> Project:
        """Take the amount of the rate that was given."""
        self._take_over(entity)
        return super().create(entity)

    def update(self, entity: Project, /) -> Project:
        """Take the amount of the rate, where it is another one now."""
        self._take_over(entity)
        return super().update(entity)

    def _take_over(self, project: Project) -> None:
        billing = ProjectBilling.on(project)
        if billing.agreed_id is not None:
            for rate in self.rates.get_many((billing.agreed_id,)).values():
                billing.rate = rate.amount


class BillingProjectPolicy(PolicyExtension[Project]):
    """Money is for those who may read rates.

    Args:
        scope: Who asks.
        permissions: What they may do.
    """

    MONEY = frozenset({"billing"})

    def __init__(self, scope: Scope, permissions: IPermissions) -> None:
        super().__init__(scope)
        self._sees_money = permissions.allows("billing.rate.read")

    def unreadable(self) -> frozenset[str]:
        """What billing adds, for everybody else."""
        return frozenset() if self._sees_money else self.MONEY

    def unwritable(self) -> frozenset[str]:
        """The same."""
        return self.unreadable()
