"""How an image starts, read from its Dockerfile: python -m images.config NAME

Prints an OCI image config (User, WorkingDir, Env, Entrypoint, ExposedPorts) for tools that make images of trees.
Knows the few forms of a Dockerfile that ours use.
"""

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


def config_of(name: str) -> dict[str, Any]:
    """The config of a folder of functions, of `migrations`, or of `gateway`."""
    if name == "gateway":
        return _config(stages(PROJECT / "gateway" / "Dockerfile"), "")
    return _config(stages(PROJECT / "Dockerfile"), "migrations" if name == "migrations" else "function")


def stages(dockerfile: Path) -> dict[str, list[tuple[str, str]]]:
    """By name, the instructions of each stage as (instruction, rest), its FROM first; the one without a name is ""."""
    found: dict[str, list[tuple[str, str]]] = {}
    instructions: list[tuple[str, str]] = []  # before the first FROM
    for word, rest in _instructions(dockerfile):
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            instructions = found[name] = [(word, image)]
        else:
            instructions.append((word, rest))
    return found


def _instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    for line in dockerfile.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


def _config(stages: Mapping[str, list[tuple[str, str]]], name: str) -> dict[str, Any]:
    (_, base), *instructions = stages[name]
    made = _config(stages, base) if base in stages else {"Env": []}
    for word, rest in instructions:
        if word == "ENV":
            made["Env"] += shlex.split(rest)
        elif word == "USER":
            made["User"] = rest
        elif word == "WORKDIR":
            made["WorkingDir"] = rest
        elif word == "ENTRYPOINT":
            made["Entrypoint"] = json.loads(rest)
        elif word == "EXPOSE":
            made["ExposedPorts"] = {f"{rest}/tcp": {}}
    return made


if __name__ == "__main__":
    print(json.dumps(config_of(sys.argv[1]), indent=2))  # noqa: T201
