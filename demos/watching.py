"""Looks at the instances again and again, and remembers what it saw."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import TracebackType

from demos.errors import DemoFailed
from demos.instances import Instance, Sample

Look = Callable[[], list[Instance]]


class Watch:
    """Looks every `pause` seconds while it is open. What a look raises is raised at the next wait, and at the end."""

    def __init__(self, look: Look, pause: float) -> None:
        self.samples: list[Sample] = []
        self._look, self._pause = look, pause
        self._began = time.monotonic()
        self._looked, self._closing = threading.Condition(), threading.Event()
        self._failure: DemoFailed | None = None
        self._thread = threading.Thread(target=self._watch, name="watch")

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._closing.set()
        self._thread.join()
        if self._failure and error is None:
            raise self._failure

    @property
    def now(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._began

    def until(self, seen: Callable[[Sample], bool], what: str, within: float) -> Sample:
        """The next sample that fits. Raises DemoFailed after `within` seconds."""
        after = self.now

        def found() -> Sample | None:
            newest = self.samples[-1] if self.samples else None
            return newest if newest and newest.at >= after and seen(newest) else None

        with self._looked:
            self._looked.wait_for(lambda: self._failure or found(), timeout=within)
            if self._failure:
                raise self._failure
            if fitting := found():
                return fitting
        raise DemoFailed(f"not within {within:g} s: {what}")

    def until_asleep(self, functions: Iterable[str], within: float) -> Sample:
        """The next sample in which none of these functions is awake. Raises DemoFailed."""
        watched = {*functions}
        try:
            return self.until(lambda sample: not sample.awake(watched), "all functions are asleep", within)
        except DemoFailed as error:
            awake = self.samples[-1].awake(watched) if self.samples else set[str]()
            raise DemoFailed(f"{error}; awake: {', '.join(sorted(awake))}") from error

    def instances(self, since: float = 0) -> list[Instance]:
        """Every instance that was seen since that moment, as it was seen last; how it started is kept from before."""
        last: dict[str, Instance] = {}
        for found in (found for sample in self.samples if sample.at >= since for found in sample.instances):
            known = last.get(found.name, found)
            was_ready = known.started_in is not None
            kept = replace(found, started_in=known.started_in, began=known.began) if was_ready else found
            last[found.name] = kept
        return list(last.values())

    def _watch(self) -> None:
        while not self._closing.is_set():
            at = self.now
            try:
                sample = Sample(at, tuple(self._look()))
            except DemoFailed as error:
                with self._looked:
                    self._failure = error
                    self._looked.notify_all()
                return
            with self._looked:
                self.samples.append(sample)
                self._looked.notify_all()
            self._closing.wait(self._pause)
