"""Deliveries of a Trigger that is ordered, and of those that are not."""

from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from tests.broker.contract import Contract

# With ten partitions, as broker/kafka asks for and the embedded broker has, these keys are in different ones.
ONE_KEY, ANOTHER_KEY = "a", "b"
PARTITION = "knativekafkapartition"


def test_the_next_event_of_a_key_waits_for_the_end_of_the_one_before(contract: Contract) -> None:
    if not contract.expected.keeps_order:
        pytest.skip("this class knows no order")
    failing = {"ordered": [{"status": 503, "delay": 0.2}], "sink": [{"status": 204, "delay": 0.4}]}

    first = contract.publish("contract.ordered", failing, partitionkey=ONE_KEY)
    second = contract.publish("contract.ordered", {"ordered": [{"delay": 0.2}]}, partitionkey=ONE_KEY)
    third = contract.publish("contract.ordered", partitionkey=ONE_KEY)
    other = contract.publish("contract.ordered", partitionkey=ANOTHER_KEY)

    (at_third,) = contract.deliveries(third, "ordered", 1)
    (at_second,) = contract.deliveries(second, "ordered", 1)
    (letter,) = contract.deliveries(first, "sink", 1)
    attempts = contract.deliveries(first, "ordered", 2)
    (at_other,) = contract.deliveries(other, "ordered", 1)
    assert at_other.attributes[PARTITION] != at_third.attributes[PARTITION], (
        "both keys are in one partition: the suite needs a topic with ten (tests/broker/README.md)"
    )
    assert attempts[-1].at < letter.at
    assert at_second.at - letter.at >= 0.39
    assert at_third.at - at_second.at >= 0.19
    assert at_other.at < letter.at, "another partition does not wait"


def test_unordered_events_overtake_one_that_waits_for_its_retry(contract: Contract) -> None:
    script = {"attempts": [{"status": 503}, {"status": 204}]}
    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(contract.publish, "contract.attempts", script, partitionkey="k")
        wait([slow], timeout=0.1)  # class MT acknowledges after the retry, which comes later than that
        quick = contract.publish("contract.attempts", partitionkey="k")

    (at_quick,) = contract.deliveries(quick, "attempts", 1)
    retried = contract.deliveries(slow.result(), "attempts", 2)
    assert at_quick.at < retried[1].at
