"""``Status``: the states of a model's life cycle."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Status"]


class Status(StrEnum):
    """Base of a model's states; a typo in a state is a type error.

    A field of such a type is the model's status: it starts at its default and is changed by
    transitions only, never by assignment.
    """
