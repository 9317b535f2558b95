"""The embedded broker's memory with a small and with a large backlog; nobody answers its deliveries."""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from testbed.broker_process import Publisher, RunningBroker, start_broker, trigger
from testbed.ports import free_port

DATA = b'{"reservationId":"7K3M9QX2V4TB","customerId":1,"flightId":1001,"seatQty":3,"amount":600000,"note":"%s"}'
HEAD = (
    "ce-specversion: 1.0\r\nce-id: %d\r\nce-source: /airline/benchmark\r\nce-type: ReservationPlaced\r\n"
    "ce-partitionkey: 7K3M9QX2V4TB\r\nce-correlationid: 7K3M9QX2V4TB\r\ncontent-type: application/json\r\n"
)
AT_ONCE = 50  # events that one connection sends before it waits


async def measure(small: int, large: int, triggers: int, connections: int) -> float:
    """Ratio of the RSS with the large backlog to that with the small one."""
    nobody = f"http://127.0.0.1:{free_port()}/"
    manifests = [trigger(f"trigger-{number}", nobody, None) for number in range(triggers)]
    with tempfile.TemporaryDirectory() as folder, start_broker(Path(folder), manifests) as broker:
        say(broker, "empty")
        publishers = [Publisher(broker.port) for _ in range(connections)]
        await publish(publishers, 0, small)
        with_small = say(broker, f"{small} events")
        await publish(publishers, small, large)
        with_large = say(broker, f"{large} events")
    ratio = with_large / with_small
    sys.stdout.write(f"ratio {ratio:.3f}\n")
    return ratio


async def publish(publishers: list[Publisher], first: int, end: int) -> None:
    numbers = iter(range(first, end, AT_ONCE))

    async def work(publisher: Publisher) -> None:
        for number in numbers:
            heads = [HEAD % each for each in range(number, min(number + AT_ONCE, end))]
            await publisher.publish_many(heads, DATA % (b"x" * 100))

    await asyncio.gather(*(work(publisher) for publisher in publishers))


def say(broker: RunningBroker, when: str) -> int:
    rss, stored = broker.rss_bytes(), broker.status()["events"]
    sys.stdout.write(
        f"{when:>16}: {rss / 1e6:.1f} MB RSS, {stored} stored, after {time.process_time():.0f} s of CPU here\n"
    )
    sys.stdout.flush()
    return rss
