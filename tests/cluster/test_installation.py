"""What `make deploy` and `make remember` leave behind."""

from typing import Any

from demos.kubectl import SERVICE, Namespace
from knative import rollback
from tests.cluster.installation import Installation

REVISION = "revisions.serving.knative.dev"
BINDING = "sinkbindings.sources.knative.dev"


def environment(namespace: Namespace, revision: str) -> set[str]:
    """The names of the variables that a revision's container gets one by one."""
    (container,) = namespace.get(REVISION, revision)["spec"]["containers"]
    return {entry["name"] for entry in container["env"]}


def test_the_first_revision_of_every_function_that_publishes_knows_the_brokers_address(
    installation: Installation,
) -> None:
    namespace = installation.namespace
    bound = [binding["spec"]["subject"]["name"] for binding in namespace.items(BINDING)]

    assert "dead-letters" in bound
    assert [name for name in bound if "K_SINK" not in environment(namespace, f"{name}-00001")] == []


def test_serving_keeps_the_revisions_that_are_good(installation: Installation) -> None:
    good = rollback.remember(rollback.Cluster(installation.namespace.name))
    kept: dict[str, Any] = {
        one["metadata"]["name"]: one["metadata"]["annotations"].get(rollback.KEPT)
        for one in installation.namespace.items(REVISION)
    }

    assert set(good) == {one["metadata"]["name"] for one in installation.namespace.items(SERVICE)}
    assert {name for name, value in kept.items() if value == "true"} == {*good.values()}
