"""The store in memory behaves as a database does, as far as tests can tell."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest

from prefiq.contracts import Bound, ForeignKeyViolation, NotFound, Scope, System, UniqueViolation
from prefiq.foundation.entity import Child, Entity
from prefiq.foundation.repository_memory import MemoryStore, MemoryTransactions, RepositoryMemory
from prefiq.lowcode import Catalog, ModelMeta, children, field, ref, uuid7
from prefiq.sql import SharedTableProtected


class Tag(Child):
    word: str = field(unique=True)


class Post(Entity):
    slug: str = field(unique=True)
    tags: list[Tag] = children(Tag)


class Comment(Entity):
    post_id: UUID = ref(Post)


class Language(Entity):
    code: str = field(unique=True)

    meta = ModelMeta(scope="shared")


class Translation(Entity):
    language_id: UUID = ref(Language)


CATALOG = Catalog.build({"blog": (Post, Comment, Language, Translation)})


def tenant(key: str) -> Any:
    return Scope(Bound(key), resolve=lambda *_: None)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(CATALOG)


def test_store_of_its_own() -> None:
    """Without a store, a repository has one; references to models that it does not have are not checked."""
    comments = RepositoryMemory.of(Comment)(tenant("acme"))
    comments.save(Comment(post_id=uuid7()))
    assert comments.count() == 1
    assert RepositoryMemory.of(Comment)(tenant("acme")).count() == 0


def test_unique_values_of_children(store: MemoryStore) -> None:
    """Among all children of the tenant, within one parent too; what was removed is free again."""
    posts = RepositoryMemory.of(Post)(tenant("acme"), store)
    post = posts.save(Post(slug="a", tags=[Tag(word="x"), Tag(word="y")]))
    with pytest.raises(UniqueViolation) as caught:
        posts.save(Post(slug="b", tags=[Tag(word="y")]))
    assert (caught.value.model, caught.value.fields) == ("blog.Tag", ("word",))
    with pytest.raises(UniqueViolation):
        posts.save(Post(slug="b", tags=[Tag(word="z"), Tag(word="z")]))
    post.tags = [Tag(word="y"), Tag(word="w")]
    posts.update(post)
    posts.save(Post(slug="b", tags=[Tag(word="x")]))
    RepositoryMemory.of(Post)(tenant("globex"), store).save(Post(slug="a", tags=[Tag(word="x")]))


def test_failed_write_frees_and_keeps_what_it_should(store: MemoryStore) -> None:
    """Unique values of a refused row are free, those of a row that was to be changed are still taken."""
    posts = RepositoryMemory.of(Post)(tenant("acme"), store)
    first, second = posts.save(Post(slug="a", tags=[Tag(word="x")])), posts.save(Post(slug="b"))
    second.slug, second.tags = "c", [Tag(word="x")]
    with pytest.raises(UniqueViolation):
        posts.update(second)
    posts.save(Post(slug="c"))
    with pytest.raises(UniqueViolation):
        posts.save(Post(slug="b"))
    assert posts.get_by("slug", "a") == first


def test_values_that_move_between_rows_are_put_back(store: MemoryStore) -> None:
    """A rollback undoes a chain of changes to unique values."""
    posts = RepositoryMemory.of(Post)(tenant("acme"), store)
    first, second = posts.save(Post(slug="a")), posts.save(Post(slug="b"))
    with pytest.raises(ZeroDivisionError), store.transactions.tx():  # noqa: PT012
        first.slug = "x"
        posts.update(first)
        second.slug = "a"
        posts.update(second)
        first.slug = "b"
        posts.update(first)
        raise ZeroDivisionError
    assert {post.slug for post in posts.list().items} == {"a", "b"}
    assert posts.get_by_id(first.id).slug == "a"
    for slug in ("a", "b"):
        with pytest.raises(UniqueViolation):
            posts.save(Post(slug=slug))
    assert first.slug == "b"
    posts.save(Post(slug="x"))


def test_shared_rows(store: MemoryStore) -> None:
    """The system writes, all read; a row that any tenant refers to stays."""
    system: Any = Scope(System("test"), resolve=lambda *_: None)
    languages = RepositoryMemory.of(Language)(system, store)
    language = languages.save(Language(code="de"))
    ours = RepositoryMemory.of(Language)(tenant("acme"), store)
    assert ours.get_by_id(language.id) == language
    with pytest.raises(SharedTableProtected):
        ours.save(Language(code="en"))
    RepositoryMemory.of(Translation)(tenant("globex"), store).save(Translation(language_id=language.id))
    with pytest.raises(ForeignKeyViolation):
        languages.delete(language)
    assert languages.count() == 1


def test_threads_write_without_losing_rows(store: MemoryStore) -> None:
    """Each thread has its own transactions; unique values hold among all."""
    taken: list[str] = []

    def work(number: int) -> None:
        posts = RepositoryMemory.of(Post)(tenant("acme"), store)
        for step in range(20):
            with store.transactions.tx():
                posts.save(Post(slug=f"{number}-{step}"))
            try:
                posts.save(Post(slug=f"shared-{step}"))
                taken.append(f"shared-{step}")
            except UniqueViolation:
                pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert RepositoryMemory.of(Post)(tenant("acme"), store).count() == 6 * 20 + 20
    assert sorted(taken) == sorted(f"shared-{step}" for step in range(20))


def test_transaction_of_one_thread_is_not_that_of_another() -> None:
    """What a thread has begun, another one is not in."""
    transactions = MemoryTransactions()
    seen: list[bool] = []
    with transactions.tx():
        thread = threading.Thread(target=lambda: seen.append(transactions.in_transaction))
        thread.start()
        thread.join()
        assert transactions.in_transaction
    assert seen == [False]


def test_foreign_id_is_missing(store: MemoryStore) -> None:
    """Tenants share nothing in the common store."""
    post = RepositoryMemory.of(Post)(tenant("acme"), store).save(Post(slug="a"))
    with pytest.raises(NotFound):
        RepositoryMemory.of(Post)(tenant("globex"), store).get_by_id(post.id)
    with pytest.raises(ForeignKeyViolation):
        RepositoryMemory.of(Comment)(tenant("globex"), store).save(Comment(post_id=post.id))


def _fail() -> None:
    raise OSError("a callback that fails")


def test_a_failing_callback_keeps_no_other_from_being_called() -> None:
    """After commit and on rollback all are called, and what failed is raised afterwards."""
    transactions = MemoryTransactions()
    called: list[str] = []

    def commit() -> None:
        with transactions.tx():
            transactions.after_commit(_fail)
            transactions.after_commit(lambda: called.append("committed"))

    def roll_back() -> None:
        with transactions.tx():
            transactions.on_rollback(lambda: called.append("undone"))
            transactions.on_rollback(_fail)
            raise RuntimeError

    for run in (commit, roll_back):
        with pytest.raises(OSError, match="a callback that fails"):
            run()
    assert called == ["committed", "undone"]
