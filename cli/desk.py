"""What every command takes: where the airline is, and whether to answer in JSON."""

import codecs
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, TextIO

import typer
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli import client
from cli.client import Airline
from cli.draw import harmless
from cli.errors import CommandError

P = ParamSpec("P")
WIDTH_OF_A_FILE = 200
"""Columns of what is not a terminal: lines there are searched, not looked at."""

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="AIRLINE_URL", help="The gateway; without it, the airline of this checkout."),
]
HostHeader = Annotated[
    str | None,
    typer.Option("--host-header", envvar="AIRLINE_HOST", help="The gateway's name, where no DNS knows it."),
]
Json = Annotated[bool, typer.Option("--json", help="Pure JSON on stdout.")]

_OPTIONS: dict[str, dict[str, Any]] = {
    "url": {"annotation": Url, "default": None},
    "host_header": {"annotation": HostHeader, "default": None},
    "as_json": {"annotation": Json, "default": False},
}


@dataclass(frozen=True)
class Desk:
    """The airline that a command talks to, and how it answers."""

    airline: Airline
    as_json: bool


def at_the_desk(command: Callable[Concatenate[Desk, P], None]) -> Callable[..., None]:
    """A command whose first parameter is the desk; Typer sees its own options and those of the desk."""

    @functools.wraps(command)
    def seated(context: typer.Context, **options: Any) -> None:
        desk = _desk({name: options.pop(name) for name in _OPTIONS}, context.find_root().params)
        command(desk, **options)  # type: ignore[call-arg]

    own = list(inspect.signature(command).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    desks = [inspect.Parameter(name, keyword, **given) for name, given in _OPTIONS.items()]
    parameters = [context, *(parameter.replace(kind=keyword) for parameter in own), *desks]
    seated.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(seated)["__signature__"] = inspect.Signature(parameters)
    return seated


def _desk(here: dict[str, Any], before: dict[str, Any]) -> Desk:
    """`airline --json status` means the same as `airline status --json`."""
    given = {name: here[name] or before[name] for name in _OPTIONS}
    return Desk(client.connect(given["url"], given["host_header"]), given["as_json"])


def answer(desk: Desk, document: object, draw: Callable[[], RenderableType]) -> None:
    """Says it: the document as JSON, or drawn."""
    _write(_json(document) if desk.as_json else _drawn(draw()), sys.stdout)


def note(sentence: str) -> None:
    """Says what is no answer, on stderr."""
    _write(f"airline: {harmless(sentence)}\n", sys.stderr)


def explain(text: str) -> None:
    """Says what was typed wrong, or the help of a command that was typed without anything; both can have many lines."""
    lines = "\n".join(map(harmless, text.splitlines()))
    _write(f"{lines}\n" if lines.startswith("Usage:") else f"airline: {lines}\n", sys.stderr)


def _write(text: str, to: TextIO) -> None:
    """A reader that went away (`airline ... | head`) is not an error. Raises CommandError where a disk is full."""
    try:
        to.write(text)
        to.flush()
    except OSError as error:  # met here: Typer and Rich would end with 1, which means a broken law
        os.dup2(os.open(os.devnull, os.O_WRONLY), to.fileno())
        if not isinstance(error, BrokenPipeError) and to is sys.stdout:
            raise CommandError(f"It was done, but the answer cannot be written: {error.strerror}.") from error


def _json(document: object) -> str:
    """Characters are spelt out where the terminal, or the file behind it, might not have them."""
    return json.dumps(document, indent=2, ensure_ascii=codecs.lookup(sys.stdout.encoding).name != "utf-8") + "\n"


def _drawn(picture: RenderableType) -> str:
    console = stdout()
    with console.capture() as captured:
        console.print(picture)
    return captured.get()


def stdout() -> Console:
    """For people; nothing in what strangers wrote is taken for markup."""
    return Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)


def stderr() -> Console:
    """For progress."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Bars on stderr while it lasts; nothing where stderr is a file."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield bars
