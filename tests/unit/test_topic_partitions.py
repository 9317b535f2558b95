"""Whether the Broker's topic has the partitions that were asked for, from a Kafka that says so byte by byte."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from broker.kafka import partitions

TOPIC = "knative-broker-airline-airline"


def text(value: str) -> bytes:
    return struct.pack(">h", len(value)) + value.encode()


def metadata(count: int, error: int = 0) -> bytes:
    """An answer to a Metadata request of version 4, as Kafka 4.1.1 gave it: one broker, one topic."""
    brokers = struct.pack(">ii", 1, 1) + text("127.0.0.1") + struct.pack(">ih", 9092, -1)
    each = b"".join(struct.pack(">hiiiiii", 0, number, 1, 1, 1, 1, 1) for number in range(count))
    topics = struct.pack(">ih", 1, error) + text(TOPIC) + b"\0" + struct.pack(">i", count) + each
    body = struct.pack(">ii", 0, 0) + brokers + text("4L6g3nShT") + struct.pack(">i", 1) + topics
    return struct.pack(">i", len(body)) + body


@contextmanager
def kafka(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers the first connection so and closes it; its address and what it was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            asked.append(connection.recv(1024))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", asked
        thread.join()


def nobody() -> str:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def verdict(servers: str) -> tuple[int, str]:
    return partitions.verdict({"TOPIC": TOPIC, "PARTITIONS": "10", "BOOTSTRAP_SERVERS": servers})


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (metadata(10), 0, "has 10 partitions, as the Broker asks"),
        (metadata(1), 1, "has 1 partition, and the Broker asks for 10"),
        (metadata(12), 1, "has 12 partitions, and the Broker asks for 10"),
        (metadata(0, error=3), 0, "There is no topic"),
        (metadata(0, error=29), 1, "error code 29"),
        (b"", 1, "does it want TLS or a user?"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", 1, "does it want TLS or a user?"),
        (metadata(10)[:40], 1, "could not be counted"),
    ],
)
def test_a_topic_with_other_partitions_than_the_broker_asks_for_is_reported(
    answer: bytes, code: int, said: str
) -> None:
    with kafka(answer) as (address, _):
        found = verdict(address)

    assert found[0] == code
    assert said in found[1]


def test_the_question_makes_no_topic() -> None:
    with kafka(metadata(10)) as (address, asked):
        verdict(address)

    allow_auto_topic_creation = asked[0][-1:]
    assert TOPIC.encode() in asked[0]
    assert allow_auto_topic_creation == b"\0"


def test_another_server_is_asked_where_one_is_away() -> None:
    with kafka(metadata(10)) as (address, _):
        assert verdict(f"{nobody()}, {address}")[0] == 0


@pytest.mark.parametrize("servers", [nobody, lambda: "kafka", lambda: ""])
def test_a_kafka_that_is_not_there_is_named(servers: Callable[[], str]) -> None:
    named = servers()

    code, said = verdict(named)

    assert code == 1
    assert f"could not be counted: {named}: " in said
