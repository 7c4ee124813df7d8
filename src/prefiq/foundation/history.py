"""The activity history: one row for every change of every audited model, in the change's own transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from prefiq.contracts import IDomain, Scope
from prefiq.foundation.entity import Entity
from prefiq.foundation.events import EntityChanged, subscribe
from prefiq.lowcode import Catalog, ChildSpec, FieldSpec, ModelMeta, field, index

__all__ = ["HistoryEntry", "record_history"]

HIDDEN = "hidden"


class HistoryEntry(Entity):
    """Who did what to which entity, and what changed."""

    model: str = field(max_length=120)
    entity_id: UUID
    at: datetime
    actor: str = field(max_length=255)
    actor_name: str = field(default="", max_length=255)
    action: str = field(max_length=64)
    entity_version: int
    changes: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)

    meta = ModelMeta(
        title="History entry",
        plural="history",
        order_by="id",
        indexes=(index("model", "entity_id"),),
        remote=False,
        audit=False,
    )


@subscribe(EntityChanged, batch=True)
def record_history(
    events: Sequence[EntityChanged], history: IDomain[HistoryEntry], catalog: Catalog, scope: Scope
) -> None:
    """Store what happened, in the same transaction."""
    entries: list[HistoryEntry] = []
    for event in events:
        spec = catalog[event.model]
        if not spec.audit or not event.tenant:
            continue
        taken = next((a.parameters for a in spec.actions if a.name == event.action), ())
        entries.append(
            HistoryEntry(
                model=event.name,
                entity_id=event.id,
                at=event.at,
                actor=event.actor,
                actor_name=scope.actor.name,
                action=event.action,
                entity_version=event.version,
                changes=_plain(event.changes, spec.all_fields, spec.children),
                arguments=_plain(event.arguments, taken),
            )
        )
    if len(entries) == 1:
        history.save(entries[0])
    elif entries:
        history.save_many(entries)


def _plain(
    values: Mapping[str, Any], fields: Sequence[FieldSpec], children: Sequence[ChildSpec] = ()
) -> dict[str, Any]:
    """The values as JSON, without those of hidden fields, in rows of children too."""
    hidden = {f.name for f in fields if f.hidden}
    plain = {name: HIDDEN if name in hidden else msgspec.to_builtins(value) for name, value in values.items()}
    for child in children:
        secret = {f.name for f in child.model.fields if f.hidden}
        before_and_after: Any = plain.get(child.name, ())
        for row in (row for rows in before_and_after for row in rows or ()):
            row.update(dict.fromkeys(secret, HIDDEN))
    return plain
