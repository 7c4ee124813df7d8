from uuid import UUID

from prefiq.web.request_id import request_ids, usable_id


def test_ids_are_uuids_and_never_repeat():
    """Every id is a UUID in canonical form, and none comes twice."""
    new_id = request_ids()
    ids = [new_id() for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert all(str(UUID(each)) == each and UUID(each).version == 8 for each in ids)


def test_neighbouring_ids_do_not_count():
    """Two ids in a row differ by a large step, so that they tell nobody how many requests were served."""
    new_id = request_ids()
    first, second = (int(new_id()[-12:], 16) for _ in range(2))
    assert abs(second - first) > 1_000_000


def test_a_proxys_id_is_taken_where_it_is_a_uuid():
    """What is not a UUID in lower case is not taken: it would stand in logs as it came."""
    given = b"0189aaaa-0000-7000-8000-0123456789ab"
    assert usable_id(given) == given.decode()
    assert usable_id(given.upper()) is None
    assert usable_id(given + b"\n") is None
    assert usable_id(b"x") is None
