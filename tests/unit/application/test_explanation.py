"""``app.explain``: how it comes that a contract is answered as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from prefiq import Application, Binder, ProviderBase, Settings
from prefiq.application.explanation import Event, Explanation, explain, lines
from prefiq.container.errors import MissingBinding


class IMailer(Protocol):
    def send(self) -> str: ...


class IReport(Protocol):
    def rows(self) -> int: ...


class Smtp:
    def send(self) -> str:
        return "smtp"


class Printer:
    def send(self) -> str:
        return "printer"


class Fast:
    def send(self) -> str:
        return "fast"


class Frozen:
    def send(self) -> str:
        return "frozen"


class Counted:
    def __init__(self, inner: IMailer, limit: int) -> None:
        self.inner = inner

    def send(self) -> str:
        return "counted " + self.inner.send()


class Weekly:
    def __init__(self, mailer: IMailer, further: list[IReport]) -> None: ...

    def rows(self) -> int:
        return 1


class Sales:
    def rows(self) -> int:
        return 2


class Desk:
    def __init__(self, weekly: Weekly) -> None: ...


class Hidden:
    pass


class MailProvider(ProviderBase):
    name = "mail"

    def bind(self, to: Binder) -> None:
        to.default(IMailer, Printer)
        to.bind(Hidden, private=True)
        to.add(IReport, Sales)


class CrmProvider(ProviderBase):
    name = "crm"

    def bind(self, to: Binder) -> None:
        chosen = to.when(condition=True, reason="MAIL=smtp")
        chosen.app(IMailer, Smtp)
        to.when(condition=False, reason="MAIL=fast").bind(IMailer, Fast)
        to.decorate(IMailer, Counted, args={"limit": 3})
        to.bind(Weekly)
        to.bind(Desk)


@pytest.fixture
def app(tmp_path: Path) -> Application:
    (tmp_path / "prefiq.toml").write_text(f'[replace]\n"crm.IMailer" = "{__name__}:Fast"\n')
    return Application.prepare(Settings.for_test(tmp_path), modules=[MailProvider, CrmProvider])


def line(text: str) -> str:
    """``file:line`` of the line of this file that has a text."""
    rows = Path(__file__).read_text(encoding="utf-8").splitlines()
    return f"{__file__}:{next(n for n, row in enumerate(rows, 1) if text in row)}"


def test_the_whole_history_of_a_contract(app: Application) -> None:
    """Who bound it and why, which setting replaced it, who decorated it; each with what there would be without."""
    found = app.explain(IMailer)
    assert found.contract == "IMailer"
    assert found.implementation == "Counted"
    assert found.lifetime == "app"
    assert found.history == (
        Event(
            "bound",
            "crm",
            "Smtp",
            line("chosen.app(IMailer"),
            "app",
            "MAIL=smtp",
            "Printer, the default of mail",
        ),
        Event("replaced", "", "Fast", 'prefiq.toml [replace] "crm.IMailer"', "app", "", "Smtp"),
        Event("decorated", "crm", "Counted", line("to.decorate"), "scope", "", "Fast"),
    )
    assert [(event.implementation, event.reason) for event in found.unused] == [
        ("Fast", "the condition does not hold: MAIL=fast"),
        ("Printer", 'module crm binds it (prefiq.toml [replace] "crm.IMailer")'),
    ]
    assert [(one.parameter, one.contract, one.implementation) for one in found.arguments] == [
        ("inner", ("IMailer",), ("Fast",)),
        ("limit", (), ()),
    ]
    assert found.dependants == ("crm.Weekly (Weekly)",)
    assert found.further == 1


def test_a_fork_is_part_of_the_history(app: Application) -> None:
    """What it replaced stays known, and the first application's history does not change."""
    fork = app.fork({IMailer: Frozen()})
    (_, _, last, outer) = fork.explain(IMailer).history
    assert (last.deed, last.implementation, last.without) == ("replaced", "Frozen", "Fast")
    assert last.source.startswith(__file__)
    assert outer.without == "Frozen"
    assert len(app.explain(IMailer).history) == 3


@pytest.mark.parametrize(
    "name", ["IMailer", "crm.IMailer", "mail.Hidden", "Hidden", "IReport", "mail.IReport"]
)
def test_a_contract_by_its_name(app: Application, name: str) -> None:
    """As ``[replace]`` writes it, or the name alone; private ones and collections too."""
    assert app.explain(name).contract == name.rpartition(".")[2]


def test_private_and_collected(app: Application) -> None:
    """A private one says whose it is; a collection lists what was added, with who takes it."""
    assert app.explain(Hidden).private == "mail"
    found = app.explain(IReport)
    assert [(event.deed, event.module, event.implementation) for event in found.history] == [
        ("added", "mail", "Sales")
    ]
    assert found.dependants == ("crm.Weekly (Weekly)",)


def test_an_unknown_contract_names_the_nearest(app: Application) -> None:
    """By type and by name."""
    with pytest.raises(MissingBinding) as caught:
        app.explain("crm.IMailr")
    assert caught.value.nearest == "crm.IMailer"
    with pytest.raises(MissingBinding):
        app.explain(Frozen)


def test_the_text_holds_it_all(app: Application) -> None:
    """One line for each thing."""
    text = "\n".join(lines(app.explain(IMailer)))
    assert text.splitlines()[0] == "IMailer is answered by Counted (one per application)"
    for part in (
        "bound by crm: Smtp",
        "because MAIL=smtp",
        "without it: Printer, the default of mail",
        'replaced: Fast (prefiq.toml [replace] "crm.IMailer")',
        "not used, of mail: Printer",
        "limit = a value",
        "used by crm.Weekly (Weekly)",
        "and by 1 more through these",
    ):
        assert part in text
    assert "private to the module mail" in "\n".join(lines(explain(app.container.graph, Hidden)))
    assert isinstance(app.explain(IMailer), Explanation)
