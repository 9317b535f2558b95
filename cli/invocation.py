"""What every command takes: where the airline is, and whether to answer in JSON."""

import codecs
import functools
import inspect
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Concatenate, ParamSpec, TextIO

import typer
from rich.console import RenderableType

from cli import here
from client.errors import ClientError
from client.gateway import Airline
from terminal.console import as_text
from terminal.tables import harmless

P = ParamSpec("P")

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
class Invocation:
    """The airline that a command talks to, and how it answers. `airline` raises Unreachable where none is found."""

    url: str | None
    host_header: str | None
    as_json: bool

    @functools.cached_property
    def airline(self) -> Airline:
        """Looked for by those who ask it: what it has logged can be read when it is down."""
        return here.connect(self.url, self.host_header)


def invoked(command: Callable[Concatenate[Invocation, P], None]) -> Callable[..., None]:
    """A command whose first parameter is the invocation; Typer sees its own options and the common ones."""

    @functools.wraps(command)
    def run(context: typer.Context, **options: Any) -> None:
        invocation = _invocation({name: options.pop(name) for name in _OPTIONS}, context.find_root().params)
        command(invocation, **options)  # type: ignore[call-arg]

    own = list(inspect.signature(command).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    context = inspect.Parameter("context", keyword, annotation=typer.Context)
    common = [inspect.Parameter(name, keyword, **given) for name, given in _OPTIONS.items()]
    parameters = [context, *(parameter.replace(kind=keyword) for parameter in own), *common]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    vars(run)["__signature__"] = inspect.Signature(parameters)
    return run


def _invocation(after: dict[str, Any], before: dict[str, Any]) -> Invocation:
    """`airline --json status` means the same as `airline status --json`."""
    given = {name: after[name] or before[name] for name in _OPTIONS}
    return Invocation(**given)


def answer(invocation: Invocation, document: object, draw: Callable[[], RenderableType]) -> None:
    """Says it: the document as JSON, or drawn."""
    _write(_json(document) if invocation.as_json else as_text(draw()), sys.stdout)


def say(line: str) -> bool:
    """One line of an answer that goes on, and whether anybody still reads. Raises ClientError where a disk is full."""
    return _write(f"{harmless(line)}\n", sys.stdout)


def note(sentence: str) -> None:
    """Prints what is not part of the answer, on stderr."""
    _write(f"airline: {harmless(sentence)}\n", sys.stderr)


def explain(text: str) -> None:
    """Says what was typed wrong, or the help of a command that was typed without anything; both can have many lines."""
    lines = "\n".join(map(harmless, text.splitlines()))
    _write(f"{lines}\n" if lines.startswith("Usage:") else f"airline: {lines}\n", sys.stderr)


def _write(text: str, to: TextIO) -> bool:
    """Whether there is a reader. One that went away (`airline ... | head`) is not an error.

    Raises ClientError where a disk is full.
    """
    try:
        to.write(text)
        to.flush()
    except OSError as error:  # met here: Typer and Rich would end with 1, which means a broken law
        os.dup2(os.open(os.devnull, os.O_WRONLY), to.fileno())
        if not isinstance(error, BrokenPipeError) and to is sys.stdout:
            raise ClientError(f"It was done, but the answer cannot be written: {error.strerror}.") from error
        return False
    return True


def _json(document: object) -> str:
    """Characters are spelt out where the terminal, or the file behind it, might not have them."""
    return json.dumps(document, indent=2, ensure_ascii=codecs.lookup(sys.stdout.encoding).name != "utf-8") + "\n"
