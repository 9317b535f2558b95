"""What goes wrong between an airline and its users over HTTP. Each is one sentence for a person.

ClientError
├── Broken        it answered, and it is not right
├── Unreachable   no answer, or not that of an airline
└── Refused       it was understood, and the answer is no
"""


class ClientError(Exception):
    """One sentence for the operator."""


class Broken(ClientError):
    """A law does not hold, or a saga did not go as it should."""


class Unreachable(ClientError):
    """The airline cannot be reached, or cannot answer now."""


class Refused(ClientError):
    """The airline said no; `status` is the HTTP status, 0 where it was not asked."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
