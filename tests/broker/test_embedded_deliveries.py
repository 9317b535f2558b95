"""The embedded broker reports, over HTTP, what became of each event at each Trigger."""

from typing import Any

import pytest
import requests

from testbed.ports import free_port
from testbed.running_system import eventually
from tests.broker.contract import Contract
from tests.broker.processes import QUICK, EmbeddedBroker, Start, trigger

SAGA = "7K3M9QX2V4TB"
SINK = {"ref": {"kind": "Service", "name": "recorder"}, "uri": "/sink"}
AGAIN = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0.01S", "timeout": "PT5S", "deadLetterSink": SINK}


def deliveries_of(broker: EmbeddedBroker, **wanted: str) -> Any:
    return requests.get(broker.url("/-/deliveries"), params=wanted, timeout=10).json()


def settled(broker: EmbeddedBroker, state: str) -> Any:
    """The only delivery of SAGA, once it is in that state."""

    def look() -> Any:
        [event] = deliveries_of(broker, correlationid=SAGA)["events"]
        [delivery] = event["deliveries"]
        return delivery if delivery["state"] == state else None

    return eventually(look, f"the delivery is {state}")


@pytest.mark.parametrize(
    ("answers", "state", "failures"),
    [
        ([204], "delivered", []),
        ([503, 204], "delivered", ["status 503", None]),
        ([503], "dead-lettered", ["status 503", "status 503", None]),
        ([422], "dead-lettered", ["status 422", None]),
    ],
)
def test_attempts_and_the_end_of_a_delivery_are_reported(
    embedded: Start, recorder_url: str, answers: list[int], state: str, failures: list[str | None]
) -> None:
    broker = embedded(recorder_url, trigger("seats", AGAIN))
    script = {"seats": [{"status": status} for status in answers]}
    Contract(broker.url(), "Kafka", recorder_url).publish("contract.plain", script, correlationid=SAGA)

    delivery = settled(broker, state)

    assert delivery["trigger"] == "airline-contract/seats"
    assert [attempt["failure"] for attempt in delivery["attempts"]] == failures
    assert broker.figures("airline-contract/seats")["retries"] == (503 in answers)


def test_an_event_that_nobody_took_is_reported_as_kept(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, trigger("seats", AGAIN), trigger("lonely", QUICK))
    refuse = [{"status": 422}]
    script = {"seats": refuse, "sink": refuse, "lonely": refuse}
    Contract(broker.url(), "Kafka", recorder_url).publish("contract.plain", script, correlationid=SAGA)

    def look() -> Any:
        [event] = deliveries_of(broker, correlationid=SAGA)["events"]
        deliveries = {each["trigger"].partition("/")[2]: each for each in event["deliveries"]}
        return deliveries if {each["state"] for each in deliveries.values()} == {"kept"} else None

    deliveries = eventually(look, "both are kept")
    assert [attempt["to"] for attempt in deliveries["seats"]["attempts"]] == ["subscriber", "dead-letter sink"]
    assert [attempt["to"] for attempt in deliveries["lonely"]["attempts"]] == ["subscriber"]


def test_a_retry_says_when_it_is_due_and_is_still_reported_after_a_kill(embedded: Start, recorder_url: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    slow = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT10M", "timeout": "PT5S"}
    broker = embedded(nobody, trigger("seats", slow))
    Contract(broker.url(), "Kafka", recorder_url).publish("contract.plain", correlationid=SAGA)

    delivery = settled(broker, "retrying")
    [attempt] = delivery["attempts"]
    assert attempt["failure"].startswith("no connection")
    assert delivery["nextAt"] == attempt["nextAt"] > attempt["at"]
    broker.stop(9)

    broker = embedded(recorder_url, trigger("seats", slow))
    assert settled(broker, "delivered")["attempts"] == [attempt]


def test_an_event_taken_twice_is_reported_twice(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, trigger("seats", QUICK))
    event = {"specversion": "1.0", "id": "once", "source": "/agency", "type": "t", "correlationid": SAGA}
    for _ in range(2):
        headers = {"content-type": "application/cloudevents+json"}
        assert requests.post(broker.url(), json=event, headers=headers, timeout=10).status_code == 202

    found = deliveries_of(broker, correlationid=SAGA, type="t")

    assert [each["id"] for each in found["events"]] == ["once", "once"]
    assert not found["more"]


def test_only_attributes_can_be_asked_for(embedded: Start, recorder_url: str) -> None:
    broker = embedded(recorder_url, trigger("seats", QUICK))
    refused = requests.get(broker.url("/-/deliveries?Correlation-Id=x"), timeout=10)
    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
    assert requests.post(broker.url("/-/deliveries"), timeout=10).status_code == 405
    assert requests.head(broker.url("/-/deliveries"), timeout=10).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"{number:x}=" for number in range(1290)),
        "&".join(f"a{number}=1" for number in range(17)),
        "id=1&id=2",
        f"id={'x' * 1025}",
        f"{'x' * 1025}=1",
        "Correlation-Id=x",
        "%00=1",
    ],
    ids=lambda query: query[:20],
)
def test_a_question_that_is_too_large_or_unclear_is_refused_with_a_problem_document(
    embedded: Start, recorder_url: str, query: str
) -> None:
    broker = embedded(recorder_url)

    refused = requests.get(broker.url(f"/-/deliveries?{query}"), timeout=10)

    assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
    assert refused.json()["status"] == 400


@pytest.mark.parametrize("value", ["%FF", "%00", "%ED%A0%80", "'", "%25", "주문-1"])
def test_any_value_may_be_asked_for(embedded: Start, recorder_url: str, value: str) -> None:
    broker = embedded(recorder_url)

    for name in ("id", "correlationid", "source"):
        answer = requests.get(broker.url(f"/-/deliveries?{name}={value}"), timeout=10)
        assert (answer.status_code, answer.json()["events"]) == (200, [])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/-/nothing", 404), ("POST", "/-/status", 405), ("GET", "/-/kept/1/replay", 405)],
)
def test_what_the_broker_does_not_report_is_answered_with_a_problem_document(
    embedded: Start, recorder_url: str, method: str, path: str, status: int
) -> None:
    answer = requests.request(method, embedded(recorder_url).url(path), timeout=10)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
