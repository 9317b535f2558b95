"""Draws results into docs/performance.md: python -m benchmarks.charts FILE [FILE ...]

Each file is a result of `benchmarks.rates` (sagas a second against clients) or of `benchmarks.scale` (cost against
size; one file for each number of reservations, of the same calls). The charts are Mermaid between the markers of the
page, so what is drawn can be read as numbers as well.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
Result = Mapping[str, Any]


def main() -> None:
    """Writes the charts for which there are results. Exits with a sentence where a file is not one."""
    if not sys.argv[1:]:
        sys.exit("Name the result files: python -m benchmarks.charts FILE [FILE ...]")
    results = [json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]
    page = PAGE.read_text("utf-8")
    for rates in (each for each in results if "clients" in each):
        page = put(page, "rates", [*of_clients(rates["clients"])])
    if sizes := sorted((each for each in results if "costs" in each), key=reservations):
        page = put(page, "scale", [*of_sizes(sizes)])
    PAGE.write_text(page, "utf-8")


def put(page: str, of: str, lines: Sequence[str]) -> str:
    """The page with these lines between the markers of a benchmark. Exits where it has no such markers."""
    begin, end = f"<!-- drawn by benchmarks.charts from benchmarks.{of} -->\n", "<!-- end -->"
    drawn, times = re.subn(f"(?s){re.escape(begin)}.*?{end}", lambda _: begin + "\n".join([*lines, end]), page)
    if times != 1:
        sys.exit(f"docs/performance.md must have the lines {begin.strip()} and {end} once.")
    return drawn


def of_clients(crowds: Sequence[Result]) -> Iterator[str]:
    """Sagas a second against clients."""
    rates = [each["sagas_a_second"] for each in crowds]
    clients = [each["clients"] for each in crowds]
    yield from chart("Sagas a second against clients", "clients", clients, "sagas a second", [rates])
    yield ""
    p99 = [each["p99_ms"] for each in crowds]
    yield from chart("POST to SUCCEED, p99, against clients", "clients", clients, "milliseconds", [p99])


def of_sizes(results: Sequence[Result]) -> Iterator[str]:
    """Cost against size: the median of all calls, the 95th percentile, and the goal."""
    ratios = [sorted(cost["ratio"] for cost in each["costs"]) for each in results]
    against, goal = results[0]["against"], results[0]["goal"]
    lines = [
        [1.0, *(round(median(each), 2) for each in ratios)],
        [1.0, *(round(each[int(0.95 * len(each))], 2) for each in ratios)],
        [goal] * (len(ratios) + 1),
    ]
    sizes = [f'"{number:,}"' for number in (against, *map(reservations, results))]
    title = "CPU of a call: median, 95th percentile, and the goal"
    yield from chart(title, "reservations", sizes, f"times the cost at {against:,}", lines)


def chart(title: str, x: str, along: Sequence[object], y: str, lines: Sequence[Sequence[float]]) -> Iterator[str]:
    """A chart of lines from zero."""
    yield from ("```mermaid", "xychart-beta", f'    title "{title}"')
    yield f'    x-axis "{x}" [{", ".join(map(str, along))}]'
    yield f'    y-axis "{y}" 0 --> {1.1 * max(map(max, lines)):.3g}'
    yield from (f"    line [{', '.join(map(str, line))}]" for line in lines)
    yield "```"


def reservations(result: Result) -> int:
    """How many a result of `benchmarks.scale` is about."""
    return int(result["asked"]["reservations"])


if __name__ == "__main__":
    main()
