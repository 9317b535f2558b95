"""What `make deploy` refuses before it touches a cluster."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.manifests import ROOT

REACHED = "the cluster was asked"
KUBECTL = f"""#!/bin/sh
case "$1" in kustomize) exec {Path(sys.executable).parent}/kubectl "$@";; esac
echo {REACHED}; exit 1
"""
"""Renders as the real one does; nothing goes to a cluster."""


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


def test_a_database_for_trying_out_needs_none(path: str) -> None:
    assert REACHED in deploy("in-memory", PATH=path).stdout
