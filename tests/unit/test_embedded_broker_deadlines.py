"""Who waits too long is told so, by one timer for all."""

import asyncio
from functools import partial

from broker.embedded.deadlines import Deadlines


def test_who_waits_too_long_is_told_in_the_order_of_their_moments() -> None:
    async def wait() -> list[str]:
        loop = asyncio.get_running_loop()
        told: list[str] = []
        deadlines, begun = Deadlines(loop), loop.time()
        in_time = partial(told.append, "in time")
        last_is_told = asyncio.Event()
        deadlines.add(in_time, begun + 0.01)
        deadlines.add(last_is_told.set, begun + 0.06)
        deadlines.add(partial(told.append, "second"), begun + 0.04)
        deadlines.add(partial(told.append, "first"), begun + 0.02)
        deadlines.remove(in_time)
        await asyncio.wait_for(last_is_told.wait(), 10)
        assert loop.time() >= begun + 0.05
        deadlines.remove(in_time)
        deadlines.add(last_is_told.clear, loop.time())
        while last_is_told.is_set():
            await asyncio.sleep(0.001)
        return told

    assert asyncio.run(wait()) == ["first", "second"]
