"""YAML as the laptop reads it: by the broker's reader, with the laptop's own error."""

from pathlib import Path
from typing import Any

from broker.embedded.yaml_documents import NotYamlError, yaml_documents
from laptop.errors import ManifestError

Manifest = dict[str, Any]


def parse(file: Path, text: str | None = None) -> list[Any]:
    """The documents of a file, or of a text from it; empty ones are left out. Raises ManifestError."""
    try:
        return yaml_documents(file, text)
    except NotYamlError as error:
        raise ManifestError(str(error)) from error
