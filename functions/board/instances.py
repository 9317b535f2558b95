"""Which function is awake, from the pods of a namespace: the same documents as those of a laptop's board.

    {"folder", "state", "since", "instances", "starts", "wakings", "triggers", "leastInstances"}

`state` is asleep, waking, awake or stopping; `since` is null where it began before anybody looked and no pod says
when. `starts` counts what was seen to start, and `wakings` are the last of them: {"at", "seconds"}. A moment that was
not seen is taken from the pod, which says it in whole seconds. `leastInstances` is more than 0 for what never sleeps.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from choreography import clock

MOST_WAKINGS = 20  # of one function
OF_A_SERVICE = "serving.knative.dev/service"
LEAST = "autoscaling.knative.dev/min-scale"
TARGET = "FUNCTION_TARGET"
OVER = ("Succeeded", "Failed")

Thing = Mapping[str, Any]
Document = dict[str, Any]


@dataclass(frozen=True)
class Service:
    """What a Knative Service and its Triggers say."""

    folder: str
    least: int
    triggers: tuple[str, ...]


@dataclass
class _Seen:
    """A function as it is now."""

    state: str = ""
    since: datetime | None = None
    starts: int = 0
    wakings: deque[Document] = field(default_factory=lambda: deque(maxlen=MOST_WAKINGS))
    ready: frozenset[str] = frozenset()


def services(things: Iterable[Thing], triggers: Iterable[Thing], own: str) -> dict[str, Service]:
    """The functions among the Knative Services, by name, without the board itself: watching keeps that awake."""
    keys: dict[str, list[str]] = {}
    for one in triggers:
        keys.setdefault(one["spec"]["subscriber"].get("ref", {}).get("name", ""), []).append(key_of(one))
    found = {one["metadata"]["name"]: one["spec"]["template"] for one in things}
    return {
        name: Service(_folder(template), _least(template), tuple(sorted(keys.get(name, ()))))
        for name, template in sorted(found.items())
        if name != own and _is_a_function(template)
    }


def key_of(trigger: Thing) -> str:
    """As the laptop's broker names it: namespace/name."""
    return f"{trigger['metadata']['namespace']}/{trigger['metadata']['name']}"


class Instances:
    """Changed by what is seen of pods. Not for several threads at once."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._pods: dict[str, Thing] = {}
        self._came: dict[str, datetime] = {}
        self._seen: dict[str, _Seen] = {}

    def all(self) -> dict[str, Document]:
        """By name."""
        return {name: self._document(name) for name in self._services}

    def awake(self) -> int:
        """How many functions have an instance."""
        return sum(bool(self._seen[name].ready) for name in self._services)

    def looked(self, found: dict[str, Service], pods: Iterable[Thing]) -> dict[str, Document]:
        """The state of everything. Returns the documents of the functions that have changed."""
        before = self.all()
        self._services = found
        self._pods = {pod["metadata"]["uid"]: pod for pod in pods}
        self._came = {uid: came for uid, came in self._came.items() if uid in self._pods}
        for name in found:
            self._recount(name)
        return {name: document for name, document in self.all().items() if before.get(name) != document}

    def changed(self, kind: str, pod: Thing) -> dict[str, Document]:
        """ADDED, MODIFIED or DELETED. Returns the document of its function, if that has changed."""
        name, uid = _service_of(pod), pod["metadata"]["uid"]
        if kind == "DELETED":
            self._pods.pop(uid, None)
            self._came.pop(uid, None)
        else:
            self._pods[uid] = pod
        if kind == "ADDED":
            self._came[uid] = clock.now()
        if name not in self._services:
            return {}
        before = self._document(name)
        self._recount(name)
        after = self._document(name)
        return {name: after} if after != before else {}

    def _recount(self, name: str) -> None:
        seen = self._seen.setdefault(name, _Seen())
        pods = {uid: pod for uid, pod in self._pods.items() if _service_of(pod) == name}
        lasting = {uid: pod for uid, pod in pods.items() if not _is_ending(pod)}
        ready = {uid: since for uid, pod in lasting.items() if (since := _ready_since(pod))}
        for uid in sorted(ready.keys() - seen.ready):
            seen.starts += 1
            seen.wakings.append(self._waking(lasting[uid], ready[uid]))
        seen.ready = frozenset(ready)
        state = "awake" if ready else "waking" if lasting else "stopping" if pods else "asleep"
        if state != seen.state:
            seen.since = clock.now() if seen.state else _since(ready.values(), lasting.values())
            seen.state = state

    def _waking(self, pod: Thing, ready: datetime) -> Document:
        came, now = self._came.get(pod["metadata"]["uid"]), clock.now()
        began, seconds = (came, now - came) if came else (_created(pod), ready - _created(pod))
        return {"at": clock.text(began), "seconds": round(seconds.total_seconds(), 3)}

    def _document(self, name: str) -> Document:
        service, seen = self._services[name], self._seen[name]
        return {
            "folder": service.folder,
            "state": seen.state,
            "since": clock.text(seen.since) if seen.since else None,
            "instances": len(seen.ready),
            "starts": seen.starts,
            "wakings": list(seen.wakings),
            "triggers": list(service.triggers),
            "leastInstances": service.least,
        }


def _is_a_function(template: Thing) -> bool:
    return any(entry["name"] == TARGET for entry in template["spec"]["containers"][0].get("env", ()))


def _folder(template: Thing) -> str:
    """The last part of the image's name, which is the folder under functions/."""
    image: str = template["spec"]["containers"][0]["image"]
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]


def _least(template: Thing) -> int:
    least = template.get("metadata", {}).get("annotations", {}).get(LEAST, "0")
    return int(least) if least.isdecimal() else 0


def _is_ending(pod: Thing) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in OVER


def _ready_since(pod: Thing) -> datetime | None:
    for condition in pod.get("status", {}).get("conditions", ()):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return datetime.fromisoformat(condition["lastTransitionTime"])
    return None


def _created(pod: Thing) -> datetime:
    return datetime.fromisoformat(pod["metadata"]["creationTimestamp"])


def _since(ready: Iterable[datetime], lasting: Iterable[Thing]) -> datetime | None:
    return min(ready, default=None) or min(map(_created, lasting), default=None)


def _service_of(pod: Thing) -> str:
    name: str = pod["metadata"].get("labels", {}).get(OF_A_SERVICE, "")
    return name
