"""A module of one file with one model, written from the shorthand of its fields."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from prefiq.lowcode import Catalog
from prefiq.scaffold.errors import ModuleNameTaken
from prefiq.scaffold.shorthand import ShortField

__all__ = ["check_model", "class_name", "model_source", "module_name"]

_SIMPLE = {"text": "str", "decimal": "Decimal", "uuid": "UUID", "json": "dict[str, Any]", "ref": "UUID"}
_FROM = {
    "date": "datetime",
    "datetime": "datetime",
    "Decimal": "decimal",
    "UUID": "uuid",
    "StrEnum": "enum",
    "Any": "typing",
}


def module_name(word: str, taken: Collection[str], folder: Path) -> str:
    """The name of the module that a word of the command line means.

    Args:
        word: ``invoice``, ``purchase-order`` or ``PurchaseOrder``.
        taken: The modules that are listed.
        folder: The application's; a file of this name that stands there is no hindrance.

    Raises:
        ModuleNameTaken: It cannot be one.
    """
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).replace("-", "_").lower()
    if not re.fullmatch(r"(?=.{1,40}\Z)[a-z][a-z0-9]*(?:_[a-z0-9]+)*", name, re.ASCII) or keyword.iskeyword(
        name
    ):
        raise ModuleNameTaken(word, "it has to be letters and digits of ASCII, with single _ between words")
    own = (folder / f"{name}.py").exists()  # made before: whether it is the same is told by the plan of files
    if name in taken and not own:
        raise ModuleNameTaken(name, "a listed module has it")
    # The application's folder comes first where Python looks: the file would hide the package from everybody.
    if name in sys.stdlib_module_names or name in {"tests", "conftest", "prefiq"} or not (own or _free(name)):
        raise ModuleNameTaken(name, "a package of Python has it")
    return name


def class_name(module: str) -> str:
    """``purchase_order`` → ``PurchaseOrder``."""
    return "".join(part.capitalize() for part in module.split("_"))


def model_source(module: str, fields: Sequence[ShortField]) -> str:
    """The module's file: a model and its provider.

    Args:
        module: Its name.
        fields: At least one.

    Raises:
        ModuleNameTaken: Its class, or that of an enum, has the name of another in the file.
    """
    model = class_name(module)
    title = module.replace("_", " ")
    used: set[str] = (
        {"Entity", "ProviderBase", "field"} if _uses_field(fields) else {"Entity", "ProviderBase"}
    )
    others: set[str] = set()
    enums: list[str] = []
    lines: list[str] = []
    transitions: list[str] = []
    for one in fields:
        lines.append(f"    {_line(one, model, used, others)}")
        if one.kind in {"enum", "status"}:
            enums.append(_enum(one, model))
        if one.kind == "status":
            transitions = [
                f"    mark_{after} = transition({_enum_name(one, model)}.{before.upper()}, "
                f"to={_enum_name(one, model)}.{after.upper()})"
                for before, after in zip(one.arguments, one.arguments[1:], strict=False)
            ]
            used |= {"Status", "transition"}
    names = [*used, *others, *(_enum_name(one, model) for one in fields if one.kind in {"enum", "status"})]
    names += [model, f"{model}Provider", "ModelMeta"]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise ModuleNameTaken(module, f"the name {twice} would stand in its file twice")
    label = next((one.name for one in fields if one.unique and one.kind == "str"), "")
    meta = []
    if label:
        used.add("ModelMeta")
        meta = ["", f'    meta = ModelMeta(label="{label}", order_by="{label}")']
    body = [*lines, *([""] if transitions else []), *transitions, *meta]
    head = [
        f'"""{_sentence(title)}: one model, everything else is derived."""',
        "",
        "from __future__ import annotations",
        "",
    ]
    plain = sorted(
        {f"from {_FROM[name]} import {', '.join(sorted(_together(name, others)))}" for name in others}
    )
    head += [
        *plain,
        *([""] if plain else []),
        f"from prefiq import {', '.join(sorted(used, key=_order))}",
        "",
    ]
    classes = [
        *enums,
        f'class {model}(Entity):\n    """One {title}."""\n\n' + "\n".join(body),
        f'class {model}Provider(ProviderBase):\n    """Brings {title} into an application."""\n\n    models = ({model},)',
    ]
    return "\n".join(head) + "\n\n" + "\n\n\n".join(classes) + "\n"


def check_model(source: str, module: str, others: Mapping[str, Sequence[type]]) -> str:
    """Check the model with those that are there, before its file exists.

    Args:
        source: From ``model_source``.
        module: Its name.
        others: The models of the other modules.

    Returns:
        Path of its API.

    Raises:
        prefiq.errors.Faults: Everything that is wrong, for example a reference to a model that is not there.
    """
    made = ModuleType(module)
    before = sys.modules.get(module)
    sys.modules[module] = made  # annotations are looked up there
    try:
        exec(compile(source, f"{module}.py", "exec"), made.__dict__)  # noqa: S102  every part of it was checked
        catalog = Catalog.build({**others, module: [getattr(made, class_name(module))]})
        return catalog[f"{module}.{class_name(module)}"].path
    finally:
        del sys.modules[module]
        if before is not None:
            sys.modules[module] = before


def _line(one: ShortField, model: str, used: set[str], others: set[str]) -> str:
    if one.kind in {"enum", "status"}:
        annotation = _enum_name(one, model)
        others |= {"StrEnum"} if one.kind == "enum" else set()
    else:
        annotation = _SIMPLE.get(one.kind, one.kind)
    others |= {annotation} & _FROM.keys() | ({"Any"} if one.kind == "json" else set())
    options: list[str] = []
    if one.kind == "ref":
        target = one.arguments[0]
        used.add("ref")
        options.append(f'"{target}"')
    if one.nullable:
        options.append("default=None")
    elif one.default:
        enum = f"{annotation}." if one.kind in {"enum", "status"} else ""
        options.append(f"default={enum}{one.default}")
        used |= {"now"} if one.default == "now" else set()
    if one.kind == "str":
        options.append(f"max_length={one.arguments[0] if one.arguments else 255}")
    if one.kind == "text":
        options.append("text=True")
    if one.kind == "decimal":
        options += [f"precision={one.arguments[0]}", f"scale={one.arguments[1]}"]
    if one.unique:
        options.append("unique=True")
    called = "ref" if one.kind == "ref" else "field"
    return f"{one.name}: {annotation}{' | None' if one.nullable else ''} = {called}({', '.join(options)})"


def _enum(one: ShortField, model: str) -> str:
    base = "Status" if one.kind == "status" else "StrEnum"
    says = f"The values of {one.name.replace('_', ' ')}."
    members = "\n".join(f'    {value.upper()} = "{value}"' for value in one.arguments)
    return f'class {_enum_name(one, model)}({base}):\n    """{says}"""\n\n{members}'


def _enum_name(one: ShortField, model: str) -> str:
    return model + class_name(one.name)


def _uses_field(fields: Sequence[ShortField]) -> bool:
    return any(one.kind != "ref" for one in fields)


def _together(name: str, others: set[str]) -> set[str]:
    return {other for other in others if _FROM[other] == _FROM[name]}


def _order(name: str) -> tuple[bool, str]:
    return name[0].islower(), name  # as ruff sorts: classes first


def _sentence(title: str) -> str:
    return title[0].upper() + title[1:]


def _free(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except (ImportError, ValueError):
        return True
