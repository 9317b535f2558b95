"""Promotions: the text files of a folder that every replica mounts. What is written there shows at the next request.

Nothing is kept between two requests. Anything in the folder that is not a short text is left out: a stray file must not
take the list away from those who read it.
"""

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from choreography.errors import TryAgain
from choreography.logs import log

MOST = 100
"""Promotions of one answer, the first by name."""
LONGEST = 4096
"""Bytes of one text."""


class Promotion(NamedTuple):
    """A text, and the name of its file."""

    name: str
    text: str


def read(folder: Path | None) -> list[Promotion]:
    """The promotions in a folder, by name; empty if there is no folder. Raises TryAgain."""
    if folder is None:
        return []
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise TryAgain("The promotions cannot be read; try again.") from error
    return list(islice(_promotions(folder.resolve(), names), MOST))


def _promotions(folder: Path, names: list[str]) -> Iterator[Promotion]:
    for name in names:
        if name.startswith(".") or (folder / name).is_dir():
            continue  # of the volume's own, such as lost+found
        try:
            text = _text(folder, name)
        except (OSError, ValueError) as error:
            log.warning("not a promotion: %r: %s", name, error)
            continue
        if text:  # an empty file is one that somebody is about to write
            yield Promotion(name, text)


def _text(folder: Path, name: str) -> str:
    """Raises OSError and ValueError, which UnicodeDecodeError is."""
    # links are followed, as a mounted ConfigMap consists of them; but not one that leads outside
    path = Path(os.path.realpath(folder / name, strict=True))
    if not path.is_relative_to(folder):
        raise ValueError("leads outside of the folder")
    # without waiting, as a named pipe would make us
    with open(path, "rb", opener=lambda file, flags: os.open(file, flags | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a file")
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise ValueError(f"has more than {LONGEST} bytes")
    if b"\0" in content:
        raise ValueError("is not a text")
    return content.decode("utf-8-sig").strip()
