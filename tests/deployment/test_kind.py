"""`make kind`: from nothing to a smoke test, in an order that works, again without harm. No Docker runs here."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from testbed.project import ROOT

PROGRAM = """#!/bin/sh
printf '%s %s\\n' "$(basename "$0")" "$*" >>"$FOLDER/said"
printf '%s\\n' "$KUBECONFIG" >>"$FOLDER/kubeconfigs"
case "$(basename "$0") $*" in
  "docker info") [ ! -e "$FOLDER/asleep" ];;
  "docker container inspect "*|"docker exec "*getent*|"kubectl get namespace kafka") [ -e "$FOLDER/there" ];;
  "kind get clusters") [ ! -e "$FOLDER/there" ] || echo mine;;
  *"get deployment metrics-server"*) [ ! -e "$FOLDER/there" ] || echo --kubelet-insecure-tls;;
  *" get services.serving.knative.dev gateway "*) printf http://gateway.airline.svc.cluster.local;;
  *" port-forward "*) echo "Forwarding from 127.0.0.1:40001 -> 8081"; exec sleep 600;;
  *) [ ! -e "$FOLDER/fails" ] || ! printf '%s' "$*" | grep -qf "$FOLDER/fails";;
esac
"""
PROGRAMS = ("docker", "kind", "kubectl", "curl", "make")
IN_ORDER = (
    r"docker run .*--publish 127\.0\.0\.1:5001:5000 registry:",
    r"kind create cluster --name mine --image kindest/node:v[\d.]+@sha256:\w{64} ",
    r"docker network connect kind mine-registry",
    r"kubectl apply .*/serving-crds\.yaml",
    r"kubectl wait crd --all",
    r"kubectl apply .*/serving-core\.yaml",
    r"kubectl -n knative-serving wait deployment webhook ",
    r"kubectl -n knative-serving patch configmap config-network ",
    r"kubectl apply .*/eventing-core\.yaml",
    r"kubectl apply .*/eventing-kafka-broker\.yaml",
    r"curl .*/strimzi-cluster-operator-[\d.]+\.yaml",
    r"kubectl -n kafka wait deployment --all ",
    r"make .* images DOCKER=docker REGISTRY=localhost:5001/airline TAG=7 PUSH=1",
    r"make .* deploy OVERLAY=kafka-small REGISTRY=localhost:5001/airline TAG=7",
    r"make .* smoke ",
    r"make .* remember",
)
ONCE = ("docker run", "kind create", "docker network connect", "kubectl create namespace", "args/-")
"""What would fail, or do harm, a second time."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Stand-ins for all programs; beside them `said`, what they were called with. `there`: all was done before."""
    for name in PROGRAMS:
        (tmp_path / name).write_text(PROGRAM)
        (tmp_path / name).chmod(0o700)
    return tmp_path


def kind(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": f"{folder}:{os.environ['PATH']}", "FOLDER": str(folder), "CLUSTER": "mine", "TAG": "7"}
    command = [str(ROOT / "knative" / "kind"), *arguments]
    environment = {**os.environ, "KUBECONFIG": "/somebody/elses", **path, **settings}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def said(folder: Path) -> str:
    return (folder / "said").read_text() if (folder / "said").exists() else ""


def places(text: str) -> list[int]:
    """Where each step is found, in the order in which they must come."""
    found = [re.search(step, text) for step in IN_ORDER]
    missing = [step for step, match in zip(IN_ORDER, found, strict=True) if not match]
    assert missing == []
    return [match.start() for match in found if match]


def test_everything_is_made_in_an_order_that_works_and_ends_with_a_whole_saga(folder: Path) -> None:
    done = kind(folder)

    assert done.returncode == 0, done.stderr
    assert places(said(folder)) == sorted(places(said(folder)))


def test_no_other_cluster_is_touched_whatever_kubeconfig_says(folder: Path) -> None:
    kind(folder)

    asked = zip(said(folder).splitlines(), (folder / "kubeconfigs").read_text().splitlines(), strict=True)
    used = {config for line, config in asked if line.split()[0] in {"kubectl", "make", "kind"}}
    assert used == {str(ROOT / ".kind" / "mine.kubeconfig")}


def test_a_second_time_only_what_may_have_changed_is_done(folder: Path) -> None:
    (folder / "there").touch()
    done = kind(folder)

    assert done.returncode == 0, done.stderr
    assert [step for step in ONCE if step in said(folder)] == []
    assert " deploy OVERLAY=" in said(folder)


def test_a_dry_run_prints_every_step_and_does_none(folder: Path) -> None:
    done = kind(folder, "--dry-run")

    assert done.returncode == 0, done.stderr
    assert places(done.stdout) == sorted(places(done.stdout))
    assert said(folder) == ""


def test_what_a_dry_run_prints_can_be_typed(folder: Path) -> None:
    printed = kind(folder, "--dry-run").stdout
    script = "\n".join(line for line in printed.splitlines() if not line.startswith("=="))
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("program", ["docker", "kind"])
def test_without_docker_or_kind_it_says_what_is_missing_and_does_nothing(folder: Path, program: str) -> None:
    (folder / program).unlink()
    needed = {name: path for name in ("bash", "env", "dirname", "sed") if (path := which(name))}
    for name, place in needed.items():
        (folder / name).symlink_to(place)
    done = kind(folder, PATH=str(folder))

    assert done.returncode == 1
    assert done.stderr.startswith(f"{program} is missing. Install it")
    assert said(folder) == ""


def which(name: str) -> Path | None:
    return next((Path(place, name) for place in ("/usr/bin", "/bin") if Path(place, name).exists()), None)


def test_a_docker_that_does_not_answer_is_named(folder: Path) -> None:
    (folder / "asleep").touch()
    done = kind(folder)

    assert done.returncode == 1
    assert "docker does not answer" in done.stderr
    assert said(folder) == "docker info\n"


@pytest.mark.parametrize("step", ["serving-core", "images", "deploy", "smoke"])
def test_a_step_that_fails_is_the_last(folder: Path, step: str) -> None:
    (folder / "fails").write_text(step)
    done = kind(folder)

    assert done.returncode != 0
    assert step in said(folder)
    assert "remember" not in said(folder)


def test_in_memory_needs_no_kafka(folder: Path) -> None:
    kind(folder, OVERLAY="in-memory")

    assert "mt-channel-broker.yaml" in said(folder)
    assert "kafka" not in said(folder).replace("airline/", "")


def test_it_can_be_removed(folder: Path) -> None:
    (folder / "there").touch()
    done = kind(folder, "--delete")

    assert done.returncode == 0, done.stderr
    assert "kind delete cluster --name mine\n" in said(folder)
    assert "docker rm --force --volumes mine-registry\n" in said(folder)


def test_an_unknown_word_is_refused(folder: Path) -> None:
    assert "Unknown: --dryrun" in kind(folder, "--dryrun").stderr
    assert said(folder) == ""


def test_a_tag_is_made_of_what_the_images_are_made_of(folder: Path) -> None:
    tags = [re.findall(r" TAG=(\w+)", kind(folder, "--dry-run", TAG="").stdout) for _ in range(2)]

    assert tags[0] == tags[1]
    assert all(re.fullmatch(r"[0-9a-f]{12}", tag) for tag in tags[0])


def test_the_defaults_of_make_do_not_hide_those_of_kind() -> None:
    make = ["make", "-n", "kind"]
    (plain,) = subprocess.run(
        make, cwd=ROOT, capture_output=True, text=True, check=True, env=ONLY_PATH
    ).stdout.splitlines()
    named = subprocess.run(
        [*make, "OVERLAY=kafka", "TAG=7"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert 'OVERLAY="" TAG="" knative/kind' in plain
    assert 'OVERLAY="kafka" TAG="7" knative/kind' in named


ONLY_PATH = {"PATH": os.environ["PATH"]}
VERSIONS = dict(re.findall(r"^([A-Z_]+)=(\S+)$", (ROOT / "knative" / "versions.env").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("NODE_IMAGE", r"--image (\S+) "),
        ("SERVING", r"knative/serving/releases/download/(\S+)"),
        ("EVENTING", r"knative/eventing/releases/download/(\S+)"),
        ("NET_KOURIER", r"net-kourier/releases/download/([^/]+)"),
        ("EVENTING_KAFKA", r"eventing-kafka-broker/releases/download/(\S+)"),
        ("STRIMZI", r"strimzi=(\S+)"),
    ],
)
def test_the_page_for_doing_it_by_hand_names_the_same_versions(name: str, written: str) -> None:
    pages = [(ROOT / "docs" / page).read_text("utf-8") for page in ("deploy.md", "ko/deploy.md")]
    found = [set(re.findall(written, page)) for page in pages]

    assert found[0]
    assert set().union(*found) == {VERSIONS[name].partition("@")[0]}


def test_every_version_says_where_a_newer_one_would_be() -> None:
    text = (ROOT / "knative" / "versions.env").read_text("utf-8")
    lines = text.splitlines()

    for name in VERSIONS:
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name}=")]
        assert re.fullmatch(r"# renovate: datasource=\S+ depName=\S+", lines[at - 1])
