"""Back to the revisions that were good, all Services of the system together.

    python3 knative/rollback.py remember     after a smoke test that passed: what runs now is good
    python3 knative/rollback.py back         after one that failed: traffic by name to what was good

The good revisions are in the ConfigMap `good-revisions` of the namespace, so that any machine with a kubeconfig can go
back. Serving keeps these revisions, however few old ones config-gc allows: they carry `serving.knative.dev/no-gc` until
others are remembered. Standard library and kubectl only, as a deploy job has nothing else. Why so, and what does not go
back with the revisions: docs/decisions/2026-11-25-back-to-revisions-by-name.md.
"""

import argparse
import json
import subprocess
import sys
import time
from typing import Any

SYSTEM = "app.kubernetes.io/part-of=airline"
MEMORY = "good-revisions"
SERVICES = "services.serving.knative.dev"
REVISIONS = "revisions.serving.knative.dev"
KEPT = "serving.knative.dev/no-gc"
"""The annotation of a Revision that Serving's garbage collection leaves alone (pkg/reconciler/gc of Serving 1.23)."""
WHOLE = 100
"""All traffic, in percent."""


class Refused(Exception):
    """One sentence: why nothing was done, or what was not."""


class Cluster:
    """One namespace, through kubectl and whatever cluster that is configured for."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl printed. Raises Refused with its last words."""
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        done = subprocess.run(command, input=stdin, encoding="utf-8", capture_output=True, check=False)
        if done.returncode != 0:
            raise Refused(f"kubectl {arguments[0]} failed: {done.stderr.strip()}")
        return done.stdout

    def services(self) -> dict[str, Any]:
        """By name, the Knative Services of the system."""
        found = json.loads(self.kubectl("get", SERVICES, "--selector", SYSTEM, "--output", "json"))
        return {service["metadata"]["name"]: service for service in found["items"]}

    def revisions(self) -> set[str]:
        """The names of all revisions that still exist."""
        return {name.partition("/")[2] for name in self.kubectl("get", REVISIONS, "--output", "name").split()}

    def good(self) -> dict[str, str]:
        """By Service, the revision that was remembered; empty: none ever was."""
        found = self.kubectl("get", "configmap", MEMORY, "--ignore-not-found", "--output", "json")
        return dict(json.loads(found)["data"]) if found else {}


def remember(cluster: Cluster) -> dict[str, str]:
    """Writes down which revision of each Service is good. Raises Refused if the system is not wholly there."""
    services = cluster.services()
    running = {name: serving(service) for name, service in services.items()}
    unready = [name for name, service in services.items() if not (settled(service) and is_true(service, "Ready"))]
    split = [name for name, revision in running.items() if revision is None]
    if not services:
        raise Refused(f"No Service in namespace {cluster.namespace} is labeled {SYSTEM}.")
    if unready or split:
        raise Refused(f"Nothing remembered: not Ready {unready}, traffic split {split}.")
    good = {name: str(revision) for name, revision in running.items()}
    former = {*cluster.good().values()}
    # in this order: whatever the ConfigMap names is kept at every moment
    cluster.kubectl("annotate", REVISIONS, *sorted(good.values()), f"{KEPT}=true", "--overwrite")
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MEMORY}, "data": good}
    cluster.kubectl("apply", "--filename", "-", stdin=json.dumps(config_map))
    if released := sorted((former - {*good.values()}) & cluster.revisions()):
        cluster.kubectl("annotate", REVISIONS, *released, f"{KEPT}-")
    return good


def back(cluster: Cluster, within: float) -> dict[str, tuple[str | None, str]]:
    """Sends all traffic to the good revisions and waits until it goes there; by Service, from where and to where.

    Raises Refused before anything is changed if one of them is gone: nobody has tried half a release.
    """
    good = cluster.good()
    services = cluster.services()
    lost = sorted({*good.values()} - cluster.revisions()) + sorted({*good} - {*services})
    if not good:
        raise Refused("No release was remembered here, so there is none to go back to.")
    if lost:
        raise Refused(f"Nothing changed: {', '.join(lost)} no longer exist.")
    moves = {name: (serving(services[name]), revision) for name, revision in good.items()}
    failed = [sentence for name, revision in good.items() if (sentence := _send(cluster, name, revision))]
    if failed:
        raise Refused(" ".join(failed))
    _await(cluster, good, within)
    return moves


def serving(service: dict[str, Any]) -> str | None:
    """The one revision that gets all traffic; None: it is split, or none does."""
    whole = [target for target in service.get("status", {}).get("traffic", []) if target.get("percent") == WHOLE]
    return str(whole[0]["revisionName"]) if whole else None


def settled(service: dict[str, Any]) -> bool:
    """Serving has seen the last change."""
    return bool(service["metadata"]["generation"] == service.get("status", {}).get("observedGeneration"))


def is_true(service: dict[str, Any], condition: str) -> bool:
    conditions = service.get("status", {}).get("conditions", [])
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def _send(cluster: Cluster, service: str, revision: str) -> str | None:
    """None if it was done, or a sentence why not; the other Services still go back.

    Done even if the good revision still serves: a newer one that is not Ready yet would take over when it is.
    """
    patch = {"spec": {"traffic": [{"revisionName": revision, "percent": WHOLE}]}}
    try:
        cluster.kubectl("patch", SERVICES, service, "--type=merge", "--patch", json.dumps(patch))
    except Refused as refused:
        return str(refused)
    return None


def _await(cluster: Cluster, good: dict[str, str], within: float) -> None:
    # RoutesReady, as Ready also asks for the newest revision, which may be the one that never came up
    deadline = time.monotonic() + within
    while True:
        services = cluster.services()
        arrived = {
            name
            for name, service in services.items()
            if serving(service) == good.get(name) and settled(service) and is_true(service, "RoutesReady")
        }
        if {*good} <= arrived:
            return
        if time.monotonic() > deadline:
            raise Refused(f"After {within:g} s still elsewhere: {', '.join(sorted({*good} - arrived))}.")
        time.sleep(1)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Remembers the revisions that were good, and goes back to them.")
    parser.add_argument("what", choices=["remember", "back"])
    parser.add_argument("--namespace", default="airline")
    parser.add_argument("--within", type=float, default=120, help="seconds in which all traffic must have moved")
    options = parser.parse_args(arguments)
    cluster = Cluster(options.namespace)
    try:
        if options.what == "remember":
            _remembered(remember(cluster))
        else:
            _moved(back(cluster, options.within), {*cluster.services()})
    except Refused as refused:
        print(f"rollback: {refused}", file=sys.stderr)
        return 1
    return 0


def _remembered(good: dict[str, str]) -> None:
    print("\n".join(sorted(good.values())))
    print(f"{len(good)} revisions remembered as good")


def _moved(moves: dict[str, tuple[str | None, str]], services: set[str]) -> None:
    moved = {name: (former or "split", good) for name, (former, good) in sorted(moves.items()) if former != good}
    for former, good in moved.values():
        print(f"{former} -> {good}")
    for name in sorted(services - {*moves}):
        print(f"{name} has no good revision: it is new, and left as it is")
    print(f"{len(moved)} Services brought back, {len(moves) - len(moved)} were there already")


if __name__ == "__main__":
    sys.exit(main())
