"""What follows from knative/base and functions/ is listed everywhere, or the missing line is named."""

import shutil
from pathlib import Path

import pytest

from scaffold import lists
from scaffold.system import read_system
from testbed.project import BASE, ROOT, functions

LOYALTY = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: thank-loyally, labels: {app.kubernetes.io/component: policy}}
spec: {template: {spec: {containers: [{env: [{name: FUNCTION_TARGET}], envFrom: []}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: loyal-settings}
data:
  DATABASE_URL: postgresql+psycopg://postgres:5432/loyal
  DATABASE_USER: loyal
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: thank-loyally-on-reservation-confirmed}
spec:
  subscriber: {ref: {name: thank-loyally}}
---
apiVersion: sources.knative.dev/v1
kind: SinkBinding
metadata: {name: thank-loyally}
spec: {}
---
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: loyal-housekeeping}
spec: {}
"""
MAIN = """
@functions_framework.http
def thank_loyally(request):
    return policy.reply(request, thanks.thank_loyally, thanks.SOURCE)
"""
FILES = {
    "knative/base/kustomization.yaml": ["- thank-loyally.yaml"],
    "knative/components/postgresql/databases.sql": ["CREATE DATABASE loyal OWNER loyal;"],
    "knative/components/postgresql/postgres.yaml": ["- name: LOYAL_DATABASE_PASSWORD"],
    "knative/components/mysql/databases.sh": ['owner_of loyal "${LOYAL_DATABASE_PASSWORD:?}"'],
    "knative/components/mysql/mysql.yaml": ["- name: LOYAL_DATABASE_PASSWORD"],
    "knative/components/mysql/kustomization.yaml": ["DATABASE_URL=mysql+pymysql://mysql:3306/loyal"],
    "knative/components/migrations/migrations.yaml": ["- /app/functions/loyal", "key: LOYAL_DATABASE_PASSWORD"],
    "knative/components/oidc/event-policy.yaml": [
        ":thank-loyally-on-*",
        ":thank-loyally-oidc-sources.knative.dev-sinkbinding",
    ],
    "knative/components/oidc/kustomization.yaml": ["airline/thank-loyally", "airline/loyal-housekeeping"],
    "knative/overlays/azure/kustomization.yaml": [
        "database.azure.com:5432/loyal",
        "newName: airlineacr.azurecr.io/airline/loyal}",
    ],
    "README.md": [f"{len(functions()) + 1} Python functions"],
    "README.ko.md": [f"{len(functions()) + 1}개의 파이썬 함수"],
    "docs/deploy.md": ["LOYAL_DATABASE_PASSWORD=..."],
}


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """The project with a service that is in no list yet."""
    for name in ("knative", "functions"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs").mkdir()
    for name in ("docs/deploy.md", "README.md", "README.ko.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "knative" / "base" / "thank-loyally.yaml").write_text(LOYALTY.strip(), "utf-8")
    (tmp_path / "functions" / "loyal").mkdir()
    (tmp_path / "functions" / "loyal" / "main.py").write_text(MAIN, "utf-8")
    return tmp_path


def test_every_list_is_up_to_date() -> None:
    assert list(map(str, lists.stale(ROOT))) == []


def test_a_new_service_is_missed_in_every_list_by_file_and_line(grown: Path) -> None:
    said = list(map(str, lists.stale(grown)))

    for file, lines in FILES.items():
        for line in lines:
            assert [one for one in said if f"to {file}" in one and line in one], (file, line)
    assert all("(`make lists` does it)" in one for one in said)


def test_lists_are_brought_up_to_date_once_and_stay_in_their_order(grown: Path) -> None:
    before = {file: (grown / file).read_text("utf-8").splitlines() for file in FILES}

    assert set(map(str, lists.write(grown))) == set(FILES)

    assert lists.stale(grown) == []
    assert lists.write(grown) == []
    for file, old in before.items():
        if file.startswith("README"):
            continue  # these have a number, not a list
        new = iter((grown / file).read_text("utf-8").splitlines())
        assert all(line in new for line in old), f"{file}: a line is gone, or elsewhere"


def test_what_is_gone_is_named_and_taken_out(grown: Path) -> None:
    lists.write(grown)
    shutil.rmtree(grown / "functions" / "loyal")
    (grown / "knative" / "base" / "thank-loyally.yaml").unlink()

    assert any("take '- thank-loyally.yaml' out of knative/base" in str(one) for one in lists.stale(grown))

    lists.write(grown)
    assert lists.stale(grown) == []
    for file in FILES:
        assert (grown / file).read_text("utf-8") == (ROOT / file).read_text("utf-8")


def test_a_list_that_is_not_where_it_was_is_named(grown: Path) -> None:
    file = grown / "knative" / "components" / "oidc" / "event-policy.yaml"
    file.write_text("nothing", "utf-8")

    with pytest.raises(ValueError, match=r"knative/components/oidc/event-policy\.yaml: the list is not where it was"):
        lists.write(grown)


def test_the_base_lists_what_is_in_its_folder() -> None:
    assert "  - place-reservation.yaml\n" in read_system(ROOT).resources
    assert len(read_system(ROOT).resources) == len(list(BASE.glob("*.yaml"))) - 1
