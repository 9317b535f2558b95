"""`make run TRACES=1` without an endpoint: a Jaeger of this machine, or a sentence that says what to do."""

import json
from pathlib import Path

import pytest

from laptop import jaeger
from laptop.errors import LaptopError
from laptop.jaeger import Jaeger
from laptop.options import is_traced


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on PATH and an environment without a Jaeger."""
    monkeypatch.setattr(jaeger.sysconfig, "get_path", lambda _: str(tmp_path))  # type: ignore[attr-defined]
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_the_one_on_path_is_taken_with_the_ports_that_others_expect(elsewhere: Path) -> None:
    there = program(elsewhere / "jaeger")

    found = jaeger.found(free_ports=False)
    assert (found.program, found.ui, found.otlp_port) == (there, "http://127.0.0.1:16686", 4318)
    assert len({port for _ in range(3) for port in (jaeger.found(free_ports=True).ui_port,)} - {16686}) > 0


def test_without_one_and_without_go_it_is_said_what_there_can_be() -> None:
    with pytest.raises(LaptopError, match=r"OTEL_EXPORTER_OTLP_ENDPOINT.*jaeger on PATH.*Go"):
        jaeger.found(free_ports=False)


def test_with_go_it_is_made_once(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = elsewhere / "jaeger" / "jaeger"
    made.parent.mkdir()
    program(elsewhere / "go", f'#!/bin/sh\necho "$@" >> {elsewhere}/typed\n[ "$1" != build ] || : > "$3"\n')

    assert jaeger.found(free_ports=False).program == made
    assert jaeger.found(free_ports=False).program == made
    typed = (elsewhere / "typed").read_text().splitlines()
    assert [line.split()[0] for line in typed] == ["mod", "get", "build"]
    assert "takes some minutes" in capsys.readouterr().err


def test_where_go_cannot_make_it_its_last_word_is_told(elsewhere: Path) -> None:
    program(elsewhere / "go", "#!/bin/sh\necho no network >&2\nexit 1\n")

    with pytest.raises(LaptopError, match=r"no network.*OTEL_EXPORTER_OTLP_ENDPOINT"):
        jaeger.found(free_ports=False)


def test_it_listens_on_this_machine_alone_and_the_others_send_it_traces_and_no_metrics() -> None:
    one = Jaeger(Path("/jaeger"), 1, 2)
    made = json.loads(one.configuration())

    assert made["receivers"]["otlp"]["protocols"]["http"]["endpoint"] == "127.0.0.1:2"
    assert made["extensions"]["jaeger_query"]["http"]["endpoint"] == "127.0.0.1:1"
    assert one.telemetry == {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:2", "OTEL_METRICS_EXPORTER": "none"}


@pytest.mark.parametrize(
    ("telemetry", "traced"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "a"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://a"}, False),
    ],
)
def test_a_run_is_traced_where_an_endpoint_for_traces_is_named(telemetry: dict[str, str], traced: bool) -> None:
    assert is_traced(telemetry) is traced
