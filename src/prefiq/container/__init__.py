"""The container: typed bindings over dependency-injector, linked from annotations, validated at boot.

dependency-injector is known in this room alone.  Imports ``contracts`` and ``errors``; rooms above import it.
"""

from prefiq.container.binder import Binder
from prefiq.container.binding import Binding
from prefiq.container.container import Container, check, compose
from prefiq.container.generics import label
from prefiq.container.lazy import Lazy
from prefiq.container.parameters import parameters_of
from prefiq.container.replacement import replace
from prefiq.container.report import Entry, Need, Report

__all__ = [
    "Binder",
    "Binding",
    "Container",
    "Entry",
    "Lazy",
    "Need",
    "Report",
    "check",
    "compose",
    "label",
    "parameters_of",
    "replace",
]
