"""Whether the Broker's topic has as many partitions as its configuration asks for: python3 partitions.py

A Broker takes a topic that is there already, with whatever it has: left over from an earlier installation, or made by
Kafka itself (`auto.create.topics.enable`), and then with one partition. Nothing on a cluster reports it.

Reads BOOTSTRAP_SERVERS (host:port, several with commas), TOPIC and PARTITIONS. Exit code 0: as many, or no topic yet;
1: fewer or more, or Kafka did not answer; the last line says which. Standard library only, so it runs in any image: one
Metadata request, version 4 (Kafka 0.11 and newer; the first that can ask without making the topic). Without TLS and
users, as the Kafka of ../strimzi.
"""

import os
import socket
import struct
import sys
from collections.abc import Mapping

METADATA, VERSION = 3, 4
"""The key of the request and its version: https://kafka.apache.org/protocol#The_Messages_Metadata"""
UNKNOWN_TOPIC = 3
"""The error code of a topic that does not exist."""
TIMEOUT = 10.0
LARGEST = 1 << 20
"""Bytes of an answer about one topic; more is not a Kafka."""


class NoAnswer(Exception):
    """The server is not a Kafka that answers, or it wants TLS or a user first."""


class Answer:
    """Reads the fields of Kafka's protocol one after the other. Raises struct.error past the end."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def number(self, form: str) -> int:
        """A big-endian number, in the letters of `struct`."""
        (value,) = struct.unpack_from(f">{form}", self._content, self._at)
        self._at += struct.calcsize(f">{form}")
        return int(value)

    def skip_text(self) -> None:
        """A string, which may be null."""
        length = self.number("h")
        self._at += max(0, length)


def partitions(servers: str, topic: str) -> int | None:
    """How many the topic has; None: the topic does not exist. Raises NoAnswer if no server answers that."""
    failures = []
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            return _count(_asked(host, int(port), topic))
        except (OSError, ValueError, struct.error, NoAnswer) as error:
            failures.append(f"{server.strip()}: {error or type(error).__name__}")
    raise NoAnswer("; ".join(failures))


def _asked(host: str, port: int, topic: str) -> bytes:
    name = topic.encode()
    header = struct.pack(">hhih", METADATA, VERSION, 0, -1)
    body = struct.pack(">ih", 1, len(name)) + name + b"\0"
    with socket.create_connection((host, port), TIMEOUT) as connection, connection.makefile("rb") as answers:
        connection.sendall(struct.pack(">i", len(header + body)) + header + body)
        size = answers.read(4)
        if len(size) < len(b"size") or not 0 < (length := struct.unpack(">i", size)[0]) <= LARGEST:
            raise NoAnswer("it closes the connection or is not a Kafka broker; does it want TLS or a user?")
        return answers.read(length)


def _count(content: bytes) -> int | None:
    answer = Answer(content)
    for field in "ii":  # correlation, throttled
        answer.number(field)
    for _ in range(answer.number("i")):
        answer.number("i")
        answer.skip_text()
        answer.number("i")
        answer.skip_text()
    answer.skip_text()  # of the cluster
    answer.number("i")  # its controller
    answer.number("i")  # one topic, as asked
    error = answer.number("h")
    if error == UNKNOWN_TOPIC:
        return None
    if error:
        raise NoAnswer(f"Kafka refuses to describe the topic, error code {error}")
    answer.skip_text()
    answer.number("?")
    return answer.number("i")


def verdict(environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and the sentence."""
    topic, wanted = environment["TOPIC"], int(environment["PARTITIONS"])
    try:
        found = partitions(environment["BOOTSTRAP_SERVERS"], topic)
    except NoAnswer as error:
        return 1, f"The partitions of the topic {topic} could not be counted: {error}."
    if found is None:
        return 0, f"There is no topic {topic} yet."
    if found != wanted:
        has = f"{found} partition" + ("" if found == 1 else "s")
        return 1, f"The topic {topic} has {has}, and the Broker asks for {wanted}: it was there before this Broker."
    return 0, f"The topic {topic} has {found} partitions, as the Broker asks."


if __name__ == "__main__":
    code, sentence = verdict(os.environ)
    print(sentence)  # noqa: T201 - knative/deploy reads it in the log of the Job
    sys.exit(code)
