"""The diagram of the saga in both READMEs, as Mermaid draws it, between two comments of the page."""

from collections.abc import Iterator
from pathlib import Path

from airline import saga
from airline.saga import Policy

BEGIN, END = "<!-- made by `make contracts` -->", "<!-- end -->"
PAGES = ("README.md", "README.ko.md")
DRAWN = saga.FROM_OUTSIDE + saga.FORWARD + saga.COMPENSATION


def made(root: Path) -> Iterator[tuple[Path, str]]:
    """Each page with its diagram as the saga is now. Raises ValueError where a page has no place for it."""
    for name in PAGES:
        before, begin, rest = (root / name).read_text("utf-8").partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{name} has no place for the diagram: put {BEGIN} and {END} into it")
        yield Path(name), f"{before}{BEGIN}\n{flowchart()}{END}{after}"


def flowchart() -> str:
    """Events are round, policies have corners; what compensates is drawn with a thick line."""
    arrows = [arrow for policy in DRAWN for arrow in _arrows(policy)]
    return "\n".join(["```mermaid", "flowchart LR", *(f"    {arrow}" for arrow in arrows), "```", ""])


def _arrows(policy: Policy) -> Iterator[str]:
    line = "==>" if policy.undoes else "-->"
    for word in policy.hears:
        yield f"{word.__name__}([{word.__name__}]) {line} {policy.name}"
    for word in policy.says:
        yield f"{policy.name} {line} {word.__name__}([{word.__name__}])"
