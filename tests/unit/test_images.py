"""The Dockerfiles, the Makefile and the layout say the same of every image. No Docker runs here."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from images import layout
from images.config import config_of, stages
from images.lean import lean
from testbed.project import ROOT, container, databases, env, function_folders, functions, manifests, optional, services

DOCKERFILE = stages(ROOT / "Dockerfile")
GATEWAY = stages(ROOT / "gateway" / "Dockerfile")
USER = 65532


def made(*arguments: str) -> list[str]:
    """What a target of the Makefile would run, or with DOCKER=echo what it would say to docker."""
    answer = subprocess.run(
        ["make", "--no-print-directory", f"VENV={Path(sys.prefix)}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    return answer.stdout.splitlines()


def runs(stage: str) -> list[str]:
    return [rest for word, rest in DOCKERFILE[stage] if word == "RUN"]


def copies(stage: str, dockerfile: dict[str, list[tuple[str, str]]] = DOCKERFILE) -> list[str]:
    return [rest for word, rest in dockerfile[stage] if word == "COPY"]


@pytest.mark.parametrize(("stage", "name"), [("layout-function", "reserve"), ("layout-migrations", "migrations")])
def test_docker_and_the_image_tree_lay_out_by_the_same_steps(stage: str, name: str) -> None:
    by_docker = re.findall(r"images\.layout (\w+) (\S+)", "\n".join(runs(stage)).replace('"${FUNCTION}"', name))
    by_make = re.findall(r'images\.layout (\w+) "(\S+)"', "\n".join(made("-n", "image-tree", f"FUNCTION={name}")))
    assert by_docker == by_make == [("dependencies", name), ("code", name)]


@pytest.mark.parametrize(("stage", "layers"), [("function", "layout-function"), ("migrations", "layout-migrations")])
def test_an_image_is_lean_python_and_what_was_laid_out(stage: str, layers: str) -> None:
    assert DOCKERFILE[stage][0] == ("FROM", "python")
    assert copies(stage) == [f"--from={layers} /dependencies /", f"--from={layers} /code /"]
    assert not runs(stage)


def test_a_layout_finds_in_the_build_what_it_finds_here() -> None:
    assert copies("build") == ["images images", "requirements/*.txt requirements/"]
    for stage, folder in (("layout-function", "functions/${FUNCTION}"), ("layout-migrations", "functions")):
        assert copies(stage)[-3:] == ["choreography choreography", "airline airline", f"{folder} {folder}"]


@pytest.mark.parametrize("name", [*function_folders(), "migrations", "gateway"])
def test_an_image_runs_as_an_unprivileged_user(name: str) -> None:
    assert config_of(name)["User"] == f"{USER}:{USER}"


def test_every_base_image_is_known_by_its_digest() -> None:
    for file in (ROOT / "Dockerfile", ROOT / "gateway" / "Dockerfile"):
        given = dict(re.findall(r"^ARG (\w+)=(\S+)$", file.read_text(), re.MULTILINE))
        bases = {rest for instructions in stages(file).values() for word, rest in instructions if word == "FROM"}
        foreign = {given.get(base.strip("${}"), base) for base in bases - stages(file).keys() - {"scratch"}}

        assert foreign
        assert all(re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in foreign)


def test_the_digests_are_renewed_wherever_they_are(tmp_path: Path) -> None:
    files = (
        "Dockerfile",
        "gateway/Dockerfile",
        "knative/components/postgresql/postgres.yaml",
        "knative/components/mysql/mysql.yaml",
    )
    for file in ("images/pin", *files):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\n[ \"$1 $2 $3\" = 'buildx imagetools inspect' ] && echo sha256:{'7' * 64}\n")
    docker.chmod(0o700)

    subprocess.run([tmp_path / "images" / "pin"], env=os.environ | {"DOCKER": str(docker)}, check=True)

    for file in files:
        before, after = (folder / file for folder in (ROOT, tmp_path))
        assert re.sub("@sha256:[0-9a-f]{64}", f"@sha256:{'7' * 64}", before.read_text()) == after.read_text()
        assert before.read_text() != after.read_text()


def test_an_image_without_a_digest_leaves_everything_as_it_was(tmp_path: Path) -> None:
    for file in ("images/pin", "Dockerfile"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    docker = shutil.which("true") or "true"
    done = subprocess.run([tmp_path / "images" / "pin"], env=os.environ | {"DOCKER": docker}, check=False)
    assert done.returncode != 0
    assert (tmp_path / "Dockerfile").read_text() == (ROOT / "Dockerfile").read_text()


@pytest.mark.parametrize("service", functions().values(), ids=str)
def test_an_image_and_its_service_agree_on_the_source(service: object) -> None:
    config = config_of("reserve")
    assert f"FUNCTION_SOURCE={env(service)['FUNCTION_SOURCE']}" in config["Env"]  # type: ignore[arg-type]
    assert config["Entrypoint"] == ["python3", "-m", "functions_framework"]


def test_every_image_of_the_manifests_is_built_and_pushed() -> None:
    said = made("images", "DOCKER=echo", "REGISTRY=dev.local/airline", "PUSH=1")
    built = {line.split()[2] for line in said if line.startswith("build")}
    pushed = {line.split()[1] for line in said if line.startswith("push")}
    wanted = {container(service)["image"] for service in services().values()}
    wanted |= {container(service)["image"] for service in optional().values()}
    assert built == pushed == wanted | {"dev.local/airline/migrations:dev"}


def test_the_job_migrates_every_database_that_has_migrations() -> None:
    (job,) = manifests(ROOT / "knative" / "components" / "migrations")
    arguments = job.spec["template"]["spec"]["containers"][0]["args"]
    owners = {f"/app/{found.relative_to(ROOT)}" for found in databases()}
    assert len(arguments[::2]) == len(owners)
    assert set(arguments[::2]) == owners


def test_the_gateway_has_the_files_of_its_dockerfile(tmp_path: Path) -> None:
    caddy = tmp_path / "caddy"
    caddy.write_text("a program")
    layout.gateway(str(caddy), tmp_path / "root")

    laid_out = {str(path) for path in ("usr/bin/caddy", "etc/caddy/Caddyfile", "srv/web")}
    assert {copy.split()[-1].lstrip("/") for copy in copies("", GATEWAY)} == laid_out
    for place in laid_out:
        assert (tmp_path / "root" / place).exists()
    assert (tmp_path / "root" / "srv/web/index.html").read_bytes() == (ROOT / "gateway/web/index.html").read_bytes()
    assert (tmp_path / "root" / "usr/bin/caddy").stat().st_mode & 0o111


def test_whoever_builds_under_umask_077_everybody_can_read_the_image(tmp_path: Path) -> None:
    (tmp_path / "caddy").write_text("a program")
    mode = tmp_path.stat().st_mode
    before = os.umask(0o077)
    try:
        layout.gateway(str(tmp_path / "caddy"), tmp_path / "root")
        layout.code("reserve", tmp_path / "function")
    finally:
        os.umask(before)
    for root in (tmp_path / "root", tmp_path / "function"):
        modes = {path: path.stat().st_mode & 0o777 for path in (root, *root.rglob("*"))}
        assert {path: oct(found) for path, found in modes.items() if found not in (0o644, 0o755)} == {}
        assert all(found == 0o755 for path, found in modes.items() if path.is_dir())
    assert tmp_path.stat().st_mode == mode
    own_files = [copy for copy in copies("", GATEWAY) if "--from" not in copy]
    assert own_files
    assert all("--chmod=755" in copy for copy in own_files)


def test_the_gateway_starts_a_binary_without_capabilities() -> None:
    assert GATEWAY[""][0] == ("FROM", "scratch")
    assert ("RUN", "cp /usr/bin/caddy /caddy") in GATEWAY["caddy"]
    assert config_of("gateway")["Entrypoint"][0] == "/usr/bin/caddy"


def test_lean_python_has_no_pip_and_its_own_bytecode(tmp_path: Path) -> None:
    library, packages, programs = (tmp_path / name for name in ("lib", "lib/site-packages", "bin"))
    for file in ("lib/ensurepip/a.py", "lib/site-packages/pip/a.py", "lib/json.py", "bin/pip3", "bin/python3"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x = 1\n")

    lean(library, packages, programs)

    kept = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    bytecode = f"lib/__pycache__/json.{sys.implementation.cache_tag}.pyc"
    assert kept == {"lib/json.py", bytecode, "bin/python3"}


def test_all_lists_of_requirements_agree_on_versions() -> None:
    versions: dict[str, set[str]] = {}
    for file in (ROOT / "requirements").glob("*.txt"):
        for name, version in re.findall(r"^([\w.-]+)==(\S+)", file.read_text(), re.MULTILINE):
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}
