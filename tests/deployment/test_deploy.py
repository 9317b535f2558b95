"""What `make deploy` refuses before it touches a cluster, in which order it works there, and what it warns of."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.project import ROOT, SERVING, container
from tests.deployment.rendered import OVERLAYS, render

REACHED = "the cluster was asked"
KUBECTL = f"""#!/bin/sh
case "$1" in kustomize) exec {Path(sys.executable).parent}/kubectl "$@";; esac
echo {REACHED}; exit 1
"""
"""Renders as the real one does; nothing goes to a cluster."""


DEPLOYED = f"""#!/bin/sh
real={Path(sys.executable).parent}/kubectl; folder=$(dirname "$0")
case "$*" in
  kustomize*|*--local*) exec "$real" "$@";;
  *--dry-run=server*) [ -e "$folder/bound" ] && echo K_SINK; exit 0;;
  "get -f "*/broker) [ -e "$folder/broker" ]; exit;;
  *job/topic-partitions*condition=Complete*) [ ! -e "$folder/topic" ]; exit;;
  *"logs job/topic-partitions"*) cat "$folder/topic"; exit;;
  *"get services.serving.knative.dev gateway"*) echo http://gateway; exit;;
  "apply -f "*/triggers) if [ -e "$folder/refusal" ]; then cat "$folder/refusal" >&2; rm "$folder/refusal"; exit 1; fi;;
esac
case "$*" in
  "apply -f -") grep -e kind: -e delivery: >>"$folder/applied"; exit;;
  "apply -f "*) echo "${{3##*/}}" >>"$folder/applied";;
esac
case "$*" in "apply -f "*/bindings) touch "$folder/bound";; esac
"""
"""A cluster on which everything is Ready at once; beside it: `broker` where there is one already, `topic` with what the
comparison of the partitions says, `refusal` of the next Triggers, and `applied`, where it writes what was applied."""


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """The folder of that cluster, to be put on the PATH."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(DEPLOYED)
    kubectl.chmod(0o700)
    return tmp_path


@pytest.fixture
def path(tmp_path: Path) -> str:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o700)
    return f"{tmp_path}:{os.environ['PATH']}"


def deploy(overlay: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "knative" / "deploy"), overlay]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_a_database_of_ones_own_is_not_given_the_password_for_trying_out(path: str) -> None:
    refused = deploy("azure", PATH=path)

    assert refused.returncode == 1
    assert "SECRETS=secrets.env" in refused.stderr
    assert REACHED not in refused.stdout


def test_with_passwords_of_ones_own_it_goes_on(path: str, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.env"
    secrets.write_text("DATABASE_PASSWORD=one\nRESERVATION_ID_SECRET=two\n")

    assert REACHED in deploy("azure", PATH=path, SECRETS=str(secrets), KAFKA="kafka.example:9092").stdout


def test_a_database_for_trying_out_needs_no_secrets(path: str) -> None:
    assert REACHED in deploy("in-memory", PATH=path).stdout


def installed(folder: Path, overlay: str) -> tuple[list[str], str]:
    """What was applied, in this order, and what was printed."""
    done = deploy(overlay, PATH=f"{folder}:{os.environ['PATH']}", KAFKA="kafka.example:9092")
    assert done.returncode == 0, done.stderr
    return (folder / "applied").read_text().splitlines(), done.stdout


def test_the_first_revision_of_every_function_knows_the_brokers_address(empty: Path) -> None:
    applied, _ = installed(empty, "in-memory")

    new_broker = applied.index("kind: Broker")
    assert "delivery:" not in applied, "it would wait for its dead-letter sink, a function that waits for it"
    order = [applied.index(stage) for stage in ("bindings", "dead-letters", "broker", "functions", "triggers")]
    assert [new_broker, *order] == sorted([new_broker, *order])


def test_a_broker_that_is_there_keeps_its_dead_letter_sink_all_the_time(empty: Path) -> None:
    (empty / "broker").touch()

    applied, _ = installed(empty, "in-memory")

    assert "kind: Broker" not in applied
    assert applied.index("broker") < applied.index("functions")


def test_a_webhook_of_knative_that_restarts_meanwhile_is_asked_again(empty: Path) -> None:
    (empty / "refusal").write_text('Internal error occurred: failed calling webhook "webhook.eventing.knative.dev"')
    done = deploy("in-memory", PATH=f"{empty}:{os.environ['PATH']}")

    assert done.returncode == 0, done.stderr
    assert "triggers" in (empty / "applied").read_text().splitlines()


def test_what_a_cluster_refuses_ends_the_deploy_with_its_words(empty: Path) -> None:
    (empty / "refusal").write_text("admission webhook denied the request: validation failed")
    done = deploy("in-memory", PATH=f"{empty}:{os.environ['PATH']}")

    assert done.returncode != 0
    assert "validation failed" in done.stderr
    assert "traffic" not in (empty / "applied").read_text().splitlines()


def test_a_topic_left_over_with_one_partition_is_reported_at_the_end(empty: Path) -> None:
    (empty / "topic").write_text("The topic knative-broker-airline-airline has 1 partition, ...\n")

    applied, said = installed(empty, "kafka")

    assert "topic" in applied
    assert said.index("Ready: http://gateway") < said.index("Beware: The topic knative-broker-airline-airline has 1")


def test_a_topic_with_as_many_partitions_as_asked_for_is_not_worth_a_word(empty: Path) -> None:
    applied, said = installed(empty, "kafka")

    assert "topic" in applied
    assert "Beware" not in said


def test_a_broker_in_memory_has_no_topic(empty: Path) -> None:
    applied, _ = installed(empty, "in-memory")

    assert "topic" not in applied


@pytest.mark.parametrize("name", ["123", "on", "null", "1e3", "0x1f"])
def test_a_namespace_may_look_like_a_number_or_a_truth_in_yaml(path: str, name: str) -> None:
    assert f"The namespace {name}, its settings" in deploy("in-memory", PATH=path, NAMESPACE=name).stdout
    for found in render(OVERLAYS / "in-memory", NAMESPACE=name, TAG="1.10", CDPATH=str(ROOT)):
        assert found.content["metadata"].get("namespace", name) == name
        if found.is_a("Namespace", "v1"):
            assert found.name == name
        if found.is_a("Service", SERVING):
            assert str(container(found)["image"]).endswith(":1.10")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("NAMESPACE", name) for name in ("Airline", "a b", "-a", "a.b", "x" * 64)),
        *(("TAG", tag) for tag in ("a/b", ".1", "1'")),
        *(("REGISTRY", registry) for registry in ("a b", "registry.example/")),
        ("KAFKA", "kafka.example:9092 x"),
    ],
)
def test_a_setting_that_no_cluster_takes_is_named(path: str, setting: str, value: str) -> None:
    refused = deploy("in-memory", PATH=path, **{setting: value})
    assert refused.returncode == 1
    assert f"{setting}={value} is not " in refused.stderr
    assert REACHED not in refused.stdout


def test_several_kafkas_and_registries_with_a_port_stay_whole() -> None:
    rendered = render(OVERLAYS / "kafka", KAFKA="one:9092,two:9092", IMAGES="postgres=registry.example:5000/postgres")
    assert "one:9092,two:9092" in [found.content.get("data", {}).get("bootstrap.servers") for found in rendered]
    images = [container(found)["image"] for found in rendered if found.is_a("StatefulSet", "apps/v1")]
    assert [image.partition("@")[0].rpartition(":")[0] for image in images] == ["registry.example:5000/postgres"]


def test_deploy_works_in_an_odd_folder_and_environment(path: str, tmp_path: Path) -> None:
    odd = tmp_path / "a b%41?c#d&e;f'g$i가"
    (odd / "tmp").mkdir(parents=True)
    for room in ("knative", "broker"):
        shutil.copytree(ROOT / room, odd / room, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["./knative/deploy", "in-memory"]
    environment = os.environ | {"PATH": path, "CDPATH": "/:/tmp", "TMPDIR": str(odd / "tmp")}
    reached = subprocess.run(command, cwd=odd, env=environment, capture_output=True, text=True, check=False)
    assert reached.stdout.splitlines()[0].startswith("The namespace airline, its settings")
    assert reached.stdout.splitlines()[1:] == [REACHED]
    assert reached.stderr == ""
    assert not any((odd / "tmp").iterdir())
