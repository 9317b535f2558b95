"""What ends a command, and with which exit code.

CommandError
├── Broken        1   it answered, and it is not right
├── Unreachable   2   nobody answered, or not as an airline does
└── Refused       3   it was understood, and the answer is no
"""

USAGE = 64
"""The exit code of a command that was typed wrong (sysexits.h); 2 means something else here."""
CRASHED = 70
INTERRUPTED = 130


class CommandError(Exception):
    """One sentence for the operator."""

    exit_code = CRASHED


class Broken(CommandError):
    """A law does not hold, or a saga did not go as it should."""

    exit_code = 1


class Unreachable(CommandError):
    """The airline cannot be reached, or cannot answer now."""

    exit_code = 2


class Refused(CommandError):
    """The airline said no; `status` is the HTTP status, 0 where it was not asked."""

    exit_code = 3

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
