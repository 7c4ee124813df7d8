"""What the commands behind ``prefiq tenants`` have in common: options, the data of a tenant, what would be."""

from __future__ import annotations

import copy
import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prefiq.cli.errors import SingleTenant
from prefiq.cli.session import Session

if TYPE_CHECKING:
    from prefiq.application import Application
    from prefiq.foundation import Tenant

__all__ = ["Day", "change", "dry_run", "many_tenants", "recorded", "tenant_data"]

F = TypeVar("F", bound=Callable[..., Any])

dry_run = click.option("--dry-run", is_flag=True, help="Say what would happen; change nothing.")


def recorded(command: F) -> F:
    """The options of a command that writes into a tenant's life."""
    reason = click.option("--reason", default="", help="Why; stands beside it.")
    operator = click.option(
        "--operator",
        default=_user,
        show_default="who runs the command",
        help="Who wants it; stands in the tenant's life.",
    )
    return operator(reason(command))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without an entry for its user
        return "unknown"


class Day(click.ParamType[datetime]):
    """A day as ``2036-01-31``: its beginning, in UTC."""

    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """See click."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            self.fail("a day is written as 2036-01-31", param, ctx)


def many_tenants(session: Session) -> None:
    """Go on only where there is a directory of tenants.

    Raises:
        SingleTenant: The installation has one tenant.
    """
    settings = session.settings()
    if settings.tenancy == "single":
        raise SingleTenant(settings.tenant)


def tenant_data(tenant: Tenant) -> dict[str, Any]:
    """A tenant as ``--json`` prints it."""
    return {
        "key": tenant.key,
        "name": tenant.name,
        "state": tenant.state.value,
        "state_since": tenant.state_since,
        "mode": tenant.mode.value,
        "database": tenant.database,
        "hint": tenant.hint,
        "epoch": tenant.epoch,
        "hold": tenant.hold,
        "retain_until": tenant.retain_until,
        "delete_after": tenant.delete_after,
        "created_at": tenant.created_at,
    }


def change(
    session: Session,
    key: str,
    action: str,
    transition: Any,
    said: str,
    *,
    dry_run: bool,
    operator: str,
    reason: str,
) -> None:
    """Lead a tenant to another state, and say so once it is in effect everywhere.

    Args:
        session: Of the command.
        key: The tenant's.
        action: Name of the service's method.
        transition: What the method runs, for what would be.
        said: What the tenant is afterwards, for people.
        dry_run: Whether nothing is changed.
        operator: Who wants it.
        reason: Why.
    """
    many_tenants(session)

    def work(app: Application) -> Tenant:
        if not dry_run:
            done: Tenant = getattr(app.tenants, action)(key, operator=operator, reason=reason)
            return done
        tenant = copy.copy(app.tenants.get(key))
        transition.apply(tenant)
        return tenant

    tenant = session.run(work)
    end = "would be" if dry_run else "is"
    session.answer(
        {**tenant_data(tenant), "dry_run": dry_run},
        lambda: click.echo(f"{key} {end} {said}" + ("" if dry_run else ", in effect everywhere")),
    )
