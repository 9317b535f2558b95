"""One mail by SMTP, with an end: a policy must answer before its Trigger gives up after 20 s.

What a server says about the mail itself decides (RFC 5321, section 4.2.1): 5xx to RCPT or DATA is for good, 4xx is for
now. What it says about us, at the greeting, the login or MAIL, is not the mail's fault: it waits until that is mended.
"""

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import policy, utils
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row

import wording
from airline.settings import settings

STEP_SECONDS = 6.0
"""For each answer of the server."""
ALL_SECONDS = 15.0
"""For the whole conversation: a server that sends a byte now and then would hold us for ever."""
PORTS = {"smtp": 25, "smtps": 465}
READY, FOR_GOOD = 220, 500
LOCAL = ("127.0.0.1", "localhost", "::1")


class Refused(Exception):
    """This mail will never be taken."""


class Postponed(Exception):
    """This mail was not taken, and may be later."""


def deliver(mail: Row[Any]) -> None:
    """Hands over one mail. Raises Refused and Postponed."""
    try:
        message = written(mail)
    except (MessageError, ValueError, IndexError) as error:
        raise Refused(f"it cannot be written ({error})") from error
    try:
        with _server() as server:
            server.send_message(message, settings().mail_from, [mail.address])
    except smtplib.SMTPRecipientsRefused as error:
        ((code, said),) = error.recipients.values()
        raise _verdict(code, said) from error
    except smtplib.SMTPDataError as error:
        raise _verdict(error.smtp_code, error.smtp_error) from error
    except smtplib.SMTPNotSupportedError as error:  # an address that is not ASCII, and a server that is
        raise Refused(str(error)) from error
    except (smtplib.SMTPException, OSError) as error:
        raise Postponed(f"{type(error).__name__}: {error}") from error


def written(mail: Row[Any]) -> EmailMessage:
    """The mail. Raises ValueError and MessageError for values that no header can have."""
    sender, words = settings().mail_from, wording.words_of(mail, settings().payment_currency)
    message = EmailMessage(policy.SMTP)
    message["From"] = sender
    local, _, domain = mail.address.rpartition("@")
    message["To"] = Address(wording.one_line(mail.name), local, domain)
    message["Subject"] = words.subject
    message["Date"] = utils.format_datetime(mail.made_at)
    message["Message-ID"] = f"<{mail.event_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = mail.language
    message.set_content(words.body)
    return message


@contextmanager
def _server() -> Iterator[smtplib.SMTP]:
    """A conversation with the mail server, which ends after ALL_SECONDS. Raises SMTPException and OSError."""
    url = urlsplit(settings().smtp_url or "")
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    secure = url.scheme == "smtps"
    # a name is given, or smtplib would look for ours in the DNS
    own: dict[str, Any] = {"timeout": STEP_SECONDS, "local_hostname": settings().mail_from.rpartition("@")[2]}
    server = smtplib.SMTP_SSL(**own, context=ssl.create_default_context()) if secure else smtplib.SMTP(**own)
    server._host = host  # type: ignore[attr-defined] # whose certificate is verified; else only the constructor sets it
    end = threading.Timer(ALL_SECONDS, _cut, (server,))
    end.start()
    try:
        _greet(server, host, port)
        if not secure and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            secure = True
        _log_in(server, secure or host in LOCAL)
        yield server
        _leave(server)
    finally:
        end.cancel()
        server.close()


def _greet(server: smtplib.SMTP, host: str, port: int) -> None:
    code, said = server.connect(host, port)
    if code != READY:
        raise smtplib.SMTPConnectError(code, said)
    server.ehlo()


def _log_in(server: smtplib.SMTP, is_safe: bool) -> None:
    user, password = settings().smtp_user, settings().smtp_password
    if not user:
        return
    if not is_safe:
        raise smtplib.SMTPException("the server offers no STARTTLS, and the password is not sent without it")
    server.ehlo_or_helo_if_needed()
    server.login(user, password)


def _leave(server: smtplib.SMTP) -> None:
    """The mail is taken by now, so nothing that happens here matters."""
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        return


def _cut(server: smtplib.SMTP) -> None:
    connection = server.sock
    if connection is not None:
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:  # it has ended this very moment
            return


def _verdict(code: int, said: bytes | str) -> Refused | Postponed:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return (Refused if code >= FOR_GOOD else Postponed)(f"{code} {wording.one_line(text)}")
