"""Parses YAML, and says of what is wrong where it is."""

from pathlib import Path
from typing import Any

import yaml

from laptop.errors import ManifestError

Manifest = dict[str, Any]
# The C loader reads the manifests ten times faster, but not every build of PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse(file: Path, text: str | None = None) -> list[Any]:
    """The documents of a file, or of a text that stands in it; empty ones are left out. Raises ManifestError."""
    try:
        return [found for found in yaml.load_all(file.read_text("utf-8") if text is None else text, _LOADER) if found]
    except yaml.YAMLError as error:
        raise ManifestError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
