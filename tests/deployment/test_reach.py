"""`knative/reach`: a tunnel to a gateway that has no address outside of its cluster, for as long as a command runs."""

import os
import subprocess
from pathlib import Path

import psutil
import pytest

from testbed.project import ROOT

KUBECTL = """#!/bin/sh
printf '%s\\n' "$*" >>"$ASKED"
case "$*" in
  *" get services.serving.knative.dev gateway "*) printf '%s' "$URL";;
  *" port-forward "*)
    [ -z "$BROKEN" ] || { echo "error: services \\"$BROKEN\\" not found" >&2; exit 1; }
    echo $$ >"$TUNNEL"
    echo "Forwarding from 127.0.0.1:40001 -> 8081"
    exec sleep 600;;
esac
"""
SHOW = 'echo "$AIRLINE_URL $AIRLINE_HOST"'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o700)
    return {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "ASKED": str(tmp_path / "asked"),
        "TUNNEL": str(tmp_path / "tunnel"),
        "URL": "http://gateway.elsewhere.svc.cluster.local",
        "BROKEN": "",
        "NAMESPACE": "elsewhere",
    }


def reach(environment: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    reach = str(ROOT / "knative" / "reach")
    return subprocess.run([reach, *command], env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_a_command_finds_the_tunnel_and_the_gateways_name(environment: dict[str, str]) -> None:
    done = reach(environment, "sh", "-c", SHOW)

    assert done.stdout.strip() == "http://127.0.0.1:40001 gateway.elsewhere.svc.cluster.local"
    asked = Path(environment["ASKED"]).read_text()
    assert "-n elsewhere get services.serving.knative.dev gateway" in asked
    assert "-n kourier-system port-forward service/kourier-internal 0:80" in asked


def test_another_ingress_can_be_named(environment: dict[str, str]) -> None:
    reach(environment | {"INGRESS": "istio-system/knative-local-gateway", "PORT": "8080"}, "true")

    asked = Path(environment["ASKED"]).read_text()
    assert "-n istio-system port-forward service/knative-local-gateway 8080:80" in asked


@pytest.mark.parametrize("code", [0, 7])
def test_the_tunnel_ends_with_the_command_whose_exit_code_counts(environment: dict[str, str], code: int) -> None:
    assert reach(environment, "sh", "-c", f"exit {code}").returncode == code
    assert not psutil.pid_exists(int(Path(environment["TUNNEL"]).read_text()))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"BROKEN": "kourier-internal"}, '"kourier-internal" not found'), ({"URL": ""}, "it is not Ready")],
)
def test_the_reason_for_a_missing_tunnel_is_shown(
    environment: dict[str, str], wrong: dict[str, str], said: str
) -> None:
    done = reach(environment | wrong, "sh", "-c", SHOW)

    assert done.returncode == 1
    assert said in done.stderr
    assert not done.stdout


def test_without_a_command_there_is_nothing_to_do(environment: dict[str, str]) -> None:
    assert reach(environment).returncode == 2
