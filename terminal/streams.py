"""The standard streams of a program that people type: they may be closed, or lack a character."""

import io
import os
import sys


def speak_anyhow() -> None:
    """`... >&-`, and terminals in ASCII or EUC-KR: they get a ? for what they lack, as the effect is there already."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
        setattr(sys, name, stream)
