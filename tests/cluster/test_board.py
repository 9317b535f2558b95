"""The live board of a cluster (knative/components/board): what a watcher sees, and what watching costs the others."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import pytest
import yaml

from demos.cluster import OF_A_SERVICE, ONLOOKER
from demos.kubectl import SERVICE, Namespace
from testbed.airline_under_test import AirlineUnderTest
from testbed.running_system import ROOT
from tests.cluster.installation import Installation
from tests.cluster.watcher import watching

SAGA = {"ReservationPlaced", "RemainingSeatsDecreased", "Paid", "ReservationConfirmed"}
SLEEP_WITHIN = 600.0
"""Seconds: the windows of two functions in a row, and housekeeping wakes its own every five minutes."""
STREAMS = 3
"""Each lasts 45 s, longer than a function stays awake without a call."""
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
PING = "pingsources.sources.knative.dev"
KINDS = (
    ("", "pods"),
    ("", "pods/log"),
    ("", "pods/exec"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "serviceaccounts/token"),
    ("apps", "deployments"),
    ("serving.knative.dev", "services"),
    ("eventing.knative.dev", "triggers"),
    ("eventing.knative.dev", "brokers"),
    ("rbac.authorization.k8s.io", "roles"),
)


@pytest.fixture(autouse=True)
def _there_is_a_board(installation: Installation) -> None:
    if ONLOOKER not in {one["metadata"]["name"] for one in installation.namespace.items(SERVICE)}:
        pytest.skip(f"overlay {installation.overlay} has no component board")


def test_the_board_shows_a_saga_as_it_happens_and_who_is_awake(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    with watching(airline) as watcher:
        airline.eventually(lambda: watcher.functions, "the board says who is awake")
        reservation = airline.place_reservation(flight, 1)
        airline.eventually(lambda: watcher.types(reservation) >= SAGA, "every event of the saga is on the board")
        airline.eventually(lambda: watcher.functions["decrease-seats"]["state"] == "awake", "decrease-seats is awake")

    (placed,) = [
        one
        for one in watcher.events
        if one["event"]["type"] == "ReservationPlaced" and one["event"]["correlationid"] == reservation
    ]
    hearers = {trigger.rpartition("/")[2] for trigger in placed["triggers"]}
    assert hearers == {"decrease-seats-on-reservation-placed", "project-dashboard-on-every-event"}
    assert placed["event"]["data"]["reservationId"] == reservation
    assert {"gateway", ONLOOKER} & {*watcher.functions} == set()


def test_events_are_followed_in_a_terminal(airline: AirlineUnderTest) -> None:
    flight = airline.add_flight(seats=5)
    with follower(airline) as lines:
        reservation = airline.place_reservation(flight, 1)
        missing = {*SAGA}
        for line in lines:
            event = json.loads(line)["event"]
            if event.get("correlationid") == reservation:
                missing.discard(event["type"])
            if not missing:
                break
    assert missing == set()


def test_watching_wakes_no_function_and_the_board_sleeps_when_nobody_watches(
    installation: Installation, airline: AirlineUnderTest
) -> None:
    running, namespace = installation.running, installation.namespace
    ticked = {source["spec"]["sink"]["ref"]["name"] for source in namespace.items(PING)}
    with running.watch() as watch:
        asleep = watch.until_asleep(running.sleepers, SLEEP_WITHIN)
        with watching(airline) as watcher:
            airline.eventually(lambda: watcher.streams >= STREAMS, f"{STREAMS} streams have begun", SLEEP_WITHIN)
            boards = pods_of(namespace, ONLOOKER)
        leaving = {one.name for one in asleep.instances}
        woken = {one.function for one in watch.instances(asleep.at) if one.name not in leaving}
    installation.figures["woken while somebody only watched"] = ", ".join(sorted(woken)) or "nobody"

    assert watcher.refusals == []
    assert len(boards) == 1
    assert woken <= ticked | watcher.hearers(), "somebody was woken by nothing that the board has shown"
    airline.eventually(lambda: pods_of(namespace, ONLOOKER) == [], "the board sleeps", SLEEP_WITHIN)


def test_the_board_may_look_at_what_it_shows_and_at_nothing_else(installation: Installation) -> None:
    own, other = installation.namespace.name, "kube-system"
    asked = [(there, verb, *kind) for there in (own, other) for verb in VERBS for kind in KINDS]
    allowed = {question for question, may in zip(asked, answers(own, asked), strict=True) if may}

    assert allowed == {
        (own, "list", "", "pods"),
        (own, "watch", "", "pods"),
        (own, "list", "serving.knative.dev", "services"),
        (own, "list", "eventing.knative.dev", "triggers"),
    }


def answers(own: str, asked: Sequence[tuple[str, str, str, str]]) -> list[bool]:
    """What the API server says to each: may the board of the namespace `own` do this verb to that kind in there?"""
    reviews = [review(own, *question) for question in asked]
    given = yaml.safe_dump_all(reviews)
    said = Namespace(own).run("create", "-f", "-", "-o", 'jsonpath={.status.allowed}{"\\n"}', given=given)
    return [line == "true" for line in said.splitlines()]


def review(own: str, there: str, verb: str, group: str, kind: str) -> dict[str, Any]:
    """A question to the API server (SubjectAccessReview of Kubernetes) about the board's ServiceAccount."""
    resource, _, part = kind.partition("/")
    attributes = {"namespace": there, "verb": verb, "group": group, "resource": resource, "subresource": part}
    account = {
        "user": f"system:serviceaccount:{own}:{ONLOOKER}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{own}", "system:authenticated"],
    }
    kind_of_review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
    return kind_of_review | {"spec": account | {"resourceAttributes": attributes}}


def pods_of(namespace: Namespace, function: str) -> list[Any]:
    """Those that stay."""
    pods = namespace.items("pods", "-l", f"{OF_A_SERVICE}={function}")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


@contextmanager
def follower(airline: AirlineUnderTest) -> Iterator[IO[str]]:
    """What `airline events --follow --json` prints, until the block ends."""
    command = [sys.executable, "-m", "cli", "--json", "--url", airline.gateway, "events", "--follow"]
    command += ["--host-header", airline.host] if airline.host else []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8") as program:
        assert program.stdout
        late = threading.Timer(SLEEP_WITHIN, program.kill)  # lines that never come would be waited for without end
        late.start()
        try:
            yield program.stdout
        finally:
            late.cancel()
            program.terminate()
