"""The parts of both READMEs that follow from the saga: its diagram, between two comments, and the table of events."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from airline import saga
from airline.events import BY_TYPE
from airline.saga import Policy

BEGIN, END = "<!-- made by `make contracts` -->", "<!-- end -->"
OUTSIDE_IN = {"README.md": f"`{saga.OUTSIDE}`", "README.ko.md": "바깥"}
"""The pages, and what each calls the senders of commands."""
DRAWN = saga.FROM_OUTSIDE + saga.FORWARD + saga.COMPENSATION + saga.BESIDE
_ROWS = re.compile(r"(?:^\| `[A-Z]\w+` \|.*\n)+", re.MULTILINE)


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """Each page as the saga is now. Raises ValueError where a page has no place for the diagram or the table."""
    for name, outside in OUTSIDE_IN.items():
        text = _with_diagram(name, (root / name).read_text("utf-8"))
        yield Path(name), _with_table(name, text, table().replace(f"`{saga.OUTSIDE}`", outside))


def flowchart() -> str:
    """Events are round, policies have corners; what compensates is drawn with a thick line."""
    arrows = [arrow for policy in DRAWN for arrow in _arrows(policy)]
    return "\n".join(["```mermaid", "flowchart LR", *(f"    {arrow}" for arrow in arrows), "```", ""])


def table() -> str:
    """The rows of the table event, said by, heard by; commands come first."""
    words = dict.fromkeys((*saga.SPEAKERS[saga.OUTSIDE], *BY_TYPE.values()))
    rows = ((word.__name__, _listed(saga.said_by(word)), _listed(saga.heard_by(word))) for word in words)
    return "".join(f"| `{type_}` | {said} | {heard}{heard and ' '}|\n" for type_, said, heard in rows)


def _with_diagram(name: str, text: str) -> str:
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{name} has no place for the diagram: put {BEGIN} and {END} into it")
    return f"{before}{BEGIN}\n{flowchart()}{END}{after}"


def _with_table(name: str, text: str, rows: str) -> str:
    found = _ROWS.search(text)
    if not found:
        raise ValueError(f"{name} has no place for the table of events: put one row into it, such as | `Paid` | | |")
    return text[: found.start()] + rows + text[found.end() :]


def _arrows(policy: Policy) -> Iterator[str]:
    line = "==>" if policy.undoes else "-->"
    for word in policy.hears:
        yield f"{word.__name__}([{word.__name__}]) {line} {policy.name}"
    for word in policy.says:
        yield f"{policy.name} {line} {word.__name__}([{word.__name__}])"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
