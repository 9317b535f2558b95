"""A new revision that gets a tenth of the calls first, and is taken back."""

from collections import Counter
from typing import Any

from demos import rollout
from demos.kubectl import SERVICE, Namespace, is_ready
from testbed.airline_under_test import AirlineUnderTest
from tests.cluster.installation import Installation

FUNCTION = "flight-seats"
CALLS = 100


def route(installation: Installation, *targets: dict[str, Any]) -> None:
    """Sends the calls there; returns when they go there."""
    installation.namespace.patch(SERVICE, FUNCTION, {"spec": {"traffic": list(targets)}})
    installation.airline.eventually(lambda: is_ready(service(installation)), "the calls go where they should")


def service(installation: Installation) -> Any:
    return installation.namespace.get(SERVICE, FUNCTION)


def answered_by(namespace: Namespace, path: str, revisions: list[str]) -> Counter[str]:
    """How many calls of that path each revision has logged."""
    logs = {
        revision: namespace.run(
            "logs", "-l", f"serving.knative.dev/revision={revision}", "-c", "user-container", "--tail=-1"
        )
        for revision in revisions
    }
    return Counter({revision: log.count(f'"GET {path}"') for revision, log in logs.items()})


def test_a_tenth_of_the_calls_goes_to_the_canary_and_none_after_its_rollback(
    installation: Installation, airline: AirlineUnderTest
) -> None:
    old = service(installation)["status"]["latestReadyRevisionName"]
    route(installation, {"revisionName": old, "percent": 100})
    try:
        rollout.roll(installation.namespace, [FUNCTION])
        new = service(installation)["status"]["latestReadyRevisionName"]
        trial, after = (f"/flights/{airline.add_flight(seats=1)}" for _ in range(2))

        route(installation, {"revisionName": old, "percent": 90}, {"revisionName": new, "percent": 10, "tag": "canary"})
        for _ in range(CALLS):
            airline.get(trial)
        shares = answered_by(installation.namespace, trial, [old, new])

        route(installation, {"revisionName": old, "percent": 100})
        for _ in range(CALLS // 5):
            airline.get(after)
        taken_back = answered_by(installation.namespace, after, [old, new])
    finally:
        route(installation, {"latestRevision": True, "percent": 100})
    assert shares.total() == CALLS
    assert 1 <= shares[new] <= CALLS * 0.3
    assert taken_back == {old: CALLS // 5, new: 0}
    installation.figures["canary with 10 percent"] = f"{shares[new]} of {CALLS} calls"
