"""What projects cost: rates, and what billing adds to ``prefiq_projects.Project``."""

from prefiq_billing.extension import ProjectBilling
from prefiq_billing.rate import Rate

__all__ = ["ProjectBilling", "Rate"]
