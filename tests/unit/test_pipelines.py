"""Jenkinsfile and GitHub workflows: they parse, they name what there is, they keep no secrets, and they go back."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tree_sitter_groovy
import yaml
from tree_sitter import Language, Node, Parser

from testbed.project import ROOT, function_folders

JENKINSFILE = (ROOT / "Jenkinsfile").read_text()
WORKFLOWS = {file.name: file.read_text() for file in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
PIPELINES = {"Jenkinsfile": JENKINSFILE, **WORKFLOWS}
IMAGES = [*function_folders(), "migrations", "gateway"]

each_pipeline = pytest.mark.parametrize("name", PIPELINES)
each_workflow = pytest.mark.parametrize("name", WORKFLOWS)


def groovy_faults(node: Node) -> Iterator[str]:
    """Where the grammar did not fit, as line and text."""
    if node.type == "ERROR" or node.is_missing:
        yield f"line {node.start_point.row + 1}: {(node.text or b'').decode()[:60]}"
    for child in node.children:
        yield from groovy_faults(child)


def groovy(source: str) -> Node:
    return Parser(Language(tree_sitter_groovy.language())).parse(source.encode()).root_node


def steps(name: str) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(WORKFLOWS[name])["jobs"].values()
    return [step for job in jobs for step in job.get("steps", [])]


def shell_blocks(name: str) -> list[str]:
    """What the pipeline gives to a shell, GitHub's expressions replaced by a word."""
    if name in WORKFLOWS:
        return [re.sub(r"\${{.*?}}", "word", step["run"]) for step in steps(name) if "run" in step]
    return [long or short for long, short in re.findall(r"\bsh (?:'''(.*?)'''|'(.*?)')", JENKINSFILE, re.DOTALL)]


def test_the_jenkinsfile_is_groovy() -> None:
    assert list(groovy_faults(groovy(JENKINSFILE))) == []


def test_a_brace_too_few_is_found() -> None:
    assert list(groovy_faults(groovy(JENKINSFILE.rstrip().removesuffix("}"))))


@each_pipeline
def test_the_shell_in_it_is_sound(name: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    for block in shell_blocks(name):
        # the environment of a pipeline is not assigned in its shell
        checked = subprocess.run(
            [shellcheck, "--shell=bash", "--exclude=SC2154", "-"],
            input=block,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout


@each_pipeline
def test_it_makes_only_what_the_makefile_has(name: str) -> None:
    called = set(re.findall(r"\bmake ([a-z-]+)", "\n".join(shell_blocks(name))))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert called
    assert called <= targets


def test_both_make_every_image() -> None:
    # from the Makefile, which knows every folder of functions
    # without the names of folders that make prints where another make has started it, as `make test` may have
    command = ["make", "--no-print-directory", "image-names"]
    named = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    jobs = yaml.safe_load(WORKFLOWS["images.yml"])["jobs"]
    (listing,) = [step["run"] for step in jobs["names"]["steps"] if "run" in step]

    assert sorted(named.split()) == sorted(IMAGES)
    assert "names = sh(script: 'make image-names', returnStdout: true).tokenize()" in JENKINSFILE
    assert 'builds = names.collectEntries { name -> [name, { sh "make image FUNCTION=${name}" }] }' in JENKINSFILE
    assert "parallel(builds)" in JENKINSFILE
    assert "for image in $(make image-names); do" in JENKINSFILE
    assert "$(make image-names | " in listing
    assert jobs["image"]["strategy"]["matrix"]["function"] == "${{ fromJSON(needs.names.outputs.images) }}"


def test_both_test_first_and_remember_only_what_passed_its_smoke_test() -> None:
    in_order = [
        "make test",
        "make image FUNCTION=",
        "make images PUSH=1",
        "make deploy",
        "make smoke",
        "make remember",
        "make rollback",
    ]
    places = [JENKINSFILE.index(call) for call in in_order]
    jobs = yaml.safe_load(WORKFLOWS["deploy.yml"])["jobs"]
    runs = "\n".join(shell_blocks("deploy.yml"))

    assert places == sorted(places)
    assert (jobs["images"]["needs"], jobs["deploy"]["needs"]) == ("test", "images")
    assert runs.index("make deploy") < runs.index("make smoke") < runs.index("make remember")


def test_both_go_back_when_deploy_or_smoke_fails() -> None:
    (back,) = [step for step in steps("deploy.yml") if step.get("run") == "make rollback"]
    release = JENKINSFILE[JENKINSFILE.index("stage('Release')") :]

    assert re.search(r"unsuccessful \{\s+sh 'make rollback'", release)
    assert back["if"] == "(failure() || cancelled()) && steps.deploy.outcome != 'skipped'"


@each_workflow
def test_every_action_is_pinned_to_a_commit(name: str) -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOWS[name])

    assert used
    assert all(re.fullmatch(r"\./\.github/workflows/[a-z]+\.yml|[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


@each_workflow
def test_a_workflow_may_do_nothing_that_a_job_does_not_ask_for(name: str) -> None:
    workflow = yaml.safe_load(WORKFLOWS[name])

    assert workflow["permissions"] == {}
    asked = {job: workflow["jobs"][job]["permissions"] for job in workflow["jobs"]}
    may_write = {job for job, permissions in asked.items() if permissions["contents"] != "read"}

    assert may_write == ({"python"} if name == "updates.yml" else set())
    assert all(set(asked[job]) <= {"contents", "id-token", "attestations"} for job in asked.keys() - may_write)


def test_the_job_that_may_write_a_branch_runs_nothing_of_the_newer_packages() -> None:
    # uv would build a package that comes as sources only, to know what it needs
    (job,) = yaml.safe_load(WORKFLOWS["updates.yml"])["jobs"].values()

    assert job["permissions"] == {"contents": "write", "pull-requests": "write"}
    assert [re.findall(r"\bmake .+|\bnpm .+|\bpip .+", block) for block in shell_blocks("updates.yml")] == [
        ['make lock ARGS="--upgrade --no-build"'],
        ['make lock\\`. Close and reopen to run the checks."'],
    ]


def test_every_image_is_signed_with_what_is_in_it_before_it_is_deployed() -> None:
    in_order = ["make images PUSH=1", "make sbom", "make sign FUNCTION=", "make check-signatures", "make deploy"]
    places = [JENKINSFILE.index(call) for call in in_order]
    image, deploy = "\n".join(shell_blocks("images.yml")), "\n".join(shell_blocks("deploy.yml"))
    (check,) = [step for step in steps("deploy.yml") if "make check-signatures" in step.get("run", "")]
    (provenance,) = [step for step in steps("images.yml") if "attest-build-provenance" in step.get("uses", "")]

    assert places == sorted(places)
    assert image.index("make image PUSH=1") < image.index("make sbom") < image.index("sign |")
    assert deploy.index("make check-signatures") < deploy.index("make deploy")
    assert check["env"]["SIGNED_BY"].endswith("/.github/workflows/images.yml@${{ github.ref }}")
    assert provenance["with"]["subject-digest"] == "${{ steps.sign.outputs.digest }}"


def test_the_secrets_come_from_a_vault_before_anything_is_deployed() -> None:
    # without SECRETS the values for trying out would be written over the real ones
    for name in ("Jenkinsfile", "deploy.yml"):
        runs = "\n".join(shell_blocks(name))
        assert runs.index("az keyvault secret download") < runs.index("make deploy")
    (deploy,) = [step for step in steps("deploy.yml") if step.get("run") == "make deploy"]
    assert deploy["env"]["SECRETS"]
    assert re.search(r"^ +SECRETS = ", JENKINSFILE, re.MULTILINE)


def test_no_pipeline_has_a_secret_in_it() -> None:
    assert not [name for name, text in WORKFLOWS.items() if re.search(r"\{\{[^}]*secrets\.", text)]
    assert re.findall(r"\w*[sS]ervicePrincipal\('(\w+)'\)", JENKINSFILE) == ["azure"]
    assert "credentials(" not in JENKINSFILE
