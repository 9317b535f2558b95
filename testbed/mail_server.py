"""A real SMTP server on a free port, that keeps what it is given and refuses what a test wants refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from testbed.ports import free_port


@dataclass
class MailServer:
    """`inbox` is what it took. `refusals` are its answers to the next commands of a name (RCPT, DATA)."""

    url: str = ""
    inbox: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: dict[str, list[str]] = field(default_factory=dict)

    async def handle_MAIL(self, _: SMTP, __: Session, envelope: Envelope, *said: Any) -> str:  # noqa: N802
        envelope.mail_from = said[0]
        return self._refusal("MAIL") or "250 OK"

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, *said: Any) -> str:  # noqa: N802
        refused = self._refusal("RCPT")
        if refused is None:
            envelope.rcpt_tos.append(said[0])
        return refused or "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - names of aiosmtpd
        refused = self._refusal("DATA")
        if refused is None:
            content: Any = envelope.content
            self.inbox.append(message_from_bytes(content, policy=policy.default))
            self.recipients += envelope.rcpt_tos
        return refused or "250 OK"

    def _refusal(self, command: str) -> str | None:
        answers = self.refusals.get(command)
        return answers.pop(0) if answers else None


@contextmanager
def mail_server(address: str = "127.0.0.1", **settings: Any) -> Iterator[MailServer]:
    """Runs one on that address; `settings` are aiosmtpd's."""
    server = MailServer()
    controller = Controller(server, hostname=address, port=free_port(), **settings)
    server.url = f"smtp://{address}:{controller.port}"
    controller.start()
    try:
        yield server
    finally:
        controller.stop()
