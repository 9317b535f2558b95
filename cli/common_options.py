"""Options that several commands have."""

from typing import Annotated

import typer

Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]
Key = Annotated[
    str | None, typer.Option(help="Idempotency-Key: the same command under the same key is done once.", metavar="KEY")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait.", min=0)]
