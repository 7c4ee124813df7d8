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
    Page,
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
    where,
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
    """Gives new projects the tenant's usual rate."""

    rates: IDomain[Rate]

    def create(self, entity: Project, /) -> Project:
        """Take the default rate where the project has none."""
        billing = ProjectBilling.on(entity)
        if billing.rate == 0:
            for rate in self.rates.list(Page(limit=1), where(is_default=True)).items:
                billing.rate, billing.agreed_id = rate.amount, rate.id
        return super().create(entity)


class BillingProjectPolicy(PolicyExtension[Project]):
    """Money is for those who may read rates.

    Args:
        scope: Who asks.
        permissions: What they may do.
    """

    MONEY = frozenset({"billing.rate", "billing.cap", "billing.billed"})

    def __init__(self, scope: Scope, permissions: IPermissions) -> None:
        super().__init__(scope)
        self._sees_money = permissions.allows("billing.rate.read")

    def unreadable(self) -> frozenset[str]:
        """What billing adds, for everybody else."""
        return frozenset() if self._sees_money else self.MONEY

    def unwritable(self) -> frozenset[str]:
        """The same."""
        return self.unreadable()
