"""Random operations on stores, as data: the same sequence is run in every place, and what comes out is compared."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.stores import Place, Store

import prefiq.lowcode
from prefiq.contracts import All, Any_, Bound, Compare, Criteria, Not, Page
from prefiq.errors import PrefiqError
from prefiq.foundation.entity import Child, Entity
from prefiq.lowcode import Catalog, ModelMeta, Status, children, ref, transition, unique

declared = prefiq.lowcode.field


class Stage(Status):
    OPEN = "open"
    DONE = "done"
    GONE = "gone"


class Step(Child):
    word: str = declared(max_length=6)
    weight: float | None


class Owner(Entity):
    name: str = declared(max_length=6, unique=True)
    born: date | None

    meta = ModelMeta(order_by="-name")


class Job(Entity):
    owner_id: UUID = ref(Owner)
    deputy_id: UUID | None = ref(Owner, default=None, on_delete="set_null")
    word: str = declared(max_length=6)
    size: int | None
    money: Decimal | None = declared(precision=9, scale=2)
    moment: datetime | None
    done: bool
    stage: Stage = declared(default=Stage.OPEN)
    extra: dict[str, Any]
    steps: list[Step] = children(Step)

    finish = transition(Stage.OPEN, to=Stage.DONE)
    drop = transition(Stage.OPEN, Stage.DONE, to=Stage.GONE)
    meta = ModelMeta(indexes=(unique("word", "size"),))


class Remark(Entity):
    job_id: UUID = ref(Job, on_delete="cascade")
    text: str | None = declared(text=True)


class Memo(Entity):
    word: str = declared(max_length=6, unique=True)
    note: str | None = declared(max_length=6)

    meta = ModelMeta(soft_delete=True, order_by=("note", "-word"))


MODELS: tuple[type[Any], ...] = (Owner, Job, Remark, Memo)
TENANTS = ("acme", "globex")
WORDS = ("a", "A", "b", "ä", "a\u0308", "a ", "", "ab", "%", "_", "ß", "SS", "\U0001f4a5", "\uffff", "zz")
INSTANT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def catalog() -> Catalog:
    return Catalog.build({"play": MODELS})


class Undone(Exception):
    """Ends a transaction."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One step.

    Args:
        tenant: Whose store.
        verb: What to do.
        model: On entities of this model.
        handle: Number of the entity meant, among those that the tenant's scope holds.
        values: What it needs.
        inner: Steps inside a transaction.
    """

    tenant: str
    verb: str
    model: type[Any] = Owner
    handle: int = 0
    values: Any = None
    inner: tuple[Operation, ...] = ()


@dataclass
class Generator:
    """Makes operations from one seed."""

    rng: random.Random
    tenant: str = ""
    ids: dict[type, list[UUID]] = field(default_factory=dict)

    def operations(self, count: int, depth: int = 0) -> tuple[Operation, ...]:
        return tuple(self.operation(depth) for _ in range(count))

    def operation(self, depth: int) -> Operation:
        rng = self.rng
        # Inside a transaction one tenant alone: another one would wait for its lock in the same thread.
        tenant, model = self.tenant or rng.choice(TENANTS[:1] * 4 + TENANTS), rng.choice(MODELS)
        verb = rng.choices(
            ("save", "save_many", "change", "children", "move", "update", "delete", "reload", "forget",
             "get", "get_by", "get_many", "list", "count", "stream", "tx"),
            (12, 4, 10, 4, 3, 10, 5, 4, 1, 3, 2, 2, 10, 2, 1, 6 if depth < 3 else 0),
        )[0]  # fmt: skip
        if verb == "tx":
            how = rng.choices(("commit", "raise", "read"), (6, 3, 1))[0]
            outer, self.tenant = self.tenant, tenant
            inner = self.operations(rng.randint(1, 7), depth + 1)
            self.tenant = outer
            return Operation(tenant, verb, values=how, inner=inner)
        return Operation(tenant, verb, model, rng.randrange(12), self.values(verb, model))

    def values(self, verb: str, model: type[Any]) -> Any:
        rng = self.rng
        match verb:
            case "save":
                return self.entity(model)
            case "save_many":
                return [self.entity(model) for _ in range(rng.randint(0, 4))]
            case "change":
                name = rng.choice([n for n in model.__struct_fields__[2:] if n != "steps"])
                return name, self.value(model, name)
            case "children":
                return rng.choice(("append", "pop", "reverse", "change", "clear")), self.step()
            case "move":
                return rng.choice(("finish", "drop", "assign"))
            case "get":
                return self.id(model)
            case "get_by":
                return rng.choice(("name", "word", "id", "size")), rng.choice((*WORDS, self.id(model), None))
            case "get_many":
                return [self.id(model) for _ in range(rng.randint(0, 4))]
            case "list":
                return self.page(model), self.criteria(model, 2), rng.randint(1, 3)
            case "count":
                return self.criteria(model, 3)
            case "stream":
                return self.criteria(model, 1), rng.randint(1, 4)
        return None

    def id(self, model: type[Any]) -> UUID:
        known = self.ids.setdefault(model, [])
        if known and self.rng.random() < 0.85:
            return self.rng.choice(known)
        known.append(UUID(int=self.rng.getrandbits(128)))
        return known[-1]

    def entity(self, model: type[Any]) -> dict[str, Any]:
        names = [name for name in model.__struct_fields__[2:] if name not in {"steps", "stage"}]
        values = {name: self.value(model, name) for name in names}
        values["id"] = self.id(model) if self.rng.random() < 0.2 else UUID(int=self.rng.getrandbits(128))
        self.ids.setdefault(model, []).append(values["id"])
        if model is Job:
            values["steps"] = [self.step() for _ in range(self.rng.choice((0, 0, 1, 3)))]
        return values

    def step(self) -> dict[str, Any]:
        return {
            "id": UUID(int=self.rng.getrandbits(128)),
            "word": self.rng.choice(WORDS) if self.rng.random() > 0.05 else "too long",
            "weight": self.rng.choice((None, 0.0, -1.5, 1e300)),
        }

    def value(self, model: type[Any], name: str) -> Any:
        rng = self.rng
        if rng.random() < 0.03:
            return rng.choice((None, "too long for it", 5.5, float("nan"), object, b"x", True, "\0", [1]))
        choices: dict[str, Callable[[], Any]] = {
            "owner_id": lambda: self.id(Owner),
            "deputy_id": lambda: rng.choice((None, self.id(Owner))),
            "job_id": lambda: self.id(Job),
            "size": lambda: rng.choice((None, 0, 1, -1, 2**63 - 1, -(2**63))),
            "money": lambda: rng.choice((None, Decimal(0), Decimal("-0.01"), Decimal("1.5"), Decimal(9999999))),
            "moment": lambda: rng.choice((None, INSTANT, INSTANT.replace(microsecond=0), datetime.max.replace(tzinfo=UTC))),
            "done": lambda: rng.random() < 0.5,
            "born": lambda: rng.choice((None, date.min, date(2000, 2, 29), date.max)),
            "stage": lambda: rng.choice(list(Stage)),
            "extra": lambda: rng.choice(({}, {"a": 1}, {"a": True}, {"a": [None, {"b": 1.0}]})),
            "text": lambda: rng.choice((None, *WORDS)),
            "note": lambda: rng.choice((None, *WORDS)),
        }  # fmt: skip
        return choices.get(name, lambda: rng.choice(WORDS))()

    def page(self, model: type[Any]) -> Page:
        rng = self.rng
        names = [name for name in model.__struct_fields__ if name not in {"steps", "extra", "text"}]
        sort = tuple(rng.choice(("", "-")) + name for name in rng.sample(names, rng.randint(0, 2)))
        if rng.random() < 0.03:
            sort = (rng.choice(("extra", "text", "no_such")),)
        return Page(
            limit=rng.choice((1, 2, 3, 50)),
            offset=rng.choice((0, 0, 0, 2)),
            sort=sort,
            count=rng.random() < 0.5,
        )

    def criteria(self, model: type[Any], depth: int) -> Criteria | None:
        rng = self.rng
        if rng.random() < 0.2:
            return None
        if depth and rng.random() < 0.5:
            terms = tuple(
                t
                for t in (self.criteria(model, depth - 1) for _ in range(rng.randint(0, 3)))
                if t is not None
            )
            return rng.choice((All(terms), Any_(terms), *(Not(term) for term in terms[:1])))
        name = rng.choice([name for name in model.__struct_fields__ if name != "steps"])
        operator: Any = rng.choice(
            (
                "eq",
                "ne",
                "gt",
                "gte",
                "lt",
                "lte",
                "in",
                "nin",
                "isnull",
                "contains",
                "icontains",
                "startswith",
            )
        )
        value: Any = self.id(model) if name == "id" else 1 if name == "version" else self.value(model, name)
        if operator in {"in", "nin"}:
            value = tuple(
                [value, *(self.value(model, name) for _ in range(rng.randint(0, 2)))][rng.randint(0, 1) :]
            )
        elif operator == "isnull":
            value = rng.random() < 0.5
        return Compare(name, operator, value)


def are_alike(one: Any, other: Any) -> bool:
    """Whether two notes say the same; where several rules are broken at once, engines look in their own order.

    Which unique index or reference is named then, is the engine's choice: MariaDB looks at references first.
    """
    if one == other:
        return True
    if not (isinstance(one, tuple) and isinstance(other, tuple) and one[:3] == other[:3]):
        return False
    (*_, first), (*_, second) = one, other
    if not (isinstance(first, tuple) and isinstance(second, tuple)):
        return False
    chosen = {"UniqueViolation", "ForeignKeyViolation"}
    return first[0] in chosen and second[0] in chosen


class Player:
    """Runs operations in one place, and writes down what comes out.

    Args:
        place: Where.
    """

    def __init__(self, place: Place) -> None:
        self.stores: dict[str, Store] = {tenant: place.open(Bound(tenant)) for tenant in TENANTS}
        self.held: dict[tuple[str, type], list[Any]] = {}
        self.said: list[Any] = []
        self.depth = 0

    def play(self, operations: tuple[Operation, ...]) -> None:
        for operation in operations:
            try:
                result: Any = getattr(self, operation.verb)(operation)
            except Undone:
                result = "undone"
            except PrefiqError as error:
                result = (
                    type(error).__name__,
                    str(error),
                    [(e.field, e.code) for e in getattr(error, "errors", ())],
                )
            self.said.append((self.depth, operation.verb, operation.model.__name__, result))

    def rows(self) -> Any:
        return {
            (tenant, model.__name__): [repr(entity) for batch in store(model)[0].stream() for entity in batch]
            for tenant, store in self.stores.items()
            for model in MODELS
        }

    def repo(self, operation: Operation) -> Any:
        return self.stores[operation.tenant](operation.model)[0]

    def entity(self, operation: Operation) -> Any:
        held = self.held.get((operation.tenant, operation.model))
        return held[operation.handle % len(held)] if held else None

    def hold(self, operation: Operation, *entities: Any) -> None:
        held = self.held.setdefault((operation.tenant, operation.model), [])
        held.extend(entities)
        del held[:-12]

    @staticmethod
    def made(model: type[Any], values: dict[str, Any]) -> Any:
        values = {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}
        if "steps" in values:
            values["steps"] = [Step(**step) for step in values["steps"]]
        return model(**values)

    def save(self, operation: Operation) -> Any:
        entity = self.made(operation.model, operation.values)
        self.hold(operation, entity)
        try:
            return self.repo(operation).save(entity).version
        finally:
            self.said.append(entity.version)

    def save_many(self, operation: Operation) -> Any:
        entities = [self.made(operation.model, values) for values in operation.values]
        self.hold(operation, *entities)
        try:
            self.repo(operation).save_many(entities)
        finally:
            self.said.append([entity.version for entity in entities])

    def change(self, operation: Operation) -> Any:
        entity, (name, value) = self.entity(operation), operation.values
        if entity is not None:
            setattr(entity, name, dict(value) if isinstance(value, dict) else value)

    def children(self, operation: Operation) -> Any:
        entity, (how, step) = self.entity(operation), operation.values
        if isinstance(entity, Job):
            if how == "append":
                entity.steps.append(Step(**step))
            elif how == "change" and entity.steps:
                entity.steps[0].word = step["word"]
            elif how == "clear":
                entity.steps = []
            elif how == "reverse":
                entity.steps.reverse()
            elif entity.steps:
                entity.steps.pop()

    def move(self, operation: Operation) -> Any:
        entity = self.entity(operation)
        if isinstance(entity, Job):
            if operation.values == "assign":
                entity.stage = Stage.DONE
            else:
                getattr(entity, operation.values)()

    def update(self, operation: Operation) -> Any:
        entity = self.entity(operation)
        if entity is not None:
            try:
                return repr(self.repo(operation).update(entity).id)
            finally:
                self.said.append(entity.version)
        return None

    def delete(self, operation: Operation) -> Any:
        entity = self.entity(operation)
        if entity is not None:
            self.repo(operation).delete(entity)

    def reload(self, operation: Operation) -> Any:
        entity = self.entity(operation)
        if entity is not None:
            fresh = self.repo(operation).get_by_id(entity.id)
            self.hold(operation, fresh)
            return repr(fresh)
        return None

    def forget(self, operation: Operation) -> Any:
        entity = self.entity(operation)
        if entity is not None:  # as one that was made by hand
            entity._loaded, entity._moves = None, []

    def get(self, operation: Operation) -> Any:
        return repr(self.repo(operation).get_by_id(operation.values))

    def get_by(self, operation: Operation) -> Any:
        return repr(self.repo(operation).get_by(*operation.values))

    def get_many(self, operation: Operation) -> Any:
        return sorted(map(repr, self.repo(operation).get_many(operation.values).values()))

    def list(self, operation: Operation) -> Any:
        page, criteria, pages = operation.values
        found: list[Any] = []
        for _ in range(pages):
            result = self.repo(operation).list(page, criteria)
            found.append(([repr(entity) for entity in result.items], repr(result.next), result.total))
            if result.next is None:
                break
            page = Page(page.limit, after=result.next, sort=page.sort, count=page.count)
        return found

    def count(self, operation: Operation) -> Any:
        return self.repo(operation).count(operation.values)

    def stream(self, operation: Operation) -> Any:
        criteria, batch = operation.values
        return [[repr(e) for e in part] for part in self.repo(operation).stream(criteria, batch)]

    def tx(self, operation: Operation) -> Any:
        transactions = self.stores[operation.tenant](Owner)[1]
        notes: list[str] = []
        self.depth += 1
        try:
            with transactions.tx(read_only=operation.values == "read"):
                transactions.after_commit(lambda: notes.append("committed"))
                transactions.on_rollback(lambda: notes.append("undone"))
                self.play(operation.inner)
                if operation.values == "raise":
                    raise Undone
        finally:
            self.depth -= 1
            self.said.append(tuple(notes))
