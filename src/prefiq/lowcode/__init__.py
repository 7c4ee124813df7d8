"""Declarations: from a class to a frozen ``ModelSpec``; the low-code part.

Imports ``contracts`` and ``errors``.  Everything above reads ``ModelSpec``; nobody re-reads a class.
"""

from prefiq.lowcode.action import Action, action, transition
from prefiq.lowcode.catalog import Catalog
from prefiq.lowcode.errors import DeclarationError, Violation
from prefiq.lowcode.extension_meta import ExtensionMeta, Tuning, tune
from prefiq.lowcode.field import FieldDecl, children, field, now, ref
from prefiq.lowcode.model_meta import ModelMeta, index, unique, validator
from prefiq.lowcode.model_spec import (
    ActionSpec,
    ChildSpec,
    ExtensionSpec,
    FieldSpec,
    IndexSpec,
    Kind,
    ModelSpec,
    RefSpec,
    StatusSpec,
    ValidatorSpec,
)
from prefiq.lowcode.status import Status
from prefiq.lowcode.uuid7 import uuid7
from prefiq.lowcode.validation import Validator

__all__ = [
    "Action",
    "ActionSpec",
    "Catalog",
    "ChildSpec",
    "DeclarationError",
    "ExtensionMeta",
    "ExtensionSpec",
    "FieldDecl",
    "FieldSpec",
    "IndexSpec",
    "Kind",
    "ModelMeta",
    "ModelSpec",
    "RefSpec",
    "Status",
    "StatusSpec",
    "Tuning",
    "Validator",
    "ValidatorSpec",
    "Violation",
    "action",
    "children",
    "field",
    "index",
    "now",
    "ref",
    "transition",
    "tune",
    "unique",
    "uuid7",
    "validator",
]
