"""``Message``: what the module tells people, written by a subscriber."""

from __future__ import annotations

from datetime import datetime

from prefiq import Entity, ModelMeta, field, now


class Message(Entity):
    """A note to the people who follow a project."""

    subject: str = field(max_length=200, read_only=True)
    body: str = field(text=True, default="", read_only=True)
    sent_at: datetime = field(default=now, read_only=True, index=True)

    meta = ModelMeta(label="subject", order_by="-sent_at", audit=False)
