"""Turns at working out slates."""

import asyncio

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
