"""Answers kept in memory, as many as fit."""

import tracemalloc
from hashlib import blake2b

from palate.rpc.answers import ANSWER_BYTES, Answers
from palate.store.contract import Header

ROOM_FOR_TWO = 2 * (ANSWER_BYTES + 100)


def test_large_answers_leave_room_for_fewer() -> None:
    """The bound is in bytes: one answer of twice the size takes the room of several."""
    answers = Answers(ROOM_FOR_TWO)
    answers.keep("small", b"a" * 100)
    answers.keep("other", b"b" * 100)
    assert (b"a" * 100, b"b" * 100) == (answers.get("small"), answers.get("other"))
    answers.keep("large", b"c" * 400)
    assert (None, None, b"c" * 400) == (answers.get("small"), answers.get("other"), answers.get("large"))


def test_the_answer_that_was_not_used_for_longest_goes_first() -> None:
    """Being asked for keeps an answer."""
    answers = Answers(ROOM_FOR_TWO)
    for key in ("first", "second"):
        answers.keep(key, b"a" * 100)
    answers.get("first")
    answers.keep("third", b"a" * 100)
    assert [True, False, True] == [answers.get(key) is not None for key in ("first", "second", "third")]


def test_an_answer_that_is_kept_again_counts_once() -> None:
    """Two calls may work out the same slate side by side."""
    answers = Answers(ROOM_FOR_TWO)
    answers.keep("other", b"b" * 100)
    for _ in range(5):
        answers.keep("same", b"a" * 100)
    assert (b"a" * 100, b"b" * 100) == (answers.get("same"), answers.get("other"))


def test_an_answer_that_does_not_fit_is_not_kept() -> None:
    """Without room nothing is kept, and nothing breaks."""
    answers = Answers(0)
    answers.keep("large", b"a")
    assert None is answers.get("large")


def test_what_is_kept_takes_the_bytes_that_are_counted() -> None:
    """The allowance for what stands beside an answer is what Python takes for it, give or take a third."""
    count = 20_000
    tracemalloc.start()
    answers = Answers(count * (ANSWER_BYTES + 100))
    for number in range(count):
        digest = blake2b(number.to_bytes(4), digest_size=16).digest()
        answers.keep((digest, Header(number, f"{number:016x}", 10**15 + number)), bytes(100))
    taken = tracemalloc.get_traced_memory()[0] / count
    tracemalloc.stop()
    assert 0.67 < taken / (ANSWER_BYTES + 100) < 1.33
