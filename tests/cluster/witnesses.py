"""What stands outside of a cluster and is reached by its pods: who people are, telemetry, mail. All of it runs here."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from demos.kubectl import Namespace
from testbed.certificates import certificate_of
from testbed.mail_server import MailServer, mail_server
from testbed.telemetry_receiver import TelemetryReceiver, telemetry_receiver
from tests.openid_provider import OpenIdProvider, openid_provider

SENDER = "reservations@airline.example"


@dataclass(frozen=True)
class Witnesses:
    """An issuer of tokens, a receiver of traces and metrics, and a mail server; `authority` vouches for the issuer."""

    people: OpenIdProvider
    telemetry: TelemetryReceiver
    mail: MailServer
    authority: Path

    def settings(self) -> dict[str, dict[str, str]]:
        """What an airline has to know of them: data of ConfigMaps, by name."""
        return {
            "identity-settings": {**self.people.settings(), "IDENTITY_CA": "/identity-ca/ca.crt"},
            "identity-ca-settings": {"ca.crt": self.authority.read_text("ascii")},
            "observability-settings": {
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.telemetry.url,
                "OTEL_TRACES_SAMPLER_ARG": "1",
            },
            "notifications-settings": {"SMTP_URL": self.mail.url, "MAIL_FROM": SENDER},
        }


@contextmanager
def witnesses(folder: Path) -> Iterator[Witnesses]:
    """Runs them where pods reach them. Meanwhile this process trusts the issuer, and so does what it starts."""
    address = address_for_pods()
    certificate = certificate_of(address, folder)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate.file))
        yield Witnesses(
            stack.enter_context(openid_provider(folder, address=address, certificate=certificate)),
            stack.enter_context(telemetry_receiver(address)),
            stack.enter_context(mail_server(address)),
            certificate.file,
        )


def address_for_pods() -> str:
    """Of this machine: WITNESS_ADDRESS, or the one from which it asks the API server of the cluster."""
    if given := os.environ.get("WITNESS_ADDRESS"):
        return given
    server = urlsplit(
        Namespace("default").run("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((server.hostname, server.port or 443))  # sends nothing: the system chooses the address
        return str(asked.getsockname()[0])
