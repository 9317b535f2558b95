"""What the broker makes of each answer: done, retried, dead-lettered.

All events are published at once before the first test looks, because retries take their time. When those with the
longest retries are over, a retry that should not be would have been seen, too.
"""

import base64
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.broker.contract import Contract, Delivery, assert_waits, binary_headers, reply

DONE: dict[str, dict[str, Any]] = {f"{status} without a body": {"status": status} for status in (200, 201, 202, 204)}
BAD_REPLIES: dict[str, dict[str, Any]] = {
    "text": {"status": 200, "body": "OK"},
    "JSON": {"status": 200, "body": "{}", "headers": {"content-type": "application/json"}},
    "broken structured event": {
        "status": 200,
        "body": "{",
        "headers": {"content-type": "application/cloudevents+json"},
    },
    "batch": {"status": 200, "body": "[]", "headers": {"content-type": "application/cloudevents-batch+json"}},
}
INCOMPLETE: dict[str, Any] = {"status": 200, "headers": {"ce-specversion": "1.0", "ce-id": "1"}}
NOT_RETRIED = (302, 400, 401, 403, 405, 410, 413, 415, 422, 425)
RETRIED = (404, 408, 409, 429, 500, 501, 502, 503, 504)
REPLY_AFTER_A_RETRY = uuid.uuid4().hex

SCRIPTS: dict[str, tuple[str, dict[str, list[dict[str, Any]]]]] = {
    **{f"done: {name}": ("contract.attempts", {"attempts": [answer]}) for name, answer in DONE.items()},
    **{f"bad reply: {name}": ("contract.attempts", {"attempts": [answer]}) for name, answer in BAD_REPLIES.items()},
    **{
        f"status {status}": ("contract.attempts", {"attempts": [{"status": status, "body": f"no {status}"}]})
        for status in NOT_RETRIED + RETRIED
    },
    "incomplete reply": ("contract.attempts", {"attempts": [{**INCOMPLETE, "body": "{}"}]}),
    "incomplete reply without a body": ("contract.attempts", {"attempts": [INCOMPLETE]}),
    "second try": ("contract.attempts", {"attempts": [{"status": 503}, {"status": 204}]}),
    "refused on the second try": ("contract.attempts", {"attempts": [{"status": 503}, {"status": 422}]}),
    "reply after a retry": ("contract.attempts", {"attempts": [{"status": 503}, reply(REPLY_AFTER_A_RETRY)]}),
    "sink answers text": (
        "contract.attempts",
        {"attempts": [{"status": 400}], "sink": [{"status": 200, "body": "OK"}]},
    ),
    "sink is away for a moment": (
        "contract.attempts",
        {"attempts": [{"status": 400}], "sink": [{"status": 503}, {"status": 204}]},
    ),
    "empty refusal": ("contract.attempts", {"attempts": [{"status": 422}]}),
    "error headers": (
        "contract.attempts",
        {"attempts": [{"status": 422, "headers": {"kne-errcategory": "capacity", "KNE-Other": "x"}}]},
    ),
    "linear": ("contract.linear", {"linear": [{"status": 503}]}),
    "only a sink": ("contract.only-sink", {"only-sink": [{"status": 503}]}),
    "no sink": ("contract.no-sink", {"no-sink": [{"status": 503}]}),
    "delivery of the broker": ("contract.of-the-broker", {"of-the-broker": [{"status": 503}]}),
}

EventOf = Callable[[str], str]


@pytest.fixture(scope="module")
def event_of(contract: Contract) -> EventOf:
    """Name of a script -> id of the event that carries it."""
    with ThreadPoolExecutor(len(SCRIPTS)) as threads:
        published = {name: threads.submit(contract.publish, *script) for name, script in SCRIPTS.items()}
    for status in RETRIED:
        contract.deliveries(published[f"status {status}"].result(), "sink", 1)
    return lambda name: published[name].result()


def dead_letter(contract: Contract, event_id: str) -> Delivery:
    return contract.only_deliveries(event_id, "sink", 1)[0]


@pytest.mark.parametrize("answer", DONE)
def test_an_empty_2xx_ends_the_delivery(contract: Contract, event_of: EventOf, answer: str) -> None:
    event_id = event_of(f"done: {answer}")

    contract.only_deliveries(event_id, "attempts", 1)
    contract.only_deliveries(event_id, "sink", 0)


@pytest.mark.parametrize("answer", BAD_REPLIES)
def test_a_2xx_that_is_not_an_event_is_a_failure(contract: Contract, event_of: EventOf, answer: str) -> None:
    event_id = event_of(f"bad reply: {answer}")

    letter = dead_letter(contract, event_id)
    attempts = contract.only_deliveries(event_id, "attempts", 4 if contract.expected.bad_reply_is_retried else 1)

    assert set(letter.error_extensions) == contract.expected.bad_reply_extensions
    assert_waits(attempts, contract.expected.exponential_half_second[: len(attempts) - 1])


def test_a_reply_that_lacks_attributes_is_dead_lettered_at_once(contract: Contract, event_of: EventOf) -> None:
    letter = dead_letter(contract, event_of("incomplete reply"))

    contract.only_deliveries(event_of("incomplete reply"), "attempts", 1)
    assert set(letter.error_extensions) == contract.expected.incomplete_reply_extensions


def test_a_reply_without_attributes_and_body_is_not_a_reply_where_the_class_says_so(
    contract: Contract, event_of: EventOf
) -> None:
    event_id = event_of("incomplete reply without a body")

    contract.only_deliveries(event_id, "attempts", 1)
    contract.only_deliveries(event_id, "sink", int(not contract.expected.ignores_incomplete_replies_without_a_body))


@pytest.mark.parametrize("status", NOT_RETRIED)
def test_a_refusal_goes_to_the_sink_at_once(contract: Contract, event_of: EventOf, status: int) -> None:
    event_id = event_of(f"status {status}")

    letter = dead_letter(contract, event_id)
    (attempt,) = contract.only_deliveries(event_id, "attempts", 1)

    assert letter.at - attempt.at < 1.5
    assert letter.attributes["knativeerrorcode"] == str(status)
    assert letter.attributes["knativeerrordest"].endswith("/attempts")
    assert base64.b64decode(letter.attributes["knativeerrordata"]) == f"no {status}".encode()


@pytest.mark.parametrize("status", RETRIED)
def test_a_trouble_is_retried_with_backoff_and_then_dead_lettered(
    contract: Contract, event_of: EventOf, status: int
) -> None:
    event_id = event_of(f"status {status}")

    letter = dead_letter(contract, event_id)
    attempts = contract.only_deliveries(event_id, "attempts", 4)

    assert_waits(attempts, contract.expected.exponential_half_second)
    assert letter.attributes["knativeerrorcode"] == str(status)


def test_a_dead_letter_is_the_event_with_what_went_wrong(contract: Contract, event_of: EventOf) -> None:
    event_id = event_of("status 422")
    letter = dead_letter(contract, event_id)
    (attempt,) = contract.deliveries(event_id, "attempts", 1)

    assert letter.body == attempt.body
    added = set(letter.attributes) - set(attempt.attributes) - {"knativebrokerttl"}
    assert added == {"knativeerrordest", "knativeerrorcode", "knativeerrordata"}
    assert {name: letter.attributes[name] for name in attempt.attributes} == attempt.attributes


def test_a_retry_may_succeed(contract: Contract, event_of: EventOf) -> None:
    contract.only_deliveries(event_of("second try"), "attempts", 2)
    contract.only_deliveries(event_of("second try"), "sink", 0)


def test_a_retry_may_be_refused(contract: Contract, event_of: EventOf) -> None:
    letter = dead_letter(contract, event_of("refused on the second try"))

    assert letter.attributes["knativeerrorcode"] == "422"
    contract.only_deliveries(event_of("refused on the second try"), "attempts", 2)


def test_a_reply_after_a_retry_goes_into_the_broker(contract: Contract, event_of: EventOf) -> None:
    event_of("reply after a retry")

    contract.deliveries(REPLY_AFTER_A_RETRY, "replies", 1)


def test_a_sink_that_answers_text_is_not_asked_again(contract: Contract, event_of: EventOf) -> None:
    contract.only_deliveries(event_of("sink answers text"), "sink", 1)


def test_a_publisher_learns_of_an_event_that_nobody_takes_where_the_class_answers_last(contract: Contract) -> None:
    script = json.dumps({"attempts": [{"status": 422}], "sink": [{"status": 422}]}).encode()

    answer = contract.post(binary_headers(uuid.uuid4().hex, "contract.attempts"), script)

    assert answer.status_code == (202 if contract.expected.acknowledges_before_delivering else 500)


def test_the_sink_is_retried_as_the_subscriber_is(contract: Contract, event_of: EventOf) -> None:
    letters = contract.only_deliveries(event_of("sink is away for a moment"), "sink", 2)

    assert_waits(letters, contract.expected.exponential_half_second[:1])


def error_data_of_a_refusal(contract: Contract, size: int) -> bytes:
    script = {"attempts": [{"status": 422, "body": "x", "times": size}]}
    letter = dead_letter(contract, contract.publish("contract.attempts", script))
    return base64.b64decode(letter.attributes["knativeerrordata"])


def test_a_refusal_up_to_the_bound_of_the_class_is_kept_whole(contract: Contract) -> None:
    bound = contract.expected.error_data_bytes

    assert error_data_of_a_refusal(contract, bound) == b"x" * bound


def test_a_longer_refusal_is_cut(contract: Contract) -> None:
    if not contract.expected.survives_longer_refusals:
        pytest.skip("a longer refusal kills this class's channel dispatcher and loses what is in flight")

    data = error_data_of_a_refusal(contract, 5000)

    assert contract.expected.error_data_bytes <= len(data) < 5000
    assert set(data) == set(b"x")


def test_an_empty_refusal_has_a_code_only(contract: Contract, event_of: EventOf) -> None:
    letter = dead_letter(contract, event_of("empty refusal"))

    assert letter.attributes["knativeerrorcode"] == "422"
    assert not letter.attributes.get("knativeerrordata")


def test_error_headers_become_extensions(contract: Contract, event_of: EventOf) -> None:
    letter = dead_letter(contract, event_of("error headers"))

    if contract.expected.turns_error_headers_into_extensions:
        assert letter.attributes["errcategory"] == "capacity"
        assert letter.attributes["other"] == "x"
    else:
        assert "errcategory" not in letter.attributes


def test_linear_backoff_grows_by_the_delay(contract: Contract, event_of: EventOf) -> None:
    dead_letter(contract, event_of("linear"))

    assert_waits(contract.deliveries(event_of("linear"), "linear", 3), contract.expected.linear_three_tenths)


def test_no_answer_in_time_is_retried_and_dead_lettered_without_a_code(contract: Contract) -> None:
    # Not among the scripts: the timeout runs from the sending, so a delivery that is late in the crowd seems short.
    event_id = contract.publish("contract.impatient", {"impatient": [{"status": 204, "delay": 4}]})

    letter = dead_letter(contract, event_id)
    attempts = contract.only_deliveries(event_id, "impatient", 2)
    backoff = contract.expected.exponential_half_second[0] * 0.2 / 0.5
    assert_waits(attempts, (1.0 + backoff,))
    assert letter.at - attempts[-1].at > 0.9
    assert set(letter.error_extensions) == contract.expected.timeout_extensions


def test_a_delivery_with_only_a_sink_has_no_retries(contract: Contract, event_of: EventOf) -> None:
    dead_letter(contract, event_of("only a sink"))

    contract.only_deliveries(event_of("only a sink"), "only-sink", 1)


def test_the_delivery_of_a_trigger_replaces_the_one_of_the_broker(contract: Contract, event_of: EventOf) -> None:
    contract.only_deliveries(event_of("no sink"), "no-sink", 2)
    of_the_broker = int(contract.expected.falls_back_to_the_sink_of_the_broker)
    contract.only_deliveries(event_of("no sink"), "broker-sink", of_the_broker)


def test_a_trigger_without_delivery_has_the_one_of_its_broker(contract: Contract, event_of: EventOf) -> None:
    contract.only_deliveries(event_of("delivery of the broker"), "broker-sink", 1)
    contract.only_deliveries(event_of("delivery of the broker"), "of-the-broker", 2)
