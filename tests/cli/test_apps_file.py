"""Editing the list of apps: nothing but the list changes."""

from __future__ import annotations

import os
import string
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefiq.cli.apps_file import read, with_app, without_app, write
from prefiq.cli.errors import CannotEdit

CASES = [
    ("", 'apps = ["new"]\n'),
    ("# mine\n", '# mine\napps = ["new"]\n'),
    ('[replace]\n"a.B" = "c:D"\n', 'apps = ["new"]\n\n[replace]\n"a.B" = "c:D"\n'),
    ("apps = []\n", 'apps = ["new"]\n'),
    ('apps = ["a"]\n', 'apps = ["a", "new"]\n'),
    ('apps = ["a",] # b\n', 'apps = ["a", "new",] # b\n'),
    ("apps = [ # none yet\n]\n", 'apps = [ # none yet\n    "new",\n]\n'),
    (
        'apps = [\n  "a", # [one]\n  "b" # two\n]\ndisable = []\n',
        'apps = [\n  "a", # [one]\n  "b", # two\n  "new",\n]\ndisable = []\n',
    ),
    (
        'apps = [\n\t"a",\n\t{path = "q.r:S", name = "z"},   # last\n\n\t# tail\n]\n',
        'apps = [\n\t"a",\n\t{path = "q.r:S", name = "z"},   # last\n\t"new",\n\n\t# tail\n]\n',
    ),
    (
        'x = """\napps = ["no"]\n"""\ny = [ # apps = [\n "]" ]\n"apps" = [ \'a\' , ]\n[settings.a]\napps = ["no"]\n',
        (
            'x = """\napps = ["no"]\n"""\ny = [ # apps = [\n "]" ]\n"apps" = [ \'a\' , "new", ]\n'
            '[settings.a]\napps = ["no"]\n'
        ),
    ),
    ('apps = ["a"]\r\n[x]\r\n', 'apps = ["a", "new"]\r\n[x]\r\n'),
]


@pytest.mark.parametrize(("before", "after"), CASES)
def test_adding(before: str, after: str) -> None:
    """At the end of the list, in its own style; comments, other keys and ends of line stay."""
    assert with_app(before, "new") == after


@pytest.mark.parametrize(
    ("before", "place", "after"),
    [
        ('apps = ["a"]\n', 0, "apps = []\n"),
        ('apps = ["a", "b", "c"] # x\n', 0, 'apps = ["b", "c"] # x\n'),
        ('apps = ["a", "b", "c"] # x\n', 1, 'apps = ["a", "c"] # x\n'),
        ('apps = ["a", "b", "c"] # x\n', 2, 'apps = ["a", "b"] # x\n'),
        ('apps = [\n  "a", # one\n  "b",\n]\n', 0, 'apps = [\n  "b",\n]\n'),
        ('apps = [\n  "a", # one\n  "b" # two\n]\n', 1, 'apps = [\n  "a" # one\n]\n'),
        (
            'apps = [\n  # first\n  "a",\n  {path = "q.r:S", name = "z"}, # ]\n  # tail\n]\n',
            1,
            'apps = [\n  # first\n  "a",\n  # tail\n]\n',
        ),
    ],
)
def test_removing(before: str, place: int, after: str) -> None:
    """The entry with its comma; its line goes where nothing else stands on it."""
    assert without_app(before, place) == after


names = st.text(string.ascii_lowercase, min_size=1, max_size=6)
blanks = st.sampled_from(["", " ", "\n  ", '  # note, "x" ]\n', "\n\n"])


@st.composite
def files(draw: st.DrawFn) -> tuple[str, list[str]]:
    apps = draw(st.lists(names, max_size=4, unique=True))
    quote = draw(st.sampled_from(['"', "'"]))
    parts = [f"{draw(blanks)}{quote}{app}{quote}{draw(blanks)}" for app in apps]
    comma = draw(st.sampled_from(["", ","])) if apps else ""
    head = draw(
        st.sampled_from(["", "# apps = [\n", 'disable = ["a.b", # ]\n]\n', "s = '''\napps = [\n'''\n"])
    )
    tail = draw(st.sampled_from(["", "\n", "\n[settings.a]\nx = [1]\n", "\nroles = {a = []}\n"]))
    text = f"{head}apps = [{','.join(parts)}{comma}{draw(blanks)}]{tail}"
    return text, apps


@given(files(), names)
def test_any_layout(file: tuple[str, list[str]], name: str) -> None:
    """Whatever the list looks like: it holds what it should, everything else is as before, every comment stays."""
    text, apps = file
    before = tomllib.loads(text)
    more = with_app(text, name + "_")
    assert tomllib.loads(more) == {**before, "apps": [*apps, name + "_"]}
    assert more.count("#") == text.count("#")
    for place in range(len(apps)):
        fewer = without_app(text, place)
        assert tomllib.loads(fewer) == {**before, "apps": [*apps[:place], *apps[place + 1 :]]}


@pytest.mark.parametrize("text", ["apps = 3\n", "apps = [\n", "apps.x = 1\n"])
def test_what_is_no_list_is_left_alone(text: str) -> None:
    """It is said, and nothing is guessed."""
    with pytest.raises(CannotEdit):
        with_app(text, "new")
    with pytest.raises(CannotEdit):
        without_app('apps = ["a"]\n', 1)


def test_the_file_is_exchanged_as_a_whole(tmp_path: Path) -> None:
    """With its rights; where it cannot be written, the old one and nothing else is there."""
    path = tmp_path / "prefiq.toml"
    path.write_bytes(b"# old\r\n")
    path.chmod(0o640)
    assert read(path) == "# old\r\n"
    write(path, "# new\r\n")
    assert path.read_bytes() == b"# new\r\n"
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(UnicodeEncodeError):
        write(path, "\udc80")
    assert path.read_bytes() == b"# new\r\n"
    assert os.listdir(tmp_path) == ["prefiq.toml"]  # noqa: PTH208
    assert read(tmp_path / "absent") == ""
