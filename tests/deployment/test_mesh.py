"""The component `istio` and knative/mesh: who is in the mesh, who may call whom, and one address for what shows it."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from broker.embedded.yaml_documents import yaml_documents
from testbed.project import ROOT, Manifest, env, template
from tests.deployment.rendered import Rendering, functions_of, labels_of_pods, of, rendered, services_of, workloads

MESH = ROOT / "knative" / "mesh"
GATEWAY = "gateway"
CALLED = {"airline/called-by": GATEWAY}
QUEUE_PROXY = {8012, 8013, 8112}
SECURITY = "security.istio.io/"
NETWORKING = "networking.istio.io/"


@cache
def mesh() -> Rendering:
    """What is applied once for a cluster."""
    kubectl = str(Path(sys.executable).with_name("kubectl"))
    text = subprocess.run([kubectl, "kustomize", str(MESH)], capture_output=True, text=True, check=True).stdout
    return tuple(Manifest(MESH, document) for document in yaml_documents(MESH, text))


def installation() -> Rendering:
    return rendered("everything", NAMESPACE="elsewhere")


def pod_metadata(workload: Manifest, what: str) -> dict[str, str]:
    found: dict[str, str] = workload.spec["template"].get("metadata", {}).get(what, {})
    return found


def modes(rendering: Rendering) -> dict[tuple[str, str], str]:
    """How a namespace, or a component of it, takes calls."""
    found = of(rendering, "PeerAuthentication", SECURITY).values()
    return {
        (
            one.content["metadata"]["namespace"],
            one.spec.get("selector", {}).get("matchLabels", {}).get("app.kubernetes.io/component", ""),
        ): one.spec["mtls"]["mode"]
        for one in found
    }


def sources(policy: Manifest) -> list[dict[str, Any]]:
    assert policy.spec["action"] == "ALLOW"
    assert all(set(rule) == {"from"} for rule in policy.spec["rules"]), "every call of these, not some paths"
    return [one["source"] for rule in policy.spec["rules"] for one in rule["from"]]


def test_functions_take_calls_of_the_mesh_alone() -> None:
    (namespace,) = of(installation(), "Namespace").values()

    assert modes(installation()) == {("elsewhere", ""): "STRICT"}
    assert namespace.content["metadata"]["labels"]["istio-injection"] == "enabled"


def test_knative_itself_is_in_the_mesh_and_takes_calls_of_the_api_server_where_it_has_webhooks() -> None:
    injected = {name for name, one in of(mesh(), "Namespace").items() if one.metadata("labels")["istio-injection"]}
    webhooks = {"eventing-webhook", "kafka-webhook-eventing", "imc-controller"}

    assert injected == {"knative-serving", "knative-eventing"}
    assert modes(mesh()) == {
        ("knative-serving", ""): "PERMISSIVE",
        ("knative-eventing", ""): "STRICT",
        **{("knative-eventing", webhook): "PERMISSIVE" for webhook in webhooks},
    }


def test_every_function_has_a_sidecar_that_lets_the_kubelet_and_prometheus_in() -> None:
    for service in services_of(installation()).values():
        said = pod_metadata(service, "annotations")
        assert said["sidecar.istio.io/rewriteAppHTTPProbers"] == "true"
        assert yaml.safe_load(said["proxy.istio.io/config"]) == {"holdApplicationUntilProxyStarts": True}
        # never 9090: the autoscaler comes there by mutual TLS
        assert said["traffic.sidecar.istio.io/excludeInboundPorts"] == "9091"
    for service in functions_of(installation()).values():
        left_out = pod_metadata(service, "annotations")["traffic.sidecar.istio.io/excludeOutboundPorts"]
        assert left_out == "5432,3306,25,465,587", "databases and mail servers: some of them speak first"


def test_the_database_and_jobs_that_must_end_have_no_sidecar() -> None:
    others = [one for one in workloads(installation()) if one.content["kind"] != "Service"]

    assert {one.content["kind"] for one in others} == {"StatefulSet", "Job"}
    assert {pod_metadata(one, "labels").get("sidecar.istio.io/inject") for one in others} == {"false"}


def test_knative_may_call_every_function_and_nobody_else_may() -> None:
    policies = of(installation(), "AuthorizationPolicy", SECURITY)
    for_all = [policy for policy in policies.values() if "selector" not in policy.spec]

    assert [sources(policy) for policy in for_all] == [
        [{"namespaces": ["istio-system", "knative-serving", "knative-eventing"]}]
    ]
    assert len(policies) == 2


def test_the_gateway_may_call_whom_it_asks_and_no_policy() -> None:
    (policy,) = [one for one in of(installation(), "AuthorizationPolicy").values() if "selector" in one.spec]
    gateway = services_of(installation())[GATEWAY]
    asked = {str(urlsplit(url).hostname).split(".")[0] for name, url in env(gateway).items() if name.endswith("_URL")}
    called = {
        name for name, one in services_of(installation()).items() if CALLED.items() <= labels_of_pods(one).items()
    }

    assert policy.spec["selector"] == {"matchLabels": CALLED}
    assert called == asked != set()
    # without a namespace, so it is the one where this is installed
    assert sources(policy) == [{"serviceAccounts": [GATEWAY]}]
    assert template(gateway)["serviceAccountName"] == GATEWAY
    assert GATEWAY in of(installation(), "ServiceAccount", "v1")
    assert not [
        one for one in functions_of(installation()).values() if template(one).get("serviceAccountName") == GATEWAY
    ]


def test_the_network_lets_through_what_the_mesh_sends_from_pod_to_pod() -> None:
    policies = of(installation(), "NetworkPolicy")
    goes = policies["in-a-mesh-the-gateway-goes-to-pods"].spec
    comes = policies["in-a-mesh-pods-are-called-by-the-gateway"].spec
    (broker, prometheus) = policies["in-a-mesh-pods-are-called-by-the-broker"].spec["ingress"]

    assert goes["podSelector"]["matchLabels"] == {"serving.knative.dev/service": GATEWAY}
    assert goes["egress"] == [{"to": [{"podSelector": {"matchLabels": CALLED}}], "ports": ports(goes["egress"][0])}]
    assert comes["podSelector"]["matchLabels"] == CALLED
    assert [one["podSelector"]["matchLabels"] for one in comes["ingress"][0]["from"]] == [
        {"serving.knative.dev/service": GATEWAY}
    ]
    for rule in (*goes["egress"], *comes["ingress"], broker):
        assert {port["port"] for port in ports(rule)} == QUEUE_PROXY
    assert {port["port"] for port in ports(prometheus)} == {15020, 9091}


def ports(rule: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rule["ports"]
    return found


def test_kiali_grafana_prometheus_and_loki_are_behind_one_host_that_only_the_cluster_reaches() -> None:
    (gateway,) = of(mesh(), "Gateway", NETWORKING).values()
    (routes,) = of(mesh(), "VirtualService", NETWORKING).values()
    (server,) = gateway.spec["servers"]

    assert server["port"]["number"] == 8081, "the local gateway of net-istio; 80 would be for everybody"
    assert server["hosts"] == routes.spec["hosts"]
    assert routes.spec["gateways"] == [gateway.name]
    assert {route["name"]: destination(route) for route in routes.spec["http"]} == {
        "kiali": ("kiali.istio-system.svc.cluster.local", 20001),
        "grafana": ("grafana.istio-system.svc.cluster.local", 3000),
        "prometheus": ("prometheus.istio-system.svc.cluster.local", 9090),
        "loki": ("loki.istio-system.svc.cluster.local", 3100),
    }
    for route in routes.spec["http"]:
        assert all(next(iter(match["uri"].values())).startswith(f"/{route['name']}") for match in route["match"])


def destination(route: dict[str, Any]) -> tuple[str, int]:
    (one,) = route["route"]
    return one["destination"]["host"], one["destination"]["port"]["number"]


def test_the_values_serve_what_the_address_asks_for() -> None:
    grafana, prometheus, kiali = (
        yaml.safe_load((MESH / "values" / f"{name}.yaml").read_text("utf-8"))
        for name in ("grafana", "prometheus", "kiali")
    )
    (host,) = of(mesh(), "VirtualService", NETWORKING)["dashboards"].spec["hosts"]
    root = grafana["grafana.ini"]["server"]["root_url"]

    assert urlsplit(root).hostname == urlsplit(prometheus["server"]["baseURL"]).hostname == host
    assert (urlsplit(root).path, grafana["grafana.ini"]["server"]["serve_from_sub_path"]) == ("/grafana/", True)
    assert (urlsplit(prometheus["server"]["baseURL"]).path, prometheus["server"]["prefixURL"]) == ("/prometheus/", "/")
    assert (grafana["service"]["port"], prometheus["server"]["service"]["servicePort"]) == (3000, 9090)
    assert kiali["server"]["web_root"] == "/kiali"


def test_without_the_component_nothing_is_in_a_mesh() -> None:
    for name in ("kafka", "kafka-small", "in-memory", "azure"):
        assert not [one for one in rendered(name) if "istio.io/" in one.content["apiVersion"]]
        assert not [one for one in services_of(rendered(name)).values() if "istio" in str(one.spec)]
