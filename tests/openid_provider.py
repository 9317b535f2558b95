"""An OpenID provider that others wrote (npm oidc-provider, certified), in which the people of the tests sign in."""

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

from testbed.certificates import Certificate
from testbed.ports import free_port
from testbed.project import ROOT
from testbed.running_system import eventually

SOURCE = ROOT / "tests" / "openid"
INSTALL = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]
AUDIENCE = "https://airline.example/api"
PEOPLE: dict[str, dict[str, object]] = {
    "ann": {"customer_id": 7},
    "bob": {"customer_id": 8},
    "olga": {"roles": ["operator"]},
}
"""What tokens say of them: two customers and an operator."""
KEY_ID = "first"


@dataclass(frozen=True)
class OpenIdProvider:
    """`url` is the issuer, `key` the one that it signs with, so that a test can sign what the provider never would."""

    url: str
    key: RSAPrivateKey

    def token(self, name: str) -> str:
        """The token that the provider gives to a program of that name."""
        asked = {"grant_type": "client_credentials"}
        answer = requests.post(f"{self.url}/token", asked, auth=(name, "secret"), timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def signed(self, *, key: Any = None, algorithm: str = "RS256", **claims: object) -> str:
        """A token of customer 7 with other claims, or another signature."""
        now = int(time.time())
        usual = {"iss": self.url, "sub": "ann", "aud": AUDIENCE, "iat": now, "exp": now + 600, **PEOPLE["ann"]}
        return jwt.encode(usual | claims, self.key if key is None else key, algorithm, {"kid": KEY_ID})

    def signed_with_what_is_public(self, **claims: object) -> str:
        """The public key as the secret of HS256, which the library refuses to use so."""
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        header = _segment(json.dumps({"alg": "HS256", "typ": "JWT", "kid": KEY_ID}).encode())
        signed = b".".join([header, self.signed(key=None, algorithm="RS256", **claims).split(".")[1].encode()])
        return b".".join([signed, _segment(hmac.digest(public, signed, "sha256"))]).decode()

    def settings(self) -> dict[str, str]:
        """What the functions and the gateway of an airline need to know of it."""
        return {"IDENTITY_ISSUER": self.url, "IDENTITY_AUDIENCE": AUDIENCE, "IDENTITY_OWNER_CLAIM": "customer_id"}


def _segment(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


@contextmanager
def openid_provider(
    folder: Path,
    redirects: Sequence[str] = ("http://127.0.0.1/",),
    address: str = "127.0.0.1",
    certificate: Certificate | None = None,
) -> Iterator[OpenIdProvider]:
    """Runs one; its page may send people back to these addresses. Where there is no npm, the test is skipped."""
    program, key, port = _installed(), generate_private_key(65537, 2048), free_port()
    public = json.loads(RSAAlgorithm.to_jwk(key)) | {"kid": KEY_ID, "use": "sig", "alg": "RS256"}
    settings = {"address": address, "port": port, "keys": [public], "people": PEOPLE, "audience": AUDIENCE}
    settings["redirects"] = [*redirects]
    if certificate:
        settings["tls"] = {"certificate": str(certificate.file), "key": str(certificate.key)}
    said = folder / "openid.txt"
    with said.open("wb") as output:
        process = subprocess.Popen(
            ["node", "provider.mjs", json.dumps(settings)], cwd=program, stdout=output, stderr=output
        )
    try:
        eventually(lambda: "ready" in said.read_text() or process.poll() is not None, "the provider is ready", 60)
        assert process.poll() is None, said.read_text()
        yield OpenIdProvider(f"{'https' if certificate else 'http'}://{address}:{port}", key)
    finally:
        process.terminate()
        process.wait(20)


def _installed() -> Path:
    """The folder of the program with its locked packages: in the environment, installed once."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no npm: apt-get install npm")
        pytest.skip("there is no npm on this machine: install it to have people sign in")
    content = b"".join((SOURCE / name).read_bytes() for name in ("package-lock.json", "provider.mjs"))
    place = Path(sys.prefix) / f"openid-provider-{hashlib.sha256(content).hexdigest()[:12]}"
    if not place.exists():
        with tempfile.TemporaryDirectory(dir=sys.prefix) as folder:
            made = shutil.copytree(SOURCE, Path(folder, "openid"))
            subprocess.run(INSTALL, cwd=made, check=True, timeout=500)
            made.rename(place)  # whole, or not at all
    return place


class _Form(HTMLParser):
    """The first form of a page: where it goes, and what it sends unless somebody types something else."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag == "form" and self.action is None:
            self.action = found.get("action")
        if tag in ("input", "button") and (name := found.get("name")) and name != "abort":
            self.fields.setdefault(name, found.get("value") or "")


def person_signs_in(address: str, name: str) -> str:
    """What a browser does with a person in front of it: opens, signs in, agrees. The text of the last page."""
    with requests.Session() as browser:
        page = browser.get(address, timeout=30)
        for _ in range(8):
            form = _Form(page.text)
            if form.action is None:
                return page.text
            typed = {"login": name, "password": "any"}
            sent = form.fields | {field: value for field, value in typed.items() if field in form.fields}
            page = browser.post(urljoin(page.url, form.action), sent, timeout=30)
        raise AssertionError(f"there is always another form: {page.text}")
