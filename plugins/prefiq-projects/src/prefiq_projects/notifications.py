"""Subscribers: what happens elsewhere when a project changes."""

from __future__ import annotations

from prefiq import EntityChanged, IDomain, subscribe
from prefiq_projects.message import Message
from prefiq_projects.project import Project


@subscribe(EntityChanged, model=Project, action="close")
def tell_that_it_closed(event: EntityChanged, messages: IDomain[Message]) -> None:
    """Write a message in the transaction that closes the project."""
    project: Project = event.entity
    messages.save(
        Message(
            subject=f"{project.code} is closed",
            body=f"{event.actor} closed {project.name}: {event.arguments['reason']}",
            sent_at=event.at,
        )
    )
