"""``ServiceExtension`` and ``PolicyExtension``: what a module adds to another module's use cases and policy.

Both are listed in a provider's ``extensions``.  How they are put together is the business of
``application/extending.py``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from prefiq.contracts import All, Criteria, Scope
from prefiq.foundation.policy import Policy
from prefiq.foundation.services import Services

__all__ = ["PolicyExtension", "ServiceExtension", "both_policies"]

E = TypeVar("E")


class ServiceExtension(Services[E]):
    """A part of the service of another module's model; whoever is bound as its service goes on being it.

    The parts of several modules become one class, the last module's outermost: each method goes on with
    ``super()``, and one that does not is refused at boot.  There is no ``__init__``; an annotated attribute is
    injected, as in::

        class BillingProjectService(ServiceExtension[Project]):
            rates: IDomain[Rate]

            def create(self, entity: Project, /) -> Project:
                if ProjectBilling.on(entity).rate == 0:
                    ProjectBilling.on(entity).rate = self.rates.list().items[0].amount
                return super().create(entity)
    """


class PolicyExtension(Policy[E]):
    """Further limits on another module's rows and fields: a row is reached only if every policy lets it.

    It is written as a ``Policy`` is, and its constructor is injected like one's.
    """


class _Both(Policy[Any]):
    """Two policies as one: what either of them takes away is away."""

    def __init__(self, scope: Scope, first: Policy[Any], second: Policy[Any]) -> None:
        super().__init__(scope)
        self._first = first
        self._second = second

    def rows(self, verb: str) -> Criteria | None:
        first, second = self._first.rows(verb), self._second.rows(verb)
        if first is None or second is None:
            return second if first is None else first
        return All((first, second))

    def unreadable(self) -> frozenset[str]:
        return self._first.unreadable() | self._second.unreadable()

    def unwritable(self) -> frozenset[str]:
        return self._first.unwritable() | self._second.unwritable()


def both_policies(first: Policy[Any], second: Policy[Any]) -> Policy[Any]:
    """One policy that allows what both allow."""
    return _Both(second.scope, first, second)
