"""python -m cli"""

import io
import os
import sys

from cli.errors import CRASHED


def _speak_anyhow() -> None:
    """`airline ... >&-`, and terminals that lack a character: they get a ? for it, as the effect is there already."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        setattr(sys, name, stream)


def _run() -> int:
    try:
        from cli.app import main  # noqa: PLC0415 - its packages may not be there
    except ModuleNotFoundError as error:
        sys.stderr.write(f"airline: {error.name} is not installed yet; `make run` installs everything and starts it\n")
        return CRASHED
    return main(sys.argv[1:])


if __name__ == "__main__":
    _speak_anyhow()
    sys.exit(_run())
