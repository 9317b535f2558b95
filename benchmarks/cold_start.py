"""Cold start of a policy, against a bare function that opens a database: python -m benchmarks.cold_start

From the start of the process to its first answer, which for decrease-seats is a whole first delivery. The bare one is a
functions-framework function that imports SQLAlchemy, opens a database and answers 204.
"""

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.measure import PLAIN, await_answer, repeated, request, spawn
from benchmarks.warm_call import FOLDER, placed, with_large_flight

GOAL = 1.25


def cold_start(folder: Path, target: str, message: bytes, url: str) -> float:
    """Seconds from spawn to answer."""
    start = time.perf_counter()
    process, port = spawn(folder, target, 1, DATABASE_URL=url)
    try:
        await_answer(port, message)
        return time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(timeout=20)


def main() -> None:
    """Prints both medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        url = with_large_flight(folder)
        bare, ours = repeated(
            rounds,
            lambda: cold_start(PLAIN, "database", request(b""), url),
            lambda: cold_start(FOLDER, "decrease_seats", placed(), url),
        )
    print(f"bare {bare * 1e3:.0f} ms, decrease-seats {ours * 1e3:.0f} ms, ratio {ours / bare:.2f} (goal <= {GOAL})")


if __name__ == "__main__":
    main()
