"""images/signatures signs the digest that was pushed, and stops what others signed. No cosign runs here."""

import os
import subprocess
from pathlib import Path

import pytest

from testbed.project import ROOT

DIGEST = f"registry.example/airline/reserve@sha256:{'7' * 64}"
DOCKER = f"""#!/bin/sh
echo mirror.example/airline/reserve@sha256:{"8" * 64}
[ -e "$(dirname "$0")/never-pushed" ] || echo {DIGEST}
"""
COSIGN = """#!/bin/sh
echo "$@" >>"$(dirname "$0")/said"
! grep -qsx -e "$1" "$(dirname "$0")/refuses"
"""
IMAGE = {"REGISTRY": "registry.example/airline", "TAG": "7"}
SIGNER = {"SIGNED_BY": "https://git.example/airline/images.yml@refs/heads/main", "ISSUER": "https://issuer.example"}
KEYLESS = f"--certificate-identity {SIGNER['SIGNED_BY']} --certificate-oidc-issuer {SIGNER['ISSUER']}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with a bill for reserve, and a docker and a cosign; what cosign was called with is in `said`."""
    for name, text in (("docker", DOCKER), ("cosign", COSIGN)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o700)
    (tmp_path / ".sbom").mkdir()
    (tmp_path / ".sbom" / "reserve.cdx.json").write_text("{}")
    return tmp_path


def signatures(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", **IMAGE, **settings}
    command = [str(ROOT / "images" / "signatures"), *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def said(folder: Path) -> list[str]:
    return (folder / "said").read_text().splitlines() if (folder / "said").exists() else []


def test_the_digest_is_signed_and_its_bill_attested_never_the_tag(folder: Path) -> None:
    done = signatures(folder, "make", "reserve")

    assert (done.returncode, done.stdout) == (0, f"{DIGEST}\n")
    assert said(folder) == [
        f"sign --yes {DIGEST}",
        f"attest --yes --type cyclonedx --predicate .sbom/reserve.cdx.json {DIGEST}",
    ]


def test_a_key_in_a_vault_signs_where_one_is_given(folder: Path) -> None:
    signatures(folder, "make", "reserve", COSIGN_KEY="azurekms://vault.example/airline")

    assert all(" --key azurekms://vault.example/airline " in line for line in said(folder))


def test_an_image_that_was_not_pushed_is_not_signed(folder: Path) -> None:
    (folder / "never-pushed").touch()
    done = signatures(folder, "make", "reserve")

    assert done.returncode == 1
    assert "make image FUNCTION=reserve PUSH=1" in done.stderr
    assert said(folder) == []


def test_an_image_without_a_bill_is_not_signed(folder: Path) -> None:
    done = signatures(folder, "make", "payment")

    assert done.returncode == 1
    assert "make sbom NAMES=payment" in done.stderr
    assert said(folder) == []


def test_a_signature_that_fails_fails_the_release(folder: Path) -> None:
    (folder / "refuses").write_text("attest")
    assert signatures(folder, "make", "reserve").returncode != 0


def test_every_image_is_checked_for_who_signed_it_and_its_bill(folder: Path) -> None:
    done = signatures(folder, "check", "reserve", "gateway", **SIGNER)

    assert done.returncode == 0
    assert said(folder) == [
        line
        for name in ("reserve", "gateway")
        for line in (
            f"verify {KEYLESS} registry.example/airline/{name}:7",
            f"verify-attestation {KEYLESS} --type cyclonedx registry.example/airline/{name}:7",
        )
    ]


def test_what_is_checked_is_what_is_deployed_where_digests_are_named(folder: Path) -> None:
    (folder / "released").write_text(f"{DIGEST}\n")
    done = signatures(folder, "check", "reserve", DIGESTS="released", **SIGNER)
    assert (done.returncode, [line.split()[-1] for line in said(folder)]) == (0, [DIGEST, DIGEST])

    left_out = signatures(folder, "check", "gateway", DIGESTS="released", **SIGNER)
    assert (left_out.returncode, left_out.stderr) == (1, "released has no line for gateway.\n")


@pytest.mark.parametrize("missing", ["verify", "verify-attestation"])
def test_an_image_that_others_signed_is_not_deployed(folder: Path, missing: str) -> None:
    (folder / "refuses").write_text(missing)
    done = signatures(folder, "check", "reserve", "gateway", **SIGNER)

    assert done.returncode == 1
    assert "registry.example/airline/reserve:7" in done.stderr
    assert "must not be deployed" in done.stderr
    assert not [line for line in said(folder) if "gateway" in line]


@pytest.mark.parametrize("lacking", SIGNER)
def test_nobody_in_particular_is_nobody(folder: Path, lacking: str) -> None:
    given = {name: value for name, value in SIGNER.items() if name != lacking}
    done = signatures(folder, "check", "reserve", **given)

    assert done.returncode != 0
    assert lacking in done.stderr
    assert said(folder) == []


@pytest.mark.parametrize("arguments", [(), ("check",), ("make",), ("sign", "reserve")])
def test_what_it_cannot_do_it_says(folder: Path, arguments: tuple[str, ...]) -> None:
    done = signatures(folder, *arguments, **SIGNER)

    assert done.returncode != 0
    assert done.stderr.strip()
    assert said(folder) == []


def test_without_cosign_it_says_so(folder: Path) -> None:
    (folder / "cosign").unlink()
    done = signatures(folder, "check", "reserve", **SIGNER)

    assert done.returncode == 1
    assert "cosign is missing" in done.stderr
