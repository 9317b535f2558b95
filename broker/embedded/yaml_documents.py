"""The one YAML reader of broker and laptop. It reports where an error is, and checks nothing else."""

from pathlib import Path
from typing import Any

import yaml

# The C loader reads the manifests ten times faster, but not every build of PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotYamlError(ValueError):
    """The message names the file and the place in it."""


def yaml_documents(file: Path, text: str | None = None) -> list[Any]:
    """The documents of a file, or of a text from it; empty ones are left out.

    Raises NotYamlError, OSError, UnicodeDecodeError.
    """
    try:
        return [found for found in yaml.load_all(file.read_text("utf-8") if text is None else text, _LOADER) if found]
    except yaml.YAMLError as error:
        raise NotYamlError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
