"""Reads Kubernetes YAML from files and folders, without judging it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from laptop.errors import ManifestError
from laptop.kustomization import kustomize
from laptop.yaml_text import Manifest, parse


@dataclass(frozen=True)
class Documents:
    """All manifests of one run, each with its namespace filled in."""

    all: tuple[Manifest, ...]

    def of_kind(self, kind: str, api_group: str = "") -> Iterator[Manifest]:
        """Manifests of one kind; `api_group` is needed for kinds that several groups have (Service)."""
        for document in self.all:
            if document.get("kind") == kind and str(document["apiVersion"]).startswith(api_group):
                yield document

    def find(self, kind: str, name: str) -> Manifest | None:
        """The manifest of that kind and name, if there is one."""
        return next((found for found in self.of_kind(kind) if found["metadata"]["name"] == name), None)


def read_documents(paths: Iterable[Path]) -> Documents:
    """Reads files, and the *.yaml of folders (not of their subfolders) as their kustomization changes them.

    Raises ManifestError.
    """
    documents: list[Manifest] = []
    for path in paths:
        if not path.exists():
            raise ManifestError(f"{path} has no manifests")
        documents += _read_folder(path) if path.is_dir() else _read_file(path)
    for document in documents:
        document["metadata"].setdefault("namespace", "default")
    return Documents(tuple(documents))


def _read_folder(folder: Path) -> list[Manifest]:
    kustomization = folder / "kustomization.yaml"
    files = sorted(file for file in folder.glob("*.yaml") if file != kustomization)
    documents = [document for file in files for document in _read_file(file)]
    if kustomization.exists():
        kustomize(kustomization, documents)
    return documents


def _read_file(file: Path) -> list[Manifest]:
    documents = parse(file)
    for document in documents:
        if not isinstance(document, dict) or not {"apiVersion", "kind", "metadata"} <= document.keys():
            raise ManifestError(f"{file}: a manifest needs apiVersion, kind and metadata")
    return documents
