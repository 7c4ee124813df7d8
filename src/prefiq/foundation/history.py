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
from prefiq.lowcode import Catalog, ModelMeta, field, index

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
        hidden = frozenset(f.name for f in spec.fields if f.hidden)
        entries.append(
            HistoryEntry(
                model=event.name,
                entity_id=event.id,
                at=event.at,
                actor=event.actor,
                actor_name=scope.actor.name,
                action=event.action,
                entity_version=event.version,
                changes=_plain(event.changes, hidden),
                arguments=_plain(event.arguments, frozenset()),
            )
        )
    if len(entries) == 1:
        history.save(entries[0])
    elif entries:
        history.save_many(entries)


def _plain(values: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    return {
        name: HIDDEN if name in hidden else msgspec.to_builtins(value)
        for name, value in values.items()
    }
