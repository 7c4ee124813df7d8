"""What a verifier may look at beside its model; shared by all verifiers of one run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefiq.lowcode.model_spec import FieldSpec, ModelSpec

if TYPE_CHECKING:
    from prefiq.lowcode.catalog import Catalog

__all__ = ["Context", "all_fields"]


@dataclass(slots=True)
class Context:
    """The catalog under check, and what has been seen so far.

    Args:
        catalog: All models that could be read.
        open_world: Whether references to unlisted models are allowed.
        tables: Table → model that has it.
        paths: Path → model that has it.
        parents: Child class → the parent's field that holds it.
    """

    catalog: Catalog
    open_world: bool = False
    tables: dict[str, ModelSpec] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    parents: dict[type, str] = field(default_factory=dict)


def all_fields(spec: ModelSpec) -> Iterator[tuple[str, FieldSpec]]:
    """The model's fields and the parameters of its actions, with their names for messages."""
    for declared in spec.fields:
        yield declared.name, declared
    for action in spec.actions:
        for parameter in action.parameters:
            yield f"{action.name}({parameter.name})", parameter
