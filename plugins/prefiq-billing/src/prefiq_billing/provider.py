"""``BillingProvider``: makes the module importable under an app that is listed."""

from __future__ import annotations

from prefiq import ProviderBase
from prefiq_billing.extension import BillingProjectPolicy, BillingProjectService, ProjectBilling
from prefiq_billing.hooks import refuse_unbilled, refuse_without_rate, take_usual_rate
from prefiq_billing.rate import Rate


class BillingProvider(ProviderBase):
    """Rates, and what projects cost."""

    models = (Rate,)
    extensions = (ProjectBilling, BillingProjectService, BillingProjectPolicy)
    hooks = (take_usual_rate, refuse_unbilled, refuse_without_rate)
