"""The store of every lookup table does what each store must: the contract suite, once for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from prefiq import IClock, IDomain, ITransactions, ProviderBase, Scope
from prefiq.application import Application
from prefiq.lowcode import ModelMeta, ModelSpec
from prefiq.testing import DomainContract, FrozenClock, make_application
from prefiq.testing.samples import sample
from prefiq_masters import LOOKUPS, Lookup, Month, Pincode, Priority, Tax, Transport

EVERY_RUN = {Month, Pincode, Tax}
"""Dates, three references in a row, decimals; the other 28 run with --full."""

CODES: dict[type[Lookup], Callable[[int], dict[str, str]]] = {
    Pincode: lambda number: {"code": str(600001 + number)},
    Priority: lambda number: {"colour": f"#{number:06x}"},
    Transport: lambda number: {"gstin": f"33ABCDE{number:04}F1Z5"},
}
"""Values of a form that the test kit does not guess."""


def needs(model: type[Lookup]) -> tuple[type[Lookup], ...]:
    """The model behind those that it refers to."""
    spec = ModelMeta.of(model, module="masters")
    referred = [f.ref.target for f in spec.fields if f.ref is not None]
    return (*(need for other in referred for need in needs(other)), model)


class LookupContract(DomainContract):
    """An application of the tables that the model needs; all 31 would be made for each test."""

    model: type[Lookup]

    @pytest.fixture
    def app(self, tmp_path: Path, clock: FrozenClock) -> Iterator[Application]:
        provider = type("MastersProvider", (ProviderBase,), {"models": needs(self.model)})
        app = make_application(tmp_path, modules=[provider])
        with app.fork({IClock: clock}) as fork:
            yield fork
        app.close()

    @pytest.fixture
    def repo(self, scope: Scope) -> IDomain[Any]:
        return scope[IDomain[self.model]]

    @pytest.fixture
    def other_repo(self, other_scope: Scope) -> IDomain[Any]:
        return other_scope[IDomain[self.model]]

    @pytest.fixture
    def transactions(self, scope: Scope) -> ITransactions:
        return scope[ITransactions]

    @pytest.fixture
    def given(self, scope: Scope) -> Mapping[str, Any]:
        given: dict[str, Any] = {}
        for model in needs(self.model)[:-1]:
            spec = ModelMeta.of(model, module="masters")
            row = scope[IDomain[model]].save(sample(spec, 0, given))
            given = {f"{spec.table.removeprefix('masters_')}_id": row.id}
        return given

    @pytest.fixture
    def make(self, spec: ModelSpec, given: Mapping[str, Any]) -> Callable[[int], Any]:
        codes = CODES.get(self.model, lambda _: {})
        return lambda number: sample(spec, number, {**given, **codes(number)})


for _model in LOOKUPS:
    _test = type(f"Test{_model.__name__}", (LookupContract,), {"model": _model, "__doc__": _model.__doc__})
    globals()[_test.__name__] = _test if _model in EVERY_RUN else pytest.mark.full(_test)
