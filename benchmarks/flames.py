"""A flame graph of each process of a running saga, by py-spy: python -m benchmarks.flames FOLDER

Runs the system of `make run` in a folder of its own under the load of `benchmarks.table` and writes FOLDER/<name>.svg
for each function and for the broker. py-spy is `pip install py-spy`; on macOS it needs root.
"""

import argparse
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from benchmarks.table import WARM_UP, processes
from benchmarks.whole_saga import add_flight, place_all
from testbed.running_system import running_system

NOT_PYTHON = {"gateway", "laptop"}


def main() -> None:
    """Prints the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=15, help="how long is looked at")
    parser.add_argument("--sagas", type=int, default=1200)
    parser.add_argument("--clients", type=int, default=16)
    asked = parser.parse_args()
    spy = shutil.which("py-spy", path=sysconfig.get_path("scripts")) or shutil.which("py-spy")
    if spy is None:
        sys.exit("py-spy is not installed: pip install py-spy")
    asked.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, running_system(Path(data), "--window", "1h") as system:
        flight = add_flight(system)
        place_all(system, flight, WARM_UP, asked.clients)
        found = {name: process.pid for name, process in processes(system) if name not in NOT_PYTHON}
        looking = [
            subprocess.Popen(
                [
                    *(spy, "record", "--pid", str(pid), "--duration", str(asked.seconds)),
                    "--output",
                    svg(asked.folder, name),
                ],
                stdout=subprocess.DEVNULL,
            )
            for name, pid in found.items()
        ]
        place_all(system, flight, asked.sagas, asked.clients)
        for each in looking:
            each.wait()
    for name in found:
        print(svg(asked.folder, name))


def svg(folder: Path, name: str) -> str:
    """The file of a process."""
    return str(folder / f"{name}.svg")


if __name__ == "__main__":
    main()
