"""Follows the Kubernetes API while somebody watches, and only then: one thread, and none while nobody does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from choreography.logs import log
from choreography.settings import Cluster
from happenings import Happenings
from instances import OF_A_SERVICE, services
from kubernetes_api import ApiAway, listed, path_of, watched

AGAIN_AFTER = 2.0
"""Seconds until an API that did not answer is asked again."""
MOST_WATCHERS = 50
"""Each takes a thread; the Service has more of them, so that deliveries find one."""


class TooManyWatchers(Exception):
    """One more would be more than MOST_WATCHERS."""


class Following:
    """own: the name of the Service that this is."""

    def __init__(self, cluster: Cluster, own: str, happenings: Happenings) -> None:
        self._cluster = cluster
        self._own = own
        self.happenings = happenings
        self._lock = threading.Lock()
        self._watchers = 0
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self) -> Iterator[Happenings]:
        """For one more watcher. Raises TooManyWatchers."""
        with self._lock:
            if self._watchers == MOST_WATCHERS:
                raise TooManyWatchers(f"{MOST_WATCHERS} are watching already; try again later.")
            self._watchers += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="following", daemon=True)
                self._thread.start()
        try:
            yield self.happenings
        finally:
            with self._lock:
                self._watchers -= 1

    def _follow(self) -> None:
        while self._is_needed():
            try:
                self._look()
            except Exception as error:  # a defect of ours ends no thread that nobody would start again
                log.warning("who is awake is not known: %s", error, exc_info=not isinstance(error, ApiAway))
                self.happenings.away()
                time.sleep(AGAIN_AFTER)

    def _is_needed(self) -> bool:
        with self._lock:
            if not self._watchers:
                self._thread = None
            return self._watchers > 0

    def _look(self) -> None:
        """Everything, and then what becomes of pods until the watch ends. Raises ApiAway."""
        cluster = self._cluster
        functions, _ = listed(cluster, path_of(cluster, "serving.knative.dev/v1", "services"))
        triggers, _ = listed(cluster, path_of(cluster, "eventing.knative.dev/v1", "triggers"))
        hearing = tuple(one for one in triggers if one["spec"]["subscriber"].get("ref", {}).get("name") != self._own)
        of_pods = path_of(cluster, "v1", "pods")
        pods, version = listed(cluster, of_pods, labelSelector=OF_A_SERVICE)
        self.happenings.looked(services(functions, hearing, self._own), hearing, pods)
        for kind, pod in watched(cluster, of_pods, version, labelSelector=OF_A_SERVICE):
            self.happenings.pod(kind, pod)
            if not self._is_watched():
                return

    def _is_watched(self) -> bool:
        with self._lock:
            return self._watchers > 0
