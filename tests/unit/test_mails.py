"""Customers are informed once: one mail for each event, whatever the mail server does and whatever comes twice."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import mails
import smtp
import wording
from airline.events import AIRLINE, PaymentRefunded, ReservationConfirmed
from airline.settings import settings
from choreography import clock, store
from choreography.errors import Invalid, TryAgain
from mails import CONTACTS, MAILS
from testbed.mail_server import MailServer, mail_server
from testbed.policies import housekeeping
from testbed.sample_events import NOON, canceled
from tests.unit.conftest import Database, Service

CONFIRMED = ReservationConfirmed(reservation_id="R1", customer_id=7, flight_id=1, seat_qty=3)
REFUNDED = PaymentRefunded(payment_id=1, reservation_id="R1", customer_id=7, amount=600_000, reason="expired")


@pytest.fixture(scope="module")
def running() -> Iterator[MailServer]:
    with mail_server(enable_SMTPUTF8=True) as server:
        yield server


@pytest.fixture
def server(running: MailServer, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    """A mail server with an empty inbox, and the airline's settings for it."""
    running.inbox, running.recipients, running.refusals = [], [], {}
    mails_go_to(running.url, monkeypatch)
    return running


def mails_go_to(url: str, monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {"SMTP_URL": url, "MAIL_FROM": "reservations@airline.example", **more}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()


@pytest.fixture
def post(database: Database, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service of notifications, with Zoë, who is customer 7."""
    service = Service(database(mails.metadata))
    monkeypatch.setattr(store, "database", lambda: service.engine)
    known(service, name="Zoë Müller-Šimůnek", address="zoe@customers.example", language="en")
    return service


def known(service: Service, **contact: str) -> None:
    """Customer 7 is known so."""
    service.run(lambda tx: tx.execute(CONTACTS.delete()))
    service.run(lambda tx: tx.execute(CONTACTS.insert().values(customer_id=7, **contact)))


def hear(service: Service, event: Any) -> None:
    """All three steps, as the wrapper takes them."""
    mail = service.run(mails.begin, event)
    if mail is not None:
        mails.send(mail)
        service.run(mails.record, mail, None)


def statuses(service: Service) -> list[str]:
    return sorted(row.status for row in service.rows(MAILS))


def test_a_customer_is_told_once_of_each_event_however_often_it_is_heard(post: Service, server: MailServer) -> None:
    for _ in range(3):
        for event in (CONFIRMED, canceled(), REFUNDED):
            hear(post, event)
    assert [mail["Subject"] for mail in server.inbox] == [
        "Your reservation R1 is confirmed",
        "Your reservation R1 is canceled",
        "Refund for your reservation R1",
    ]
    assert len({mail["Message-ID"] for mail in server.inbox}) == 3
    assert server.recipients == ["zoe@customers.example"] * 3
    assert statuses(post) == ["SENT"] * 3


def test_a_mail_is_named_by_the_event_that_it_is_about(post: Service, server: MailServer) -> None:
    hear(post, CONFIRMED)
    (mail,) = server.inbox
    assert mail["Message-ID"] == f"<{AIRLINE.event_id('ReservationConfirmed', 'R1')}@airline.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["To"] == "Zoë Müller-Šimůnek <zoe@customers.example>"


def test_a_canceled_reservation_says_why_and_a_refund_how_much(post: Service, server: MailServer) -> None:
    hear(post, canceled())
    hear(post, REFUNDED)
    assert "Reason: changed my mind" in server.inbox[0].get_content()
    assert "600,000 KRW" in server.inbox[1].get_content()


def test_a_customer_who_reads_korean_is_told_in_korean(post: Service, server: MailServer) -> None:
    known(post, name="김하늘", address="haneul@customers.example", language="ko")
    hear(post, CONFIRMED)
    hear(post, canceled())
    assert server.inbox[0]["Subject"] == "[예약 R1] 예약이 확정되었습니다"
    assert server.inbox[0]["To"] == "김하늘 <haneul@customers.example>"
    assert server.inbox[0].get_content().startswith("김하늘 님, 안녕하세요.")
    assert "사유: changed my mind" in server.inbox[1].get_content()


@pytest.mark.parametrize("language", wording.LANGUAGES)
@pytest.mark.parametrize("reason", ["expired", "canceled by customer", "not enough seats left: 2 remain", "외국"])
def test_every_reason_is_a_sentence_of_the_mail(post: Service, server: MailServer, language: str, reason: str) -> None:
    known(post, name="Kim", address="kim@customers.example", language=language)
    hear(post, replace(canceled(), reason=reason))
    content = server.inbox[0].get_content()
    assert (reason in content) == (language == "en" or reason == "외국")


@pytest.mark.parametrize("evil", ["Zoe\r\nBcc: all@customers.example", "Zoe\nX: y", "Zoe\x00", "Zoe\u2028Bcc: a@b"])
def test_nobody_writes_headers_or_lines_of_ours_by_a_name_or_a_reason(
    post: Service, server: MailServer, evil: str
) -> None:
    known(post, name=evil, address="zoe@customers.example", language="en")
    hear(post, replace(canceled(), reason=f"{evil}\n\nDear Zoe, pay at evil.example"))
    (mail,) = server.inbox
    assert "Bcc" not in mail
    assert "X" not in mail
    assert len(mail.get_all("To", [])) == 1
    assert not [line for line in mail.get_content().splitlines() if line.startswith(("Bcc", "Dear Zoe, pay"))]
    assert server.recipients == ["zoe@customers.example"]


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_what_the_server_refuses_for_now_is_owed_and_sent_by_the_next_delivery(
    post: Service, server: MailServer, command: str
) -> None:
    server.refusals = {command: ["451 4.7.1 greylisted, try later"]}
    with pytest.raises(TryAgain, match="greylisted"):
        hear(post, CONFIRMED)
    assert [(row.status, row.problem) for row in post.rows(MAILS)] == [("OWED", "451 4.7.1 greylisted, try later")]
    hear(post, CONFIRMED)
    assert (len(server.inbox), statuses(post)) == (1, ["SENT"])


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
def test_what_the_server_refuses_for_good_is_a_dead_letter_and_never_tried_again(
    post: Service, server: MailServer, command: str
) -> None:
    server.refusals = {command: ["550 5.1.1 no such user"]}
    with pytest.raises(Invalid, match="no such user"):
        hear(post, CONFIRMED)
    hear(post, CONFIRMED)
    assert (server.inbox, statuses(post)) == ([], ["GIVEN_UP"])


def test_what_the_server_says_about_the_airline_is_not_held_against_the_mail(post: Service, server: MailServer) -> None:
    server.refusals = {"MAIL": ["550 5.7.1 sender is not allowed"]}
    with pytest.raises(TryAgain, match="sender is not allowed"):
        hear(post, CONFIRMED)
    assert statuses(post) == ["OWED"]


def test_an_address_that_is_corrected_brings_the_mails_that_it_missed(post: Service, server: MailServer) -> None:
    server.refusals = {"RCPT": ["550 no such user"]}
    with pytest.raises(Invalid):
        hear(post, CONFIRMED)
    known(post, name="Zoë", address="zoe@new.example", language="en")
    post.run(mails.owe_again, 7)
    housekeeping("notifications").keep_house()
    assert server.recipients == ["zoe@new.example"]


def test_a_customer_without_an_address_is_told_when_there_is_one(post: Service, server: MailServer) -> None:
    post.run(lambda tx: tx.execute(CONTACTS.delete()))
    hear(post, CONFIRMED)
    assert (server.inbox, statuses(post)) == ([], ["NO_ADDRESS"])
    known(post, name="Zoë", address="zoe@customers.example", language="en")
    post.run(mails.owe_again, 7)
    housekeeping("notifications").keep_house()
    assert len(server.inbox) == 1


def test_two_deliveries_at_once_send_one_mail(post: Service, server: MailServer) -> None:
    first = post.run(mails.begin, CONFIRMED)
    with pytest.raises(TryAgain, match="Somebody else"):
        post.run(mails.begin, CONFIRMED)
    mails.send(first)
    post.run(mails.record, first, None)
    assert post.run(mails.begin, CONFIRMED) is None
    assert len(server.inbox) == 1


def test_who_dies_between_sending_and_recording_sends_the_same_message_id_again(
    post: Service, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mails.send(post.run(mails.begin, CONFIRMED))
    later = clock.now() + mails.LEFT_ALONE + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    hear(post, CONFIRMED)
    assert len(server.inbox) == 2
    assert len({mail["Message-ID"] for mail in server.inbox}) == 1
    assert len({mail["Date"] for mail in server.inbox}) == 1
    assert statuses(post) == ["SENT"]


def test_a_server_that_is_away_for_longer_than_all_retries_gets_the_mail_from_housekeeping(
    post: Service, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        mails_go_to(f"smtp://127.0.0.1:{closed.getsockname()[1]}", monkeypatch)
        for _ in range(11):
            with pytest.raises(TryAgain, match="ConnectionRefusedError"):
                hear(post, CONFIRMED)
        housekeeping("notifications").keep_house()
        assert statuses(post) == ["OWED"]
    mails_go_to(server.url, monkeypatch)
    later = clock.now() + timedelta(hours=9)
    monkeypatch.setattr(clock, "now", lambda: later)
    housekeeping("notifications").keep_house()
    assert (len(server.inbox), statuses(post)) == (1, ["SENT"])


def test_what_is_no_news_any_more_is_given_up(
    post: Service, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refusals = {"DATA": ["452 disk full"]}
    with pytest.raises(TryAgain):
        hear(post, CONFIRMED)
    later = clock.now() + mails.GIVEN_UP_AFTER + timedelta(minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    housekeeping("notifications").keep_house()
    assert [(row.status, row.problem) for row in post.rows(MAILS)] == [("GIVEN_UP", "452 disk full")]
    assert server.inbox == []


def test_one_mail_that_cannot_be_sent_keeps_none_of_the_others_waiting(
    post: Service, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refusals = {"DATA": ["451 later"] * 3 + ["550 never"]}
    for event in (CONFIRMED, canceled(), REFUNDED):
        with pytest.raises(TryAgain):
            hear(post, event)
    later = clock.now() + timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: later)
    housekeeping("notifications").keep_house()
    assert statuses(post) == ["GIVEN_UP", "SENT", "SENT"]


def test_without_a_mail_server_nothing_is_sent_and_nothing_is_kept(post: Service) -> None:
    hear(post, CONFIRMED)
    housekeeping("notifications").keep_house()
    assert post.rows(MAILS) == []


@contextmanager
def scripted(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that talks to one client as it likes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                talk(connection)

        thread = Thread(target=serve)
        thread.start()
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def silent(connection: socket.socket) -> None:
    connection.recv(1)


def one_byte_at_a_time(connection: socket.socket) -> None:
    connection.settimeout(0.02)
    while True:
        try:
            connection.sendall(b"2")
            if not connection.recv(100):
                return
        except TimeoutError:
            continue
        except OSError:
            return


def ends_in_the_middle(connection: socket.socket) -> None:
    connection.sendall(b"220 hello\r\n")
    connection.recv(100)


def speaks_http(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("talk", [silent, one_byte_at_a_time, ends_in_the_middle, speaks_http])
def test_a_server_that_is_no_mail_server_or_takes_for_ever_holds_nobody(
    post: Service, monkeypatch: pytest.MonkeyPatch, talk: Callable[[socket.socket], None]
) -> None:
    assert smtp.ALL_SECONDS < 20
    monkeypatch.setattr(smtp, "ALL_SECONDS", 0.3)
    monkeypatch.setattr(smtp, "STEP_SECONDS", 0.3)
    with scripted(talk) as url:
        mails_go_to(url, monkeypatch)
        with pytest.raises(TryAgain):
            hear(post, CONFIRMED)
    assert statuses(post) == ["OWED"]


def test_an_address_that_is_not_ascii_needs_a_server_that_takes_it(
    post: Service, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known(post, name="김하늘", address="하늘@customers.example", language="ko")
    hear(post, CONFIRMED)
    assert server.recipients == ["하늘@customers.example"]
    with mail_server(enable_SMTPUTF8=False) as plain:
        mails_go_to(plain.url, monkeypatch)
        with pytest.raises(Invalid, match="SMTPUTF8"):
            hear(post, canceled())


@pytest.mark.filterwarnings("ignore:Requiring AUTH")
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_a_login_is_tried_and_a_wrong_one_holds_the_mail_back(
    post: Service, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    def judged(*said: Any) -> AuthResult:
        shown: LoginPassword = said[-1]
        return AuthResult(success=shown.password == b"right", handled=False)

    with mail_server(authenticator=judged, auth_required=True, auth_require_tls=False) as guarded:
        mails_go_to(guarded.url, monkeypatch, SMTP_USER="airline", SMTP_PASSWORD=password)
        if password == "right":
            hear(post, CONFIRMED)
            assert len(guarded.inbox) == 1
        else:
            with pytest.raises(TryAgain, match="535"):
                hear(post, CONFIRMED)
            assert statuses(post) == ["OWED"]


def test_a_password_goes_to_nobody_without_tls(
    post: Service, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "LOCAL", ())
    mails_go_to(server.url, monkeypatch, SMTP_USER="airline", SMTP_PASSWORD="secret")
    with pytest.raises(TryAgain, match="not sent without it"):
        hear(post, CONFIRMED)


def test_a_server_whose_certificate_nobody_vouches_for_gets_no_mail(
    post: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with mail_server(tls_context=vouched_for_by_nobody(tmp_path)) as server:
        mails_go_to(server.url, monkeypatch)
        with pytest.raises(TryAgain, match="certificate"):
            hear(post, CONFIRMED)
        assert server.inbox == []


def vouched_for_by_nobody(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that is signed with its own key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOON, NOON + timedelta(days=9999))
    signed = made.add_extension(here, critical=False).sign(key, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(private + signed.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SMTP_URL", "mail.example", "SMTP_URL must be an address such as"),
        ("SMTP_URL", "smtp://me:hunter2@mail.example", "SMTP_URL must be an address such as"),
        ("MAIL_FROM", "nobody", "MAIL_FROM must be an address such as"),
        ("MAIL_FROM", "a@b.example\r\nBcc: c@d.example", "MAIL_FROM must be an address such as"),
    ],
)
def test_a_wrong_setting_of_mails_is_named(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mails_go_to("smtp://mail.example", monkeypatch, **{name: value})
    with pytest.raises(ValueError, match=said) as wrong:
        settings()
    assert "hunter2" not in str(wrong.value)
