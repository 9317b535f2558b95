"""CPU of the embedded broker for whole sagas: one event in, seven deliveries, three replies.

    python -m benchmarks.broker_cpu [--sagas 2000] [--at-once 16]

The functions are one small process of raw sockets, so that what is measured is the broker's own process. A chain of
three policies (A says B, B says C, C says D) and one observer of every event make the seven deliveries.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from testbed.broker_process import Publisher, start_broker, trigger
from testbed.ports import free_port

REPLIES = {b"A": b"B", b"B": b"C", b"C": b"D"}
DELIVERIES, INGRESS_AND_REPLIES = 7, 4
DATA = b'{"reservationId":"7K3M9QX2V4TB","customerId":1,"flightId":1001,"seatQty":3,"amount":600000}'
EVENT_HEAD = (
    "ce-specversion: 1.0\r\nce-id: %s-{type}\r\nce-source: /airline/benchmark\r\nce-type: {type}\r\n"
    "ce-subject: reservations/7K3M9QX2V4TB\r\nce-partitionkey: 7K3M9QX2V4TB\r\nce-correlationid: 7K3M9QX2V4TB\r\n"
    "content-type: application/json\r\n"
)


class Function(asyncio.Protocol):
    """Answers as the policy of the event's type would, on /policy; says nothing on /observe."""

    ended = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if separator and len(body) >= len(DATA):
            self._transport.write(self._answer(head))
            self._transport.close()

    def _answer(self, head: bytes) -> bytes:
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        reply = REPLIES.get(fields[b"ce-type"])
        if head.startswith(b"POST /observe"):
            Function.ended += reply is None
            return b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
        assert reply is not None
        event = EVENT_HEAD.format(type=reply.decode()) % fields[b"ce-id"].decode()[:-2]
        return f"HTTP/1.1 200 OK\r\nConnection: close\r\n{event}Content-Length: {len(DATA)}\r\n\r\n".encode() + DATA


def triggers(port: int) -> list[dict[str, object]]:
    policies = [
        trigger(f"on-{each.decode().lower()}", f"http://127.0.0.1:{port}/policy", each.decode()) for each in REPLIES
    ]
    return [*policies, trigger("observe", f"http://127.0.0.1:{port}/observe", None)]


async def measure(sagas: int, at_once: int) -> None:
    server = await asyncio.get_running_loop().create_server(Function, "127.0.0.1", port := free_port())
    with tempfile.TemporaryDirectory() as folder, start_broker(Path(folder), triggers(port)) as broker:
        await run(Publisher(broker.port), 200, at_once)
        Function.ended, cpu, started = 0, broker.cpu_seconds(), time.perf_counter()
        await run(Publisher(broker.port), sagas, at_once)
        cpu, took = broker.cpu_seconds() - cpu, time.perf_counter() - started
    server.close()
    sys.stdout.write(
        f"{sagas} sagas, {at_once} at once: {sagas / took:.0f} sagas/s\n"
        f"CPU of the broker: {cpu / sagas * 1e3:.2f} ms per saga, {cpu / sagas / DELIVERIES * 1e6:.0f} us per delivery "
        f"(ingress and replies included)\n"
    )


async def run(publisher: Publisher, sagas: int, at_once: int) -> None:
    """Keeps this many sagas going until all have ended."""
    Function.ended = 0
    for number in range(sagas):
        while number - Function.ended >= at_once:
            await asyncio.sleep(0.001)
        await publisher.publish(EVENT_HEAD.format(type="A") % number, DATA)
    while Function.ended < sagas:
        await asyncio.sleep(0.005)
    publisher.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sagas", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=16)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.sagas, arguments.at_once))


if __name__ == "__main__":
    main()
