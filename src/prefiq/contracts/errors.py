"""What a use case may answer instead of a result; the vocabulary of services, HTTP and CLI alike.

Values given by a caller are never part of a text: they may be secret, and logs keep texts.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from prefiq.errors import PrefiqError

__all__ = [
    "ConcurrencyError",
    "FieldError",
    "Forbidden",
    "ForeignKeyViolation",
    "IllegalTransition",
    "NoScope",
    "NotFound",
    "Refused",
    "ScopeClosed",
    "TenantNotBound",
    "TenantReadOnly",
    "UniqueViolation",
    "UnknownTenant",
    "ValidationFailed",
]

FRAGMENT = "!$&'()*+,;=:@"
"""What may stand in a URI fragment as it is, beside letters and digits (RFC 3986, section 3.5)."""


class NoScope(PrefiqError):
    """Code that needs a tenant ran outside any scope."""

    code: ClassVar[str] = "PFQ501"
    what = "No scope is open"
    fix = 'run inside "with app.scope(tenant=…):"'


class ScopeClosed(PrefiqError):
    """An object was asked of a scope that has ended."""

    code: ClassVar[str] = "PFQ502"
    what = "The scope has ended"
    fix = "open a new scope for work that outlives a request"

    def __init__(self, contract: object = None) -> None:
        if contract is not None:
            name = contract.__name__ if isinstance(contract, type) else str(contract)
            self.where = f"resolving {name}"


class TenantNotBound(PrefiqError):
    """A statement on a tenant's table was about to run without a tenant; nothing was sent."""

    code: ClassVar[str] = "PFQ503"
    what = "No tenant is bound"
    fix = 'open the scope with a tenant: "app.scope(tenant=…)"'

    def __init__(self, table: str = "") -> None:
        self.table = table
        self.where = f"table {table}" if table else ""


class NotFound(PrefiqError):
    """The row does not exist, belongs to another tenant, or is hidden: one answer for the three."""

    code: ClassVar[str] = "PFQ510"
    status: ClassVar[int] = 404

    def __init__(self, model: str, key: object = None) -> None:
        self.model = model
        self.key = key
        self.what = f"There is no such {model}"
        self.where = f"{model} {key}" if key is not None else model


class Forbidden(PrefiqError):
    """The actor lacks a permission.

    Args:
        permission: The one that is needed, for example ``"projects.project.close"``.
    """

    code: ClassVar[str] = "PFQ511"
    status: ClassVar[int] = 403
    exit_code: ClassVar[int] = 4
    what = "You may not do this"

    def __init__(self, permission: str) -> None:
        self.permission = permission
        self.where = f"permission {permission}"
        self.fix = f"ask for a role that grants {permission}"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault in one field.

    Args:
        field: Dotted path, for example ``"budget"`` or ``"checklist.2.title"``; empty for the whole entity.
        code: Stable word, for example ``"required"``, ``"max_length"``.
        message: One sentence for people, without the value.
        params: What a translation of the message needs, for example ``{"limit": 32}``.
    """

    field: str
    code: str
    message: str
    params: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def pointer(self) -> str:
        """The field as a JSON Pointer fragment (RFC 6901, section 6)."""
        parts = self.field.split(".") if self.field else []
        return "#" + "".join("/" + quote(p.replace("~", "~0").replace("/", "~1"), FRAGMENT) for p in parts)


class ValidationFailed(PrefiqError):
    """The values do not meet the declaration; all faults at once.

    Args:
        model: Qualified name, for example ``"projects.Project"``.
        errors: Every fault found, at least one.
    """

    code: ClassVar[str] = "PFQ512"
    status: ClassVar[int] = 422

    def __init__(self, model: str, errors: tuple[FieldError, ...]) -> None:
        self.model = model
        self.errors = errors
        self.where = model
        self.what = "; ".join(f"{e.field or model}: {e.message}" for e in errors)


class Refused(PrefiqError):
    """A domain rule says no.

    Args:
        field: The field or parameter that the rule speaks of; empty for the whole.
        message: One sentence for people.
        reason: Stable word for programs.
    """

    code: ClassVar[str] = "PFQ513"
    status: ClassVar[int] = 409

    def __init__(self, field: str, message: str, *, reason: str = "refused") -> None:
        self.field = field
        self.message = message
        self.reason = reason
        self.what = message
        self.where = field


class IllegalTransition(PrefiqError):
    """The action is not possible in the entity's present state, or a status was assigned directly.

    Args:
        model: Qualified name of the model.
        action: The action tried; empty where the status was assigned directly.
        state: The present state.
        allowed: Actions that are possible in this state.
    """

    code: ClassVar[str] = "PFQ514"
    status: ClassVar[int] = 409

    def __init__(self, model: str, action: str, state: str, allowed: tuple[str, ...]) -> None:
        self.model = model
        self.action = action
        self.state = state
        self.allowed = allowed
        can = ", ".join(allowed) or "no action"
        if action:
            self.what = f"{action} is not possible while the state is {state}"
        else:
            self.what = f"The state {state} can only be left by an action"
        self.where = f"{model}.{action}" if action else model
        self.fix = f"possible now: {can}"


class ConcurrencyError(PrefiqError):
    """Somebody else changed or deleted the row since it was read; nothing was written."""

    code: ClassVar[str] = "PFQ515"
    status: ClassVar[int] = 412

    def __init__(self, model: str, key: object) -> None:
        self.model = model
        self.key = key
        self.what = f"This {model} was changed by somebody else since it was read"
        self.where = f"{model} {key}"
        self.fix = "read it again and repeat the change"


class UniqueViolation(PrefiqError):
    """Another row of the tenant has a value that must be unique.

    Args:
        model: Qualified name.
        fields: The fields that must be unique together; empty where the engine did not say.
    """

    code: ClassVar[str] = "PFQ516"
    status: ClassVar[int] = 409

    def __init__(self, model: str, fields: tuple[str, ...]) -> None:
        self.model = model
        self.fields = fields
        names = ", ".join(fields) or "a value"
        self.what = f"{names} is taken: another {model} has the same"
        self.where = model
        self.fix = "choose another value"


class ForeignKeyViolation(PrefiqError):
    """A reference leads to no row of the tenant, or other rows still refer to the one to be deleted.

    Args:
        model: Qualified name of the model that was written.
        fields: The reference's field; empty where the engine did not say.
        deleting: Whether the row was to be deleted.
    """

    code: ClassVar[str] = "PFQ517"
    status: ClassVar[int] = 409

    def __init__(self, model: str, fields: tuple[str, ...] = (), *, deleting: bool = False) -> None:
        self.model = model
        self.fields = fields
        self.deleting = deleting
        self.where = ".".join((model, *fields))
        if deleting:
            self.what = f"Other rows still refer to this {model}"
            self.fix = "delete or change those first"
        else:
            self.what = "The reference leads to no existing row"
            self.fix = "give the id of a row that exists"


class TenantReadOnly(PrefiqError):
    """The tenant is read-only now: what it has is shown, and nothing of it can be changed.

    ``prefiq tenants resume`` ends that; ``prefiq tenants show`` says who made it so, and why.

    Args:
        tenant: Its key.
    """

    code: ClassVar[str] = "PFQ505"
    status: ClassVar[int] = 403
    exit_code: ClassVar[int] = 4
    what = "This tenant is read-only now"
    fix = "wait until it may be changed again; `prefiq tenants resume` ends it"

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.where = f"tenant {tenant}"


class UnknownTenant(PrefiqError):
    """The tenant does not exist or is not served now; one answer for both.

    Args:
        tenant: The key that was asked for.
    """

    code: ClassVar[str] = "PFQ504"
    status: ClassVar[int] = 403
    what = "This tenant is not served here"
    fix = "look at `prefiq tenants list`; `prefiq tenants create` makes one"

    def __init__(self, tenant: str = "") -> None:
        self.tenant = tenant
        self.where = f"tenant {tenant}" if tenant else ""
