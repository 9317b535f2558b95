"""The command line in this process, against a fake airline."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cli.app import main
from cli.commands import saga
from client import reconciliation
from tests.cli.fake_airline import FakeAirline, serving
from tests.cli.sample_books import sound


@dataclass(frozen=True)
class Output:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def fake() -> Iterator[FakeAirline]:
    """An airline whose books are sound."""
    lists = sound()
    outboxes = lists.pop("outboxes")
    resources = {"customerInfos": lists.pop("customers"), "dead-letters": [], **lists}
    with serving(FakeAirline(resources, outboxes)) as made:
        yield made


@pytest.fixture
def typed(
    fake: FakeAirline, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Output]:
    """Types a command with AIRLINE_URL set, and without the pauses that people need."""
    monkeypatch.setenv("AIRLINE_URL", fake.url)
    monkeypatch.setattr(reconciliation, "PAUSE", 0.01)
    monkeypatch.setattr(saga, "PAUSE", 0.01)

    def run(*words: str) -> Output:
        code = main([*words])
        said = capsys.readouterr()
        return Output(code, said.out, said.err)

    return run
