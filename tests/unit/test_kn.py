"""docs/kn.md asks kn for exactly what the manifests say, and names what kn cannot say."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.project import BASE, KAFKA, Manifest, known_settings, manifests, of_kind, services, triggers
from tests.unit.kn import PAGE, Command, asked_for, commands, plain, without

MAKING = {"service create", "service apply", "source binding create", "source ping create", "broker create"}
CONTAINER = "spec.template.spec.containers.0"
UNSAID = {
    "Service": {
        f"{CONTAINER}.securityContext.readOnlyRootFilesystem",
        "spec.template.spec.automountServiceAccountToken",
        "spec.template.spec.enableServiceLinks",
    },
    "SinkBinding": {"metadata.labels"},
    "PingSource": {"metadata.labels", "spec.contentType"},
    "Broker": {"metadata.labels"},
}
"""By kind, what a manifest says and kn 1.23 has no flag for."""

making = [command for command in commands() if command.verbs in MAKING]
each_command = pytest.mark.parametrize("command", commands(), ids=str)
each_making = pytest.mark.parametrize("command", making, ids=str)
needs_kn = pytest.mark.skipif(not shutil.which("kn"), reason="no kn on the PATH: its flags are not asked for")


def manifest_of(made: dict[str, Any]) -> Manifest:
    """The one of the same kind and name in the base, or in broker/kafka."""
    found = [
        manifest
        for manifest in (*manifests(BASE), *manifests(KAFKA))
        if manifest.is_a(made["kind"], made["apiVersion"]) and manifest.name == made["metadata"]["name"]
    ]
    assert found, f"no manifest is like {made['metadata']}"
    return found[0]


def names_for(command: Command) -> set[str]:
    """What a command that reads, changes or deletes may name."""
    kinds = {
        "service": services(),
        "trigger": triggers(),
        "broker": of_kind("Broker", "eventing.knative.dev/v1", KAFKA),
        "source binding": of_kind("SinkBinding", "sources.knative.dev/v1"),
        "source ping": of_kind("PingSource", "sources.knative.dev/v1"),
    }
    return set(kinds[command.verbs.rpartition(" ")[0]])


def test_the_page_has_each_kind_of_command() -> None:
    assert MAKING | {"service update", "service delete", "revision list", "trigger list", "broker list"} <= {
        command.verbs for command in commands()
    }


@each_making
def test_kn_is_asked_for_what_the_manifest_says(command: Command) -> None:
    made = asked_for(command)

    assert plain(made) == plain(without(manifest_of(made).content, UNSAID[made["kind"]]))


@pytest.mark.parametrize("kind", UNSAID)
def test_the_page_names_what_kn_cannot_set(kind: str) -> None:
    sentences = re.findall(r"What `kn` cannot set in .*?\.", PAGE.read_text(), re.DOTALL)

    missing = {path.rpartition(".")[2] for path in UNSAID[kind]} - set(re.findall(r"\w+", " ".join(sentences)))
    assert not missing


@each_command
def test_a_command_names_what_is_there_and_where(command: Command) -> None:
    assert command.one("namespace") == "airline"
    assert command.name is None or command.name in names_for(command)
    assert set(command.flags.get("service", [])) <= set(services())


@pytest.mark.parametrize("command", [c for c in commands() if c.verbs == "service update"], ids=lambda c: c.line)
def test_an_update_changes_a_known_setting_or_shares_out_all_traffic(command: Command) -> None:
    shares = command.pairs("traffic")

    assert set(command.pairs("env")) <= known_settings()
    assert bool(shares) != bool(command.pairs("env"))
    assert sum(map(int, shares.values())) == (100 if shares else 0)
    assert all(revision == "@latest" or revision.startswith(f"{command.name}-") for revision in shares)


@needs_kn
@each_command
def test_kn_has_the_command_and_its_flags(command: Command) -> None:
    usage = subprocess.run(["kn", *command.verbs.split(), "--help"], capture_output=True, text=True, check=True).stdout

    assert command.flags.keys() <= set(re.findall(r"--([a-z-]+)", usage))


@needs_kn
@pytest.mark.parametrize("command", [c for c in making if c.verbs.startswith("service")], ids=str)
def test_kn_itself_writes_the_same_manifest(command: Command, tmp_path: Path) -> None:
    target = tmp_path / "service.yaml"
    # apply takes the same flags and needs a cluster
    line = shlex.split(command.line.replace("service apply", "service create"))
    subprocess.run([*line, "--target", str(target)], capture_output=True, check=True)

    assert plain(yaml.safe_load(target.read_text())) == plain(asked_for(command))
