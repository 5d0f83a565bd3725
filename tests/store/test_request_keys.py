import threading

import pytest

from monitor.store import keys
from monitor.store.keys import KeyAnswer


def claim(version_id, key, digest="d"):
    return (version_id, "predictions", key, digest)


def find(store, version_id, key, route="predictions"):
    with store.read() as conn:
        return keys.find_key(conn, version_id=version_id, route=route, key=key)


def test_a_free_key_is_won_and_its_answer_is_found_again(store):
    with store.write() as conn:
        assert keys.claim_keys(conn, [claim(1, "a", "d1")], now_us=5) == {(1, "predictions", "a")}
        keys.save_answers(
            conn, [KeyAnswer(version_id=1, route="predictions", key="a", status=200, answer=b'{"stored":1}')]
        )
    answer = find(store, 1, "a")
    assert answer is not None
    assert (answer.digest, answer.status, answer.answer, answer.created_us) == ("d1", 200, b'{"stored":1}', 5)
    assert find(store, 2, "a") is None
    assert find(store, 1, "a", route="labels") is None


def test_a_key_that_conflicts_loses_alone(store):
    with store.write() as conn:
        keys.claim_keys(conn, [claim(1, "a", "first")], now_us=1)
    with store.write() as conn:
        won = keys.claim_keys(conn, [claim(1, "b"), claim(1, "a", "second"), claim(2, "a"), claim(1, "c")], now_us=2)
    assert won == {(1, "predictions", "b"), (2, "predictions", "a"), (1, "predictions", "c")}
    answer = find(store, 1, "a")
    assert answer is not None
    assert answer.digest == "first"


def test_of_two_equal_keys_in_one_group_the_first_is_kept(store):
    with store.write() as conn:
        assert keys.claim_keys(conn, [claim(1, "a", "one"), claim(1, "a", "two")], now_us=1) == {
            (1, "predictions", "a")
        }
    answer = find(store, 1, "a")
    assert answer is not None
    assert answer.digest == "one"


def test_a_key_is_free_again_when_its_transaction_fails(store):
    def claim_and_fail():
        with store.write() as conn:
            keys.claim_keys(conn, [claim(1, "a")], now_us=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_fail()
    assert find(store, 1, "a") is None


def test_many_keys_in_one_group_are_all_claimed(store):
    claims = [claim(n % 7, f"key-{n}") for n in range(1_700)]
    with store.write() as conn:
        assert len(keys.claim_keys(conn, claims, now_us=1)) == 1_700
        assert keys.claim_keys(conn, claims, now_us=1) == set()


def test_the_same_key_fifty_times_at_once_is_won_once(store):
    wins, threads = [], []
    barrier = threading.Barrier(10)

    def compete():
        barrier.wait(10)
        for attempt in range(5):
            with store.write() as conn:
                wins.append(len(keys.claim_keys(conn, [claim(1, "a"), claim(1, f"b{attempt}")], now_us=1)))

    for _ in range(10):
        threads.append(threading.Thread(target=compete))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(wins) == 50
    assert sum(wins) == 1 + 5


def test_keys_are_forgotten_by_age_in_steps(store):
    with store.write() as conn:
        for age in range(6):
            keys.claim_keys(conn, [claim(1, f"k{age}")], now_us=age)
        assert [keys.purge_keys(conn, before_us=4, limit=3) for _ in range(3)] == [3, 1, 0]
    assert [find(store, 1, f"k{age}") is None for age in range(6)] == [True] * 4 + [False] * 2
