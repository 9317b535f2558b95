"""Cold start of every function from its image's files alone, and what it imports: python -m benchmarks.image_start

From the start of the process to the answer of its probe, which has asked the database, against a bare function with
SQLAlchemy and a database in the same image. The files are those of `make image-tree`: bytecode compiled, no other
packages. What Kubernetes and Knative add to it is in docs/cluster-run.md.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import PLAIN, repeated
from testbed.image_trees import PROFILED, answer, lay_out, started
from testbed.project import function_folders, targets

MOST = 8
"""Packages that are named, the slowest first."""


def start(tree: Path, folder: str, work: Path, **settings: str) -> float:
    """Seconds from the start of the process to its first answer."""
    began = time.perf_counter()
    with started(tree, folder, work, **settings) as (process, port):
        answer(process, port, work / "errors")
        return time.perf_counter() - began


def imports(tree: Path, folder: str, work: Path, **settings: str) -> dict[str, float]:
    """Milliseconds that the import of each package took; what profiling costs is in them."""
    with started(tree, folder, work, **PROFILED, **settings) as (process, port):
        answer(process, port, work / "errors")
    took: dict[str, float] = defaultdict(float)
    for line in (work / "errors").read_text().splitlines():
        own, _, name = line.removeprefix("import time:").split("|") if line.count("|") == 2 else ("", "", "")
        if own.strip().isdigit():
            took[name.strip().partition(".")[0]] += int(own) / 1000
    return took


def main() -> None:
    """Prints a line for each target, and what its imports take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        trees = lay_out(Path(folder))
        for name in function_folders():
            for target in targets(name):
                print(line(trees[name], name, target, Path(folder), rounds), flush=True)


def line(tree: Path, folder: str, target: str, work: Path, rounds: int) -> str:
    """The figures of one target."""
    (work / f"{folder}.db").touch()  # only migrations make a database
    settings = {"DATABASE_URL": f"sqlite:///{work}/{folder}.db", "FUNCTION_TARGET": target}
    plain = settings | {"FUNCTION_SOURCE": str(PLAIN / "main.py"), "FUNCTION_TARGET": "database"}
    measures: list[Callable[[], float]] = [partial(start, tree, folder, work, **each) for each in (plain, settings)]
    bare, ours = repeated(rounds, *measures)
    took = imports(tree, folder, work, **settings)
    slowest = ", ".join(f"{name} {cost:.0f}" for name, cost in sorted(took.items(), key=lambda one: -one[1])[:MOST])
    return (
        f"{target}: {ours * 1e3:.0f} ms, bare {bare * 1e3:.0f} ms, ratio {ours / bare:.2f}; "
        f"{sum(took.values()):.0f} ms of imports: {slowest}"
    )


if __name__ == "__main__":
    main()
