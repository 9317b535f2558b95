"""`airline ...`: the commands put together, and what their endings mean."""

import traceback
from collections.abc import Sequence

import typer

from cli import dead_letters, flights, operations, reservations, saga
from cli.desk import HostHeader, Json, Url, at_the_desk, explain, note
from cli.errors import CRASHED, INTERRUPTED, USAGE, CommandError

app = typer.Typer(name="airline", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
app.add_typer(flights.app, name="flights")
app.command("reservations")(at_the_desk(reservations.show))
app.command("reserve")(at_the_desk(reservations.reserve))
app.command("cancel")(at_the_desk(reservations.cancel))
app.add_typer(saga.app, name="saga")
app.add_typer(dead_letters.app, name="dead-letters")
app.command("rebuild")(at_the_desk(operations.rebuild))
app.command("reconcile")(at_the_desk(operations.reconcile))
app.command("smoke")(at_the_desk(operations.smoke))
app.command("status")(at_the_desk(operations.status))


@app.callback()
def airline(url: Url = None, host_header: HostHeader = None, as_json: Json = False) -> None:
    """The airline from the operator's desk, over HTTP.

    Exit codes: 0 well, 1 a law is broken or a saga went wrong, 2 not reachable, 3 refused, 64 typed wrong, 70 a mistake
    of this program.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and says how it ended."""
    try:
        return int(app(arguments, prog_name="airline", standalone_mode=False) or 0)
    except CommandError as error:
        note(str(error))
        return error.exit_code
    except typer.TyperException as error:
        explain(error.format_message() or "--help lists the commands")
        return USAGE
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception:  # Python would end with 1, which means a broken law
        traceback.print_exc()
        return CRASHED
