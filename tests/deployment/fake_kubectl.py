"""A kubectl for tests: Knative Services, revisions and ConfigMaps in a JSON file.

`python fake_kubectl.py STATE ...` answers the calls of knative/rollback.py as the real one does, and moves traffic at
once. The state: `services` by name (each with the status that Serving would give), `revisions`, those that are `kept`
from garbage collection, `configmaps` by name, the names of Services that are `unpatchable`, and of those that are
`stuck`: patched, but their traffic never moves.
"""

import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    file = Path(sys.argv[1])
    state = json.loads(file.read_text())
    namespace_flag, _, verb, *rest = sys.argv[2:]
    assert namespace_flag == "--namespace"
    {"get": get, "patch": patch, "apply": apply, "annotate": annotate}[verb](state, rest)
    file.write_text(json.dumps(state))


def get(state: dict[str, Any], rest: list[str]) -> None:
    if rest[0] == "services.serving.knative.dev":
        assert "app.kubernetes.io/part-of=airline" in rest
        print(json.dumps({"items": list(state["services"].values())}))
    elif rest[0] == "revisions.serving.knative.dev":
        print("\n".join(f"revision.serving.knative.dev/{name}" for name in state["revisions"]))
    elif (found := state["configmaps"].get(rest[1])) is not None:
        print(json.dumps(found))


def patch(state: dict[str, Any], rest: list[str]) -> None:
    name = rest[1]
    if name in state["unpatchable"]:
        sys.exit(f'admission webhook denied the request for "{name}"')
    service = state["services"][name]
    traffic = json.loads(rest[rest.index("--patch") + 1])["spec"]["traffic"]
    service["metadata"]["generation"] += 1
    if name not in state["stuck"]:
        service["status"] |= {"traffic": traffic, "observedGeneration": service["metadata"]["generation"]}


def apply(state: dict[str, Any], rest: list[str]) -> None:
    assert rest == ["--filename", "-"]
    applied = json.loads(sys.stdin.read())
    state["configmaps"][applied["metadata"]["name"]] = applied


def annotate(state: dict[str, Any], rest: list[str]) -> None:
    kind, *names, change = [word for word in rest if word != "--overwrite"]
    assert kind == "revisions.serving.knative.dev"
    if any("/" in name for name in names):
        sys.exit("all resources must be specified before annotation changes")
    if missing := {*names} - {*state["revisions"]}:
        sys.exit(f"not found: {sorted(missing)}")
    others = {*state["kept"]} - {*names}
    state["kept"] = sorted({*names} | others if change == "serving.knative.dev/no-gc=true" else others)


main()
