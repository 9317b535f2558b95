"""`make audit` reads the lock files as they are, and fails where one names a version that is known to be vulnerable."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from testbed.listening import listening
from testbed.project import ROOT

WERKZEUG = {"package": {"ecosystem": "PyPI", "name": "werkzeug"}}
EVER = {"ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}]}
KNOWN = {"id": "GHSA-test", "aliases": [], "summary": "the sky falls", "affected": [WERKZEUG | EVER]}
LISTS = sorted((ROOT / "requirements").glob("*.txt"))


class Database(BaseHTTPRequestHandler):
    """As OSV's: which vulnerabilities of a package are known. It knows one."""

    protocol_version = "HTTP/1.1"
    asked: set[str]

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        self.asked.add(name)
        body = json.dumps({"vulns": [KNOWN]} if name == "werkzeug" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Not into the output of the tests."""


@pytest.fixture
def database() -> Iterator[tuple[str, set[str]]]:
    """Its address, and the packages that it was asked about."""
    asked: set[str] = set()
    with listening(type("Asked", (Database,), {"asked": asked})) as address:
        yield f"{address}/query", asked


def test_a_locked_version_that_is_known_to_be_vulnerable_fails_the_audit(
    database: tuple[str, set[str]], tmp_path: Path
) -> None:
    address, asked = database
    make = ["make", "-n", f"VENV={sys.prefix}", "audit", f"ARGS=--vulnerability-service=osv --osv-url={address}"]
    said = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    (command,) = [line for line in said if "pip_audit" in line]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "no_proxy": "127.0.0.1"}
    done = subprocess.run(shlex.split(command), cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 1, done.stderr
    assert re.search(r"werkzeug +\S+ +GHSA-test", done.stdout), done.stdout
    locked = {name for list_ in LISTS for name in re.findall(r"^([\w.-]+)==", list_.read_text("utf-8"), re.MULTILINE)}
    assert locked - asked <= {"colorama", "pywin32", "tzdata"}, "packages of Windows alone may be left out"
