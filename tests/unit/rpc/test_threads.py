"""Turns at working out slates."""

import asyncio
import contextvars
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from palate.bursts import Burst, rest
from palate.rpc.threads import Turns


def test_turns_follow_one_another() -> None:
    """Short pieces of work never overlap."""
    log: list[str] = []

    async def work(turns: Turns, name: str) -> None:
        async with turns.turn():
            log.append(f"{name} begins")
            await asyncio.sleep(0)
            log.append(f"{name} ends")

    async def run() -> None:
        turns = Turns()
        await asyncio.gather(*(work(turns, name) for name in "abc"))

    asyncio.run(run())
    assert [f"{name} {what}" for name in "abc" for what in ("begins", "ends")] == log


def test_slow_work_holds_up_nobody() -> None:
    """A turn that lasts too long is over before its work is."""

    async def run() -> int:
        turns, never, passed = Turns(), asyncio.Event(), 0

        async def hang() -> None:
            async with turns.turn():
                await never.wait()

        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0)
        for _ in range(3):
            async with asyncio.timeout(5), turns.turn():
                passed += 1
        never.set()
        await hanging
        return passed

    assert 3 == asyncio.run(run())


def test_work_that_fails_gives_up_its_turn() -> None:
    """The next one does not wait for a turn that ended in an error."""

    async def run() -> bool:
        turns = Turns()
        try:
            async with turns.turn():
                raise ValueError
        except ValueError:
            async with asyncio.timeout(0.01), turns.turn():
                return True

    assert asyncio.run(run())


def test_the_loop_stands_still_for_quick_work_and_goes_on_beside_slow_work() -> None:
    """Two milliseconds in a thread let nobody else in; after a turn of a fifth of a second the next ones do at once."""

    async def run() -> list[int]:
        turns, rounds, seen = Turns(bursts=True), 0, list[int]()

        async def others() -> None:
            nonlocal rounds
            while True:
                rounds += 1
                await asyncio.sleep(0)

        with ThreadPoolExecutor(1) as pool:
            beside = asyncio.create_task(others())
            for seconds in (0.002, 0.2, 0.2):
                await asyncio.sleep(0)
                before = rounds
                await turns.run(pool, time.sleep, seconds)
                seen.append(rounds - before)
            beside.cancel()
        return seen

    quick, slow, slower = asyncio.run(run())
    assert quick < 10 < min(slow, slower)


def test_work_that_rests_lets_the_loop_answer_others_between_its_parts() -> None:
    """The loop stands still for both parts and goes on for longer than the first between them."""

    async def run() -> tuple[list[str], float]:
        burst, log = Burst(asyncio.get_running_loop(), seconds=60), list[str]()

        def work() -> None:
            log.append("first part")
            time.sleep(0.02)
            rest()
            log.append("second part")

        async def others() -> None:
            while True:
                log.append("others")
                await asyncio.sleep(0)

        with ThreadPoolExecutor(1) as pool:
            beside = asyncio.create_task(others())
            started = time.monotonic()
            future = pool.submit(contextvars.copy_context().run, burst.run, work)
            burst.stand()
            await asyncio.wrap_future(future)
            seconds = time.monotonic() - started
            beside.cancel()
        return log, seconds

    log, seconds = asyncio.run(run())
    parts = [position for position, what in enumerate(log) if what != "others"]
    assert ["first part", "second part"] == [log[position] for position in parts]
    assert parts[1] - parts[0] > 10
    assert seconds >= 0.06


def test_the_loop_does_not_stand_still_for_what_was_given_up() -> None:
    """A part of the work that comes back from its rest after the work has ended is nobody's concern."""
    parts: list[Future[None]] = []

    async def run() -> None:
        burst = Burst(asyncio.get_running_loop(), seconds=60)

        def work() -> None:
            time.sleep(0.01)
            parts.append(pool.submit(contextvars.copy_context().run, rest))

        with ThreadPoolExecutor(2) as pool:
            whole = pool.submit(contextvars.copy_context().run, burst.run, work)
            burst.stand()
            await asyncio.wrap_future(whole)
            await asyncio.wrap_future(parts[0])

    started = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - started < 30


def test_rests_do_not_grow_while_the_loop_is_busy() -> None:
    """Work that rests again before the loop stands still again goes on at once."""

    async def run() -> float:
        turns = Turns(bursts=True)

        def work() -> None:
            time.sleep(0.002)
            for _ in range(11):
                rest()

        async def others() -> None:
            while True:
                time.sleep(0.02)  # noqa: ASYNC251 - a loop that has much to do
                await asyncio.sleep(0)

        with ThreadPoolExecutor(1) as pool:
            beside = asyncio.create_task(others())
            started = time.monotonic()
            await turns.run(pool, work)
            beside.cancel()
        return time.monotonic() - started

    assert asyncio.run(run()) < 5  # eleven rests, each four times as long as the one before, take longer


@pytest.mark.parametrize("bursts", [True, False])
def test_what_fails_in_a_thread_fails_for_its_caller(*, bursts: bool) -> None:
    """And the next one has its turn."""

    async def run() -> float:
        turns = Turns(bursts=bursts)
        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(ZeroDivisionError):
                await turns.run(pool, lambda: 1 / 0)
            return await turns.run(pool, lambda: 1 / 2)

    assert 0.5 == asyncio.run(run())
