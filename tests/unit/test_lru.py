"""Values kept in memory, as many as fit."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from palate.lru import LruCache
from palate.rpc.recommendation import ANSWER_BYTES
from palate.store.contract import Header


def cache(max_bytes: int) -> LruCache[str, bytes]:
    """Return a cache of bytes that counts each value by its length."""
    return LruCache(max_bytes, len)


def test_large_values_leave_room_for_fewer() -> None:
    """The bound is in bytes: one value of twice the size takes the room of several."""
    kept = cache(200)
    kept.keep("small", b"a" * 100)
    kept.keep("other", b"b" * 100)
    assert (b"a" * 100, b"b" * 100) == (kept.get("small"), kept.get("other"))
    assert [b"a" * 100, b"b" * 100] == kept.keep("large", b"c" * 200)
    assert (None, None, b"c" * 200) == (kept.get("small"), kept.get("other"), kept.get("large"))
    assert 200 == kept.size_bytes


def test_the_value_that_was_not_used_for_longest_goes_first() -> None:
    """Being asked for keeps a value."""
    kept = cache(200)
    for key in ("first", "second"):
        kept.keep(key, b"a" * 100)
    kept.get("first")
    kept.keep("third", b"a" * 100)
    assert [True, False, True] == [kept.get(key) is not None for key in ("first", "second", "third")]


def test_a_value_that_is_kept_again_counts_once() -> None:
    """Two calls may work out the same side by side."""
    kept = cache(200)
    kept.keep("other", b"b" * 100)
    for _ in range(5):
        kept.keep("same", b"a" * 100)
    assert (b"a" * 100, b"b" * 100) == (kept.get("same"), kept.get("other"))
    assert 200 == kept.size_bytes


def test_a_value_that_does_not_fit_is_not_kept() -> None:
    """Without room nothing is kept, and nothing breaks."""
    kept = cache(0)
    kept.keep("large", b"a")
    assert None is kept.get("large")
    assert 0 == kept.size_bytes


def test_threads_may_share_it() -> None:
    """The count of bytes stays right however they meet."""
    kept = cache(1_000)

    def use(number: int) -> None:
        kept.keep(str(number % 37), bytes(number % 90))
        kept.get(str(number % 11))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(20_000)))
    assert kept.size_bytes == sum(len(kept.get(str(key)) or b"") for key in range(37))
    assert kept.size_bytes <= 1_000


def test_what_is_kept_of_answers_takes_the_bytes_that_are_counted() -> None:
    """The allowance for what stands beside an answer is what Python takes for it, give or take a third."""
    count = 20_000
    tracemalloc.start()
    answers: LruCache[tuple[bytes, Header], bytes] = LruCache(10**9, len)
    for number in range(count):
        digest = blake2b(number.to_bytes(4), digest_size=16).digest()
        answers.keep((digest, Header(number, f"{number:016x}", 10**15 + number)), bytes(100))
    taken = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    assert 0.67 < taken / (ANSWER_BYTES + 100) < 1.33
