"""Delivery settings, destinations, filters and durations as the embedded broker reads them."""

import json
from pathlib import Path
from typing import Any

import pytest

from broker.embedded.durations import iso_8601_seconds
from broker.embedded.filters import only_type
from broker.embedded.partitions import murmur2
from broker.embedded.retry_policy import RetryPolicy
from broker.embedded.triggers import Trigger, TriggerError, read_manifests

SERVICES = {"policy": "http://127.0.0.1:1001", "sink": "http://127.0.0.1:1002"}
POLICY = {"ref": {"kind": "Service", "name": "policy"}}
SINK = {"ref": {"kind": "Service", "name": "sink"}, "uri": "/letters?from=broker"}


def read(tmp_path: Path, *documents: dict[str, Any]) -> tuple[Trigger, ...]:
    file = tmp_path / "manifests.yaml"
    file.write_text("\n---\n".join(json.dumps(each) for each in documents))
    return read_manifests([tmp_path], SERVICES).triggers


def broker(**spec: Any) -> dict[str, Any]:
    return {"kind": "Broker", "metadata": {"namespace": "airline", "name": "airline"}, "spec": spec}


def trigger(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"namespace": "airline", "name": "on-it", "annotations": annotations}
    return {"kind": "Trigger", "metadata": metadata, "spec": {"broker": "airline", "subscriber": POLICY, **spec}}


@pytest.mark.parametrize(
    ("of_broker", "of_trigger", "expected"),
    [
        (None, None, RetryPolicy(10, "exponential", 0.2, 600, None)),
        ({"retry": 2, "backoffPolicy": "linear"}, None, RetryPolicy(2, "linear", 0.2, 600, None)),
        ({"retry": 2}, {"timeout": "PT20S"}, RetryPolicy(0, "exponential", 0.2, 20, None)),
        (
            None,
            {"deadLetterSink": SINK},
            RetryPolicy(0, "exponential", 0.2, 600, "http://127.0.0.1:1002/letters?from=broker"),
        ),
        ({"retry": 2}, {}, RetryPolicy(0, "exponential", 0.2, 600, None)),
    ],
)
def test_delivery_settings_come_whole_from_trigger_broker_or_default(
    tmp_path: Path, of_broker: Any, of_trigger: Any, expected: RetryPolicy
) -> None:
    settings = [({"delivery": each} if each is not None else {}) for each in (of_broker, of_trigger)]

    (read_trigger,) = read(tmp_path, broker(**settings[0]), trigger(**settings[1]))

    assert read_trigger.retry_policy == expected


@pytest.mark.parametrize(
    ("subscriber", "there"),
    [
        ({"ref": {"kind": "Service", "name": "policy"}}, "http://policy.airline.svc.cluster.local"),
        (
            {"ref": {"kind": "Service", "name": "policy", "namespace": "other"}, "uri": "/a"},
            "http://policy.other.svc.cluster.local/a",
        ),
        ({"uri": "http://elsewhere/a"}, "http://elsewhere/a"),
    ],
)
def test_a_dead_letter_names_its_subscriber_as_on_a_cluster(tmp_path: Path, subscriber: Any, there: str) -> None:
    (read_trigger,) = read(tmp_path, broker(), trigger(subscriber=subscriber))

    assert read_trigger.subscriber_there == there


def test_backoff_doubles_from_twice_the_delay_or_grows_by_the_delay() -> None:
    exponential, linear = (RetryPolicy(4, policy, 0.5, 5, None) for policy in ("exponential", "linear"))

    assert [exponential.backoff(retry) for retry in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert [linear.backoff(retry) for retry in (1, 2, 3)] == [0.5, 1.0, 1.5]


def test_the_default_delivery_waits_409_seconds_in_all() -> None:
    policy = RetryPolicy(10, "exponential", 0.2, 600, None)

    assert sum(policy.backoff(retry) for retry in range(1, 11)) == pytest.approx(409.2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"broker": "other"}, "Broker /airline/other is not among the manifests"),
        ({"subscriber": {"ref": {"kind": "Service", "name": "nobody"}}}, "--service nobody=URL"),
        ({"subscriber": {"ref": {"kind": "Channel", "name": "policy"}}}, "only Services"),
        ({"subscriber": {"uri": "/relative"}}, "absolute http:// uri"),
        ({"subscriber": {"uri": "https://secure"}}, "absolute http:// uri"),
        ({"delivery": {"retry": -1}}, "retry"),
        ({"delivery": {"backoffPolicy": "constant"}}, "backoffPolicy"),
        ({"delivery": {"timeout": "5s"}}, "ISO 8601"),
        ({"delivery": {"timeout": "PT0S"}}, "greater than 0"),
        ({"filters": [{"cesql": "true"}]}, "cesql is not supported"),
        ({"filters": [{"exact": {"type": "a"}, "prefix": {"type": "b"}}]}, "exactly one dialect"),
        ({"filters": [{"exact": {"Type": "a"}}]}, "not an attribute name"),
        ({"filters": [{"prefix": {"type": ""}}]}, "no empty values"),
        ({"filters": [{"regex": {"type": "a"}}]}, "unknown filter dialect"),
        ({"filters": [{"any": []}]}, "needs a list"),
        ({"filter": {"attributes": {"type": 7}}}, "must be text"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TriggerError, match=f"Trigger airline/on-it: .*{message}"):
        read(tmp_path, broker(), trigger(**changes))


def test_order_is_an_annotation_of_the_trigger(tmp_path: Path) -> None:
    name = "kafka.eventing.knative.dev/delivery.order"

    assert [read(tmp_path, broker(), trigger({name: order}))[0].ordered for order in ("Ordered", "unordered")] == [
        True,
        False,
    ]
    with pytest.raises(TriggerError, match="ordered or unordered"):
        read(tmp_path, broker(), trigger({name: "sorted"}))


def test_an_empty_value_in_filter_attributes_is_ignored_as_class_kafka_does(tmp_path: Path) -> None:
    (read_trigger,) = read(tmp_path, broker(), trigger(filter={"attributes": {"type": "a", "subject": ""}}))

    assert read_trigger.accepts({"type": "a"})
    assert not read_trigger.accepts({"type": "b"})


def test_manifests_without_a_broker_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TriggerError, match="no Broker"):
        read(tmp_path, trigger())


def test_a_file_that_is_not_yaml_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("{")

    with pytest.raises(TriggerError, match=r"broken\.yaml"):
        read_manifests([tmp_path], SERVICES)


@pytest.mark.parametrize(
    ("text", "value"), [("PT0.2S", 0.2), ("PT20S", 20), ("PT1M30S", 90), ("PT1H", 3600), ("P1DT1S", 86401)]
)
def test_durations_are_iso_8601(text: str, value: float) -> None:
    assert iso_8601_seconds(text) == value


@pytest.mark.parametrize("text", ["", "P", "PT", "5s", "PT5", "PT-1S", "P1Y", "5"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        iso_8601_seconds(text)


@pytest.mark.parametrize(
    ("key", "signed"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("abc", 479470107)],
)
def test_keys_are_hashed_as_kafka_does(key: str, signed: int) -> None:
    assert murmur2(key.encode()) == signed % 2**32


@pytest.mark.parametrize(
    ("spec", "type_"),
    [
        ({"filter": {"attributes": {"type": "Paid"}}}, "Paid"),
        ({"filter": {"attributes": {"type": "Paid", "source": "/x"}}}, "Paid"),
        ({"filter": {"attributes": {"type": ""}}}, None),
        ({"filter": {"attributes": {"type": "Paid"}}, "filters": [{"prefix": {"type": "P"}}]}, None),
        ({}, None),
    ],
)
def test_the_only_type_that_a_filter_lets_through_is_known(spec: dict[str, Any], type_: str | None) -> None:
    assert only_type(spec) == type_
