"""What the contract suite says: publish an event with a script, look at what came where, and what each class promises.

The classes differ; EXPECTED lists every difference that matters to a test, as seen on clusters.
"""

import base64
import itertools
import json
import uuid
from dataclasses import dataclass, replace
from typing import Any

import requests

from choreography import attributes

PATIENCE = 30.0  # seconds until something that must happen counts as missing
SLACK = 1.5  # seconds that a delivery may be late on a busy machine


@dataclass(frozen=True)
class Expected:
    """What one broker class promises where the classes differ; waits are seconds between deliveries."""

    exponential_half_second: tuple[float, ...]
    linear_three_tenths: tuple[float, ...]
    bad_reply_is_retried: bool
    bad_reply_extensions: frozenset[str]
    incomplete_reply_extensions: frozenset[str]  # MT: its ingress refuses the reply with 400
    ignores_incomplete_replies_without_a_body: bool
    timeout_extensions: frozenset[str]
    error_data_bytes: int  # of a refusal's body, that a dead letter carries whole
    survives_longer_refusals: bool  # MT: one byte more, and its channel dispatcher dies with all that is in flight
    added_extensions: frozenset[str]
    refuses_large_events: bool
    republishes_replies_of_the_sink: bool
    turns_error_headers_into_extensions: bool
    falls_back_to_the_sink_of_the_broker: bool
    refuses_capitals_in_structured_names: bool
    reads_base64_before_its_type: bool
    untyped_structured_data_arrive_as: str | None
    trims_structured_data: bool
    keeps_order: bool
    acknowledges_before_delivering: bool
    checks_how_headers_are_encoded: bool
    encodes_structured_attributes: bool  # else they go into the headers of a delivery as they are, or as "?"
    answers_100_continue: bool  # Kafka: a client that waits for it sends its body after a wait of its own


EXPECTED = {
    "Kafka": Expected(
        exponential_half_second=(1.0, 2.0, 4.0),
        linear_three_tenths=(0.3, 0.6),
        bad_reply_is_retried=False,
        bad_reply_extensions=frozenset({"knativeerrordest"}),
        incomplete_reply_extensions=frozenset({"knativeerrordest"}),
        ignores_incomplete_replies_without_a_body=True,
        timeout_extensions=frozenset({"knativeerrordest"}),
        error_data_bytes=1024,
        survives_longer_refusals=True,
        added_extensions=frozenset({"knativekafkapartition", "knativekafkaoffset"}),
        refuses_large_events=True,
        republishes_replies_of_the_sink=True,
        turns_error_headers_into_extensions=True,
        falls_back_to_the_sink_of_the_broker=False,
        refuses_capitals_in_structured_names=True,
        reads_base64_before_its_type=True,
        untyped_structured_data_arrive_as="application/json",
        trims_structured_data=True,
        keeps_order=True,
        acknowledges_before_delivering=True,
        checks_how_headers_are_encoded=False,
        encodes_structured_attributes=False,
        answers_100_continue=False,
    ),
    "MT": Expected(
        exponential_half_second=(0.5, 1.0, 2.0),
        linear_three_tenths=(0.0, 0.3),
        bad_reply_is_retried=True,
        bad_reply_extensions=frozenset(),
        incomplete_reply_extensions=frozenset({"knativeerrordest", "knativeerrorcode", "knativeerrordata"}),
        ignores_incomplete_replies_without_a_body=False,
        timeout_extensions=frozenset(),
        error_data_bytes=768,
        survives_longer_refusals=False,
        added_extensions=frozenset({"knativearrivaltime"}),
        refuses_large_events=False,
        republishes_replies_of_the_sink=False,
        turns_error_headers_into_extensions=False,
        falls_back_to_the_sink_of_the_broker=True,
        refuses_capitals_in_structured_names=False,
        reads_base64_before_its_type=False,
        untyped_structured_data_arrive_as=None,
        trims_structured_data=False,
        keeps_order=False,
        acknowledges_before_delivering=False,
        checks_how_headers_are_encoded=False,
        encodes_structured_attributes=False,
        answers_100_continue=True,
    ),
}


EXPECTED["embedded"] = replace(
    EXPECTED["Kafka"], checks_how_headers_are_encoded=True, encodes_structured_attributes=True
)
"""As Kafka, but by the letter of CloudEvents: an attribute is encoded and decoded once."""


@dataclass(frozen=True)
class Delivery:
    place: str
    at: float
    headers: dict[str, str]
    body: bytes

    @property
    def attributes(self) -> dict[str, str]:
        return {name[3:]: attributes.decoded(value) for name, value in self.headers.items() if name.startswith("ce-")}

    @property
    def error_extensions(self) -> dict[str, str]:
        return {name: value for name, value in self.attributes.items() if name.startswith("knativeerror")}


@dataclass(frozen=True)
class Contract:
    """A broker under test and the recorder behind its Triggers (`recorder_host`: its name, where no DNS knows it)."""

    broker_url: str
    broker_class: str
    recorder_url: str
    recorder_host: str | None = None

    @property
    def expected(self) -> Expected:
        return EXPECTED[self.broker_class]

    def publish(self, event_type: str, script: Any = None, **extensions: str) -> str:
        """Publishes an event, which the ingress must take, and returns its id. script: see the recorder."""
        event_id = uuid.uuid4().hex
        headers = binary_headers(event_id, event_type, **extensions)
        answer = self.post(headers, json.dumps(script or {}).encode())
        if self.expected.acknowledges_before_delivering:
            assert answer.status_code == 202, answer.text
        return event_id

    def post(self, headers: dict[str, str], body: bytes = b"") -> requests.Response:
        return requests.post(self.broker_url, headers=headers, data=body, timeout=120)

    def deliveries(self, event_id: str, place: str, at_least: int, within: float = PATIENCE) -> list[Delivery]:
        """What came so far; waits until there are this many."""
        found = self._ask(event_id, place, at_least, within)
        assert len(found) >= at_least, f"{len(found)} deliveries at {place}, expected {at_least}"
        return found

    def only_deliveries(self, event_id: str, place: str, exactly: int, quiet: float = 0) -> list[Delivery]:
        """Waits for this many deliveries, and quiet seconds to see that no more come.

        No quiet is needed where something that was seen already ends the deliveries.
        """
        self.deliveries(event_id, place, exactly)
        found = self._ask(event_id, place, exactly + 1, quiet)
        assert len(found) == exactly, [(each.place, each.at) for each in found]
        return found

    def _ask(self, event_id: str, place: str, count: int, wait: float) -> list[Delivery]:
        query: dict[str, str | float] = {"id": event_id, "place": place, "count": count, "wait": wait}
        headers = {"Host": self.recorder_host} if self.recorder_host else {}
        answer = requests.get(f"{self.recorder_url}/deliveries", params=query, headers=headers, timeout=wait + 10)
        return [
            Delivery(each["place"], each["at"], each["headers"], base64.b64decode(each["body"]))
            for each in answer.json()
        ]


def binary_headers(event_id: str, event_type: str, **extensions: str) -> dict[str, str]:
    named = {"specversion": "1.0", "id": event_id, "source": "/contract", "type": event_type, **extensions}
    headers = {f"ce-{name}": attributes.encoded(value) for name, value in named.items()}
    return {**headers, "content-type": "application/json"}


def structured(event_id: str, event_type: str, **members: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event_id, "source": "/contract", "type": event_type, **members}


def reply(event_id: str, event_type: str = "contract.reply", **extensions: str) -> dict[str, Any]:
    """An answer that is a CloudEvent in binary mode."""
    return {"status": 200, "headers": binary_headers(event_id, event_type, **extensions), "body": "{}"}


def waits(deliveries: list[Delivery]) -> list[float]:
    return [later.at - earlier.at for earlier, later in itertools.pairwise(deliveries)]


def assert_waits(deliveries: list[Delivery], expected: tuple[float, ...]) -> None:
    measured = waits(deliveries)
    assert len(measured) == len(expected), measured
    for wait, wanted in zip(measured, expected, strict=True):
        assert wanted - 0.1 <= wait <= wanted + SLACK, f"waits {measured}, expected {expected}"
