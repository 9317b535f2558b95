"""A schema that changes under traffic: expand, new revisions, contract, while customers come all the time.

The next release is made by testbed/next_release.py. No image is built: its code and its migrations are ConfigMaps, for
the images that are there.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from demos import rollout
from demos.kubectl import SERVICE, Namespace
from demos.load import Load
from testbed import next_release
from testbed.next_release import CABIN
from testbed.project import ROOT, folder_of, functions
from testbed.running_system import eventually
from tests.cluster.installation import Installation

WITHIN = 600
"""Seconds for a Job, and for the last pod of the first release, which ends after what it was asked."""
CODE = "next-release"
CODE_AT = "/next"
FILES = ("main.py", "flights.py", "flights_api.py", "promotions.py", "flights.openapi.json")
MIGRATIONS_AT = f"/schema/{next_release.FOLDER.name}"
"""The last part names the variables of the database's role."""
ROLLED = sorted(name for name, service in functions().items() if folder_of(service) == next_release.FOLDER.name)


def rendered_job(installation: Installation) -> dict[str, Any]:
    """The Job `migrations` as this overlay has it; the one on the cluster may be gone by now."""
    command = [str(ROOT / "knative" / "render"), installation.overlay]
    environment = {**os.environ, "NAMESPACE": installation.namespace.name}
    text = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    (job,) = [
        one for one in yaml.safe_load_all(text) if one["kind"] == "Job" and one["metadata"]["name"] == "migrations"
    ]
    found: dict[str, Any] = job
    return found


def migrate(installation: Installation, folder: Path, step: str) -> None:
    """Brings the database of flight-seats to what the folder says, by a Job as `make deploy` runs it."""
    namespace = installation.namespace
    name = f"schema-{step}"
    namespace.run("create", "configmap", name, f"--from-file={folder / 'migrations'}")
    job = rendered_job(installation)
    job["metadata"]["name"] = name
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    container["args"] = [MIGRATIONS_AT, "$(FLIGHT_SEATS_DATABASE_URL)"]
    container["volumeMounts"].append({"name": "schema", "mountPath": f"{MIGRATIONS_AT}/migrations", "readOnly": True})
    pod["volumes"].append({"name": "schema", "configMap": {"name": name}})
    namespace.run("apply", "-f", "-", given=yaml.safe_dump(job))
    namespace.run("wait", f"job/{name}", "--for=condition=Complete", f"--timeout={WITHIN}s", within=WITHIN + 30)


def with_new_code(service: dict[str, Any]) -> dict[str, Any]:
    """The change of a template that starts the code of the ConfigMap in the image that is there."""
    spec = service["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    source = {"name": "FUNCTION_SOURCE", "value": f"{CODE_AT}/main.py"}
    changed = {
        **container,
        "env": [source if entry["name"] == source["name"] else entry for entry in container["env"]],
        "volumeMounts": [*container["volumeMounts"], {"name": CODE, "mountPath": CODE_AT, "readOnly": True}],
    }
    return {
        "spec": {"containers": [changed], "volumes": [*spec["volumes"], {"name": CODE, "configMap": {"name": CODE}}]}
    }


@pytest.fixture
def folder(installation: Installation, tmp_path: Path) -> Path:
    """The next release, with its code on the cluster; its functions stay when the test has passed."""
    made = next_release.lay_out(tmp_path)
    files = [f"--from-file={made / name}" for name in FILES]
    installation.namespace.run("create", "configmap", CODE, *files)
    return made


def cabins(namespace: Namespace) -> dict[str, int]:
    """How many holds each cabin has, and `none` how many have none, as the database says."""
    query = "SELECT coalesce(cabin, 'none'), count(*) FROM holds GROUP BY 1"
    said = namespace.run(
        "exec",
        "statefulset/postgres",
        "--",
        "psql",
        "-U",
        "postgres",
        "-d",
        "flight_seats",
        "-At",
        "-F",
        " ",
        "-c",
        query,
    )
    return {name: int(number) for name, number in (line.split() for line in said.splitlines())}


def test_a_schema_changes_under_load_and_nobody_is_turned_away_nothing_lost_or_doubled(
    installation: Installation, folder: Path
) -> None:
    seen: list[dict[str, int]] = []

    def change(namespace: Namespace) -> list[str]:
        next_release.expand(folder)
        migrate(installation, folder, "expand")
        seen.append(cabins(namespace))
        for name in ROLLED:
            rollout.renew(namespace, name, with_new_code(namespace.get(SERVICE, name)))
        eventually(lambda: no_old_pods(namespace), "no function of the first release is left", WITHIN, 2)
        next_release.contract(folder)
        migrate(installation, folder, "contract")
        seen.append(cabins(namespace))
        return list(ROLLED)

    result = rollout.run(
        installation.running, installation.namespace, Load(clients=1, seconds=60, delay=1), print, change
    )
    ended = cabins(installation.namespace)

    assert result.availability.availability == 100
    before, after = seen
    assert before.get("none", 0) > 0, "the functions of this release had written holds on the new schema"
    assert set(after) == {CABIN}
    assert set(ended) == {CABIN}
    assert ended[CABIN] > after[CABIN], "customers came after the contract too"
    installation.figures["a schema that changes under load"] = "\n" + rollout.as_text(result)


def no_old_pods(namespace: Namespace) -> bool:
    """Whether every pod of these functions is of its Service's newest revision."""
    newest = {namespace.get(SERVICE, name)["status"]["latestReadyRevisionName"] for name in ROLLED}
    pods = namespace.items("pods", "-l", f"serving.knative.dev/service in ({','.join(ROLLED)})")
    return {pod["metadata"]["labels"]["serving.knative.dev/revision"] for pod in pods} <= newest
