"""A laptop reads of kustomize what our manifests use, and refuses the rest.

`tests/deployment/test_laptop_manifests.py` compares it with kubectl.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from laptop.documents import read_documents
from laptop.errors import ManifestError
from laptop.kustomization import selects
from testbed.project import BASE, services

SERVICE = """
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: decrease-seats, labels: {kind: policy}}
spec: {containers: [{image: first}]}
"""


def test_a_file_says_only_what_is_special_about_its_service() -> None:
    # what all Services of a kind have in common is written once, in kustomization.yaml
    files = {file.name: file.read_text("utf-8").partition("\n---\n")[0] for file in BASE.glob("*.yaml")}
    long = {name: len(text.splitlines()) for name, text in files.items() if "\nkind: Service\n" in text}

    assert set(long) == {f"{name}.yaml" for name in services()}
    assert {name: lines for name, lines in long.items() if lines > 27} == {}


def patched(folder: Path, *operations: str, target: str = "{kind: Service}", more: str = "") -> dict[str, Any]:
    """The Service above with a patch, and with more in its kustomization."""
    (folder / "service.yaml").write_text(SERVICE, "utf-8")
    lines = "".join(f"      - {operation}\n" for operation in operations)
    patches = f"patches:\n  - target: {target}\n    patch: |\n{lines}" if operations else ""
    (folder / "kustomization.yaml").write_text(f"resources: [service.yaml]\n{patches}{more}\n", "utf-8")
    (service,) = read_documents([folder]).all
    return service


def test_a_patch_adds_to_maps_and_into_lists(tmp_path: Path) -> None:
    service = patched(
        tmp_path,
        "{op: add, path: /metadata/labels/a~1b~0c, value: d}",
        "{op: add, path: /spec/containers/0/env, value: [{name: B}]}",
        "{op: add, path: /spec/containers/0/env/0, value: {name: A}}",
        "{op: add, path: /spec/containers/0/env/-, value: {name: C}}",
    )

    assert service["metadata"]["labels"] == {"kind": "policy", "a/b~c": "d"}
    assert [entry["name"] for entry in service["spec"]["containers"][0]["env"]] == ["A", "B", "C"]


def test_namespace_and_labels_are_those_of_everything(tmp_path: Path) -> None:
    service = patched(tmp_path, more="namespace: airline\nlabels: [{pairs: {part-of: airline}}]")

    assert service["metadata"]["namespace"] == "airline"
    assert service["metadata"]["labels"] == {"kind": "policy", "part-of": "airline"}


@pytest.mark.parametrize(
    "target", ["{kind: Trigger}", "{group: eventing.knative.dev}", "{kind: Service, labelSelector: kind=http}"]
)
def test_a_patch_leaves_alone_what_it_does_not_target(tmp_path: Path, target: str) -> None:
    service = patched(tmp_path, "{op: add, path: /spec/more, value: 1}", target=target)

    assert "more" not in service["spec"]


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("", True),
        ("kind=policy", True),
        ("kind==policy", True),
        ("kind != policy", False),
        ("kind=http", False),
        ("other=policy", False),
        ("other!=policy", True),
        ("kind in (http, policy)", True),
        ("kind in (http,gateway)", False),
        ("kind notin (http, policy)", False),
        ("other notin (http)", True),
        ("kind in (http, policy), app.kubernetes.io/name!=charge-payment", True),
        ("kind in (http, policy),app.kubernetes.io/name=charge-payment", False),
    ],
)
def test_selectors_choose_as_those_of_kubernetes(selector: str, expected: bool) -> None:
    assert selects(selector, {"kind": "policy", "app.kubernetes.io/name": "decrease-seats"}) is expected


@pytest.mark.parametrize("selector", ["kind", "!kind", "kind>1", "kind in http", "kind=a b"])
def test_a_selector_of_another_form_is_refused(selector: str) -> None:
    with pytest.raises(ManifestError, match="does not understand the label selector"):
        selects(selector, {})


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("components: [../small]", "does not know components"),
        ("images: [{name: a, newTag: b}]", "does not know images"),
        ("patches: [{path: patch.yaml}]", "does not know patches.path"),
        ("patches: [{target: {name: reserve}, patch: ''}]", "does not know patches.target.name"),
        ("labels: [{pairs: {a: b}, includeSelectors: true}]", "does not know labels.includeSelectors"),
        (
            "patches: [{target: {}, patch: '[{op: remove, path: /spec}]'}]",
            "a patch is a list of {op: add, path, value}",
        ),
        ("patches: [{target: {}, patch: '[{op: add, path: /spec}]'}]", "a patch is a list of {op: add, path, value}"),
        ("patches: [{target: {}, patch: '{spec: {a: b}}'}]", "a patch is a list of {op: add, path, value}"),
        ("patches: [{target: {}, patch: '[{op: add, path: /spec, value: {}}]'}]", "it is there already"),
        ("patches: [{target: {}, patch: '[{op: add, path: /a/b, value: 1}]'}]", "/a/b cannot be added to Service decr"),
        ("patches: [{target: {}, patch: '[{op: add, path: /spec/containers/2, value: 1}]'}]", "the list has 1 entries"),
        ("patches: [{target: {}, patch: '[{op: add, path: /spec/containers/x, value: 1}]'}]", "cannot be added"),
        ("patches: [{target: {}, patch: '[{'}]", "not YAML"),
        ("a: [", "not YAML"),
    ],
)
def test_what_a_laptop_would_understand_differently_is_refused(tmp_path: Path, more: str, named: str) -> None:
    with pytest.raises(ManifestError, match=re.escape("kustomization.yaml: ") + ".*" + re.escape(named)):
        patched(tmp_path, more=more)
