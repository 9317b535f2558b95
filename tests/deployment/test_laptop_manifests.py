"""A laptop makes the same of our manifests as kubectl does."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from laptop.documents import read_documents
from testbed.project import BASE, IN_MEMORY


def identified(manifests: Iterable[dict[str, Any]]) -> dict[tuple[str, ...], dict[str, Any]]:
    """By group, kind, namespace and name. A Namespace is in none, whatever a reader fills in."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for manifest in manifests:
        metadata = manifest["metadata"]
        if manifest["kind"] == "Namespace":
            metadata.pop("namespace", None)
        found[(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), metadata["name"])] = manifest
    return found


@pytest.mark.parametrize("folder", [BASE, IN_MEMORY], ids=lambda folder: folder.name)
def test_a_laptop_runs_exactly_the_manifests_that_a_cluster_gets(folder: Path) -> None:
    kubectl = Path(sys.executable).with_name("kubectl")
    rendered = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=True).stdout

    assert identified(read_documents([folder]).all) == identified(yaml.safe_load_all(rendered))
