"""`airline ...`: the list of all commands, and what their endings mean."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from cli.commands import dead_letters, dead_letters_kept, flights, saga
from cli.commands.audit import audit
from cli.commands.cancel import cancel
from cli.commands.events import events
from cli.commands.logs import logs
from cli.commands.rebuild import rebuild
from cli.commands.reconcile import reconcile
from cli.commands.reservations import reservations
from cli.commands.reserve import reserve
from cli.commands.session import login, logout, whoami
from cli.commands.smoke import smoke
from cli.commands.status import status
from cli.exit_codes import BROKEN, CRASHED, INTERRUPTED, REFUSED, UNREACHABLE, USAGE
from cli.invocation import HostHeader, Json, Url, explain, invoked, note
from client.errors import Broken, ClientError, Refused, Unreachable


@dataclass(frozen=True)
class Group:
    """Commands under one word: `airline WORD COMMAND`."""

    help: str
    commands: "Commands"


Commands = Mapping[str, Callable[..., None] | Group]
"""By the word that is typed; the first parameter of each command is its Invocation."""

COMMANDS: Commands = {
    "flights": Group(
        "The flights and their seats.",
        {"list": flights.list_all, "add": flights.add, "change": flights.change, "import": flights.import_},
    ),
    "reservations": reservations,
    "reserve": reserve,
    "cancel": cancel,
    "saga": Group("What became of a reservation, event by event.", {"show": saga.show}),
    "events": events,
    "logs": logs,
    "dead-letters": Group(
        "Events that could not be processed.",
        {
            "list": dead_letters.list_all,
            "show": dead_letters.show,
            "replay": dead_letters.replay,
            "discard": dead_letters.discard,
            "kept": Group(
                "Events that not even the dead-letter sink took.",
                {"list": dead_letters_kept.list_all, "replay": dead_letters_kept.replay},
            ),
        },
    ),
    "rebuild": rebuild,
    "reconcile": reconcile,
    "smoke": smoke,
    "status": status,
    "audit": audit,
    "login": login,
    "logout": logout,
    "whoami": whoami,
}
EXIT_CODES: Mapping[type[ClientError], int] = {Broken: BROKEN, Unreachable: UNREACHABLE, Refused: REFUSED}


def airline(url: Url = None, host_header: HostHeader = None, as_json: Json = False) -> None:
    """Operates an airline over HTTP.

    Exit codes: 0 success, 1 a law is broken or a saga went wrong, 2 unreachable, 3 refused, 64 wrong usage, 70 an error
    in this program.
    """


def program(commands: Commands, **options: Any) -> typer.Typer:
    """A Typer program of these commands."""
    made = typer.Typer(no_args_is_help=True, **options)
    made.callback()(lambda: None)  # without one, Typer would take a group's only command for the group
    for word, command in commands.items():
        if isinstance(command, Group):
            made.add_typer(program(command.commands, help=command.help), name=word)
        else:
            made.command(word)(invoked(command))
    return made


app = program(COMMANDS, name="airline", pretty_exceptions_enable=False, rich_markup_mode=None)
app.callback()(airline)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and says how it ended."""
    try:
        return int(app(arguments, prog_name="airline", standalone_mode=False) or 0)
    except ClientError as error:
        note(str(error))
        return EXIT_CODES.get(type(error), CRASHED)
    except typer.TyperException as error:
        explain(error.format_message() or "--help lists the commands")
        return USAGE
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exception:  # Python would end with 1, which means a broken law
        traceback.print_exc()
        return CRASHED
