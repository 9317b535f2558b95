"""Where log lines of functions are: in files on a laptop, in pods on a cluster."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from client.errors import Refused, Unreachable

OF_FUNCTIONS = "serving.knative.dev/service"
"""The label of every pod that Knative Serving makes."""
CONTAINER = "user-container"
MOST_PODS = 200
LATELY = "60s"
"""How far back the pods are asked again: those that came and went between two looks are missed."""
TIMEOUT = 60.0


def files(data: Path) -> Callable[[bool], Iterator[str]]:
    """The lines of the log files in a laptop's data folder, whether it runs or not. Raises Refused without any."""
    folder = data / "logs"
    positions: dict[Path, int] = {}
    if not folder.is_dir():
        raise Refused(f"There are no logs in {folder}: nothing has run here.")

    def lines(again: bool) -> Iterator[str]:
        for path in sorted(folder.glob("*.log" if again else "*.log*"), key=lambda path: path.suffix, reverse=True):
            yield from _read_on(path, positions)

    return lines


def _read_on(path: Path, positions: dict[Path, int]) -> Iterator[str]:
    """What was written since the last look; all of it where the file was cut in between."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = positions.get(path, 0)
        file.seek(start if start <= size else 0)
        text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        positions[path] = file.tell() - len(text) + len(whole)
    yield from _lines(whole.decode("utf-8", "replace"))


def pods(namespace: str) -> Callable[[bool], Iterator[str]]:
    """The lines of the functions' pods that are there now. A function that sleeps has none: Loki keeps its lines."""

    def lines(again: bool) -> Iterator[str]:
        which = ("--namespace", namespace, "--selector", OF_FUNCTIONS, "--container", CONTAINER)
        how = (f"--since={LATELY}",) if again else ()
        command = ["kubectl", "logs", *which, "--tail=-1", f"--max-log-requests={MOST_PODS}", *how]
        yield from _lines(_output(command))

    return lines


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=TIMEOUT)  # noqa: S603
    except FileNotFoundError as error:
        raise Unreachable("kubectl is not installed, or not on PATH; it reads the logs of a cluster.") from error
    except subprocess.CalledProcessError as error:
        raise Unreachable(f"kubectl logs: {error.stderr.strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise Unreachable(f"kubectl logs did not end within {TIMEOUT:g} s.") from error
    return done.stdout


def _lines(text: str) -> list[str]:
    """Ended by a line feed alone: a string of JSON may have what Unicode calls the end of a line (U+0085, U+2028)."""
    return text.removesuffix("\n").split("\n")
