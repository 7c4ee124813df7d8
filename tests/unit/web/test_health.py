import asyncio
import threading

from starlette.testclient import TestClient

from prefiq.bridge import await_, call
from prefiq.web import create_asgi
from prefiq.web.health import Readiness


class Clock:
    now = 10.0

    def __call__(self):
        return self.now


def test_checks_run_at_most_once_a_second():
    """Whoever hammers /readyz does not hammer the database."""
    clock, asked = Clock(), []
    ready = Readiness([lambda: asked.append(1)], clock=clock)
    assert ready.recall() is None
    assert [ready.ask() for _ in range(5)] == [True] * 5
    assert len(asked) == 1
    clock.now += 1.1
    assert ready.recall() is None
    ready.ask()
    assert len(asked) == 2


def test_one_thread_asks_and_the_others_take_its_answer():
    """Single flight."""
    asked, barrier = [], threading.Barrier(6)
    ready = Readiness([lambda: asked.append(1)])

    def ask():
        barrier.wait(10)
        ready.ask()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asked) == 1


def test_one_greenlet_asks_and_the_others_take_its_answer():
    """On an event loop too, which goes on meanwhile."""
    asked = []

    async def main():
        reached = asyncio.Event()

        def check():
            asked.append(1)
            await_(reached.wait())

        ready = Readiness([check])
        asking = [asyncio.create_task(call(ready.ask)) for _ in range(3)]
        await asyncio.sleep(0)
        reached.set()
        return await asyncio.gather(*asking)

    assert asyncio.run(main()) == [True, True, True]
    assert asked == [1]


def test_an_application_that_drains_is_not_ready():
    """Readiness goes first, so that no new requests come while the last ones are answered."""
    ready = Readiness([])
    assert ready.ask()
    ready.draining = True
    assert ready.recall() is False


def test_readyz_says_no_without_details(app, caplog):
    """A failing check is 503 for the caller and a line in the log for the operator."""

    def check():
        raise RuntimeError("password of the database is hunter2")

    with TestClient(create_asgi(app, checks=[check])) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "hunter2" not in answer.text
    assert "not ready" in caplog.text


def test_livez_asks_nobody(app):
    """A process that answers is alive, whatever its database does."""

    def check():
        raise AssertionError("must not be asked")

    with TestClient(create_asgi(app, checks=[check])) as client:
        assert client.get("/livez").json() == {"status": "ok"}
        assert client.head("/livez").status_code == 200
        assert client.post("/livez").status_code == 405
        assert client.options("/livez").headers["allow"] == "GET, HEAD, OPTIONS"


def test_readyz_is_ready_where_every_check_passes(app):
    """All of them are asked."""
    asked = []
    with TestClient(create_asgi(app, checks=[lambda: asked.append(1), lambda: asked.append(2)])) as client:
        assert client.get("/readyz").status_code == 200
    assert asked == [1, 2]
