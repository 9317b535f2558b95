"""What Knative and Kubernetes demand of rendered manifests, and what we demand: a rule says what is wrong, if anything.

Knative's own rules are not in its API schemas: each names the source that it comes from.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import kubernetes_validate

from testbed.project import (
    EVENTING,
    Manifest,
    container,
    env,
    folder_of,
    folders_of_the_saga,
    function_folders,
    glossary,
    heard_by,
    heard_type,
    scaling,
    targets,
    template,
)
from tests.deployment.rendered import (
    Rendering,
    functions_of,
    labels_of_pods,
    of,
    references,
    services_of,
    workloads,
)

KUBERNETES = "1.34"
OF_EVERY_NAMESPACE = {("ConfigMap", "kube-root-ca.crt")}
"""What Kubernetes itself puts there."""
READING = {"get", "list", "watch"}
UNREADABLE = {"secrets", "configmaps", "pods/log", "*"}
OF_NO_NAMESPACE = {"Namespace", "ClusterRoleBinding"}
CUSTOM = ("knative.dev/", "istio.io/")
# pkg/apis/serving/fieldmask.go of Serving 1.23, without what takes a flag of the cluster
OF_A_REVISION = {"containerConcurrency", "timeoutSeconds", "responseStartTimeoutSeconds", "idleTimeoutSeconds"}
OF_A_POD = {
    *("serviceAccountName", "containers", "volumes", "imagePullSecrets"),
    *("enableServiceLinks", "automountServiceAccountToken"),
}
OF_A_CONTAINER = {
    *("name", "image", "command", "args", "workingDir", "ports", "env", "envFrom", "resources", "volumeMounts"),
    *("livenessProbe", "readinessProbe", "startupProbe", "securityContext", "imagePullPolicy"),
    *("terminationMessagePath", "terminationMessagePolicy"),
}
# persistentVolumeClaim takes two flags, which the component `volume` names
VOLUMES = {"configMap", "secret", "projected", "emptyDir", "persistentVolumeClaim"}
# pkg/apis/serving/k8s_validation.go
RESERVED_PORTS = {8008, 8012, 8013, 8022, 9090, 9091}
PORT_NAMES = {"", "http1", "h2c"}
# pkg/apis/autoscaling/annotation_validation.go
AUTOSCALING = {
    "class": r"(kpa|hpa)\.autoscaling\.knative\.dev",
    "metric": "concurrency|rps|cpu|memory",
    "target": r"0*[1-9]\d*",
    "target-utilization-percentage": r"[1-9]\d?|100",
    "target-burst-capacity": r"-1|\d+",
    "min-scale": r"\d+",
    "max-scale": r"\d+",
    "initial-scale": r"\d+",
    "window": r"([6-9]|[1-5]\d|[6-9]\d|[1-9]\d{2,3})s|[1-9]m|[1-5]\d[ms]|60m|1h",
}
METRICS = {"kpa.autoscaling.knative.dev": {"concurrency", "rps"}, "hpa.autoscaling.knative.dev": {"cpu", "memory"}}
WHOLE_DELIVERY = {"retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink"}
CLASSES = {"Kafka", "MTChannelBasedBroker"}
SERVERS = {"postgres", "mysql"}
OWN_IMAGES = {*function_folders(), "gateway", "migrations"}
OF_KNATIVE = {"knative-serving", "knative-eventing", "kourier-system", "istio-system", "kube-system"}
OF_OTHERS = {"observability"}
"""Namespaces that a component names in its settings."""
NAME_OF_A_NAMESPACE = "kubernetes.io/metadata.name"
SCALED_BY_EVENTS = {"policy", "housekeeping", "dead-letter-sink", "onlooker"}

Complaints = Iterator[str]
Rule = Callable[[Rendering], Complaints]


def kubernetes_knows_every_field(rendering: Rendering) -> Complaints:
    for manifest in rendering:
        if not any(group in manifest.content["apiVersion"] for group in CUSTOM):
            yield from _schema(manifest.content)
    for service in services_of(rendering).values():
        pod = {key: value for key, value in template(service).items() if key not in OF_A_REVISION}
        pod["containers"] = [{"name": "function"} | _with_ports(one) for one in pod["containers"]]
        yield from _schema({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": service.name}, "spec": pod})


def serving_takes_every_field(rendering: Rendering) -> Complaints:
    for service in services_of(rendering).values():
        yield from _each(service, "must not set", template(service).keys() - OF_A_POD - OF_A_REVISION)
        for one in template(service)["containers"]:
            yield from _each(service, "must not set", one.keys() - OF_A_CONTAINER)
        kinds = {key for volume in template(service).get("volumes", []) for key in volume} - {"name"}
        yield from _each(service, "no such volume without a flag:", kinds - VOLUMES)


def a_service_has_one_port_that_is_free(rendering: Rendering) -> Complaints:
    for service in services_of(rendering).values():
        ports = [port for one in template(service)["containers"] for port in one.get("ports", [])]
        yield from _each(service, "too many ports", map(str, ports[1:]))
        yield from _each(service, "reserved port", [p for p in ports if p["containerPort"] in RESERVED_PORTS])
        yield from _each(service, "port name", [p for p in ports if p.get("name", "") not in PORT_NAMES])


def every_volume_is_mounted(rendering: Rendering) -> Complaints:
    for workload in workloads(rendering):
        volumes = [*template(workload).get("volumes", []), *_claims(workload)]
        mounted = {mount["name"] for mount in container(workload)["volumeMounts"]}
        yield from _each(workload, "mounted or declared alone:", {volume["name"] for volume in volumes} ^ mounted)


def servings_own_probing_has_no_other_settings(rendering: Rendering) -> Complaints:
    for service in services_of(rendering).values():
        probe = container(service)["readinessProbe"]
        if not probe.get("periodSeconds"):
            yield from _each(service, "refused with this probe:", probe.keys() & {"failureThreshold", "timeoutSeconds"})


def autoscaling_is_said_on_the_template_in_known_words(rendering: Rendering) -> Complaints:
    for service in services_of(rendering).values():
        prefix = "autoscaling.knative.dev/"
        yield from _each(service, "belongs to the template:", _starting(service.metadata("annotations"), prefix))
        for key, value in scaling(service).items():
            if key.startswith(prefix) and not re.fullmatch(AUTOSCALING.get(key.removeprefix(prefix), "$."), str(value)):
                yield f"{service}: {key}: {value!r}"
        said = {key.removeprefix(prefix): value for key, value in scaling(service).items()}
        if said["metric"] not in METRICS[said["class"]]:
            yield f"{service}: {said['class']} knows no metric {said['metric']}"
        if 0 < int(said["max-scale"]) < int(said["min-scale"]):
            yield f"{service}: max-scale is less than min-scale"


def who_is_scaled_by_cpu_never_sleeps_and_the_policies_do(rendering: Rendering) -> Complaints:
    for service in services_of(rendering).values():
        said = {key.rpartition("/")[2]: value for key, value in scaling(service).items()}
        by_cpu = said["class"].startswith("hpa")
        if by_cpu and (said["min-scale"] == "0" or said.get("initial-scale") == "0"):
            yield f"{service}: an HPA cannot start from zero"
        if by_cpu and container(service)["resources"]["requests"]["cpu"] != "200m":
            yield f"{service}: 50 % of what it requests should be 100m"
        of_events = service.metadata("labels")["app.kubernetes.io/component"] in SCALED_BY_EVENTS
        if of_events and (by_cpu or said["min-scale"] != "0"):
            yield f"{service}: is woken by events and should sleep without them"


def names_can_be_dns_labels(rendering: Rendering) -> Complaints:
    for service in services_of(rendering).values():
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service.name):
            yield f"{service}: is not a DNS label"


def every_delivery_is_whole(rendering: Rendering) -> Complaints:
    for manifest in [*of(rendering, "Broker").values(), *of(rendering, "Trigger").values()]:
        yield from _each(manifest, "delivery lacks", WHOLE_DELIVERY - manifest.spec["delivery"].keys())
        sink = manifest.spec["delivery"].get("deadLetterSink", {}).get("ref", {})
        if sink.get("name") not in services_of(rendering):
            yield f"{manifest}: there is no dead-letter sink {sink.get('name')}"


def what_an_onlooker_misses_is_no_dead_letter_and_what_a_policy_misses_is(rendering: Rendering) -> Complaints:
    for trigger in of(rendering, "Trigger", EVENTING).values():
        sink, hearer = trigger.spec["delivery"]["deadLetterSink"]["ref"]["name"], heard_by(trigger)
        looks_on = services_of(rendering)[hearer].metadata("labels")["app.kubernetes.io/component"] == "onlooker"
        if sink != (hearer if looks_on else "dead-letters"):
            yield f"{trigger}: what {hearer} misses goes to {sink}"


def a_broker_states_its_class_and_config(rendering: Rendering) -> Complaints:
    for broker in of(rendering, "Broker").values():
        if broker.metadata("annotations").get("eventing.knative.dev/broker.class") not in CLASSES:
            yield f"{broker}: has no class that there is"
        if broker.spec["config"]["name"] not in of(rendering, "ConfigMap"):
            yield f"{broker}: there is no ConfigMap {broker.spec['config']['name']}"


def triggers_lead_from_the_broker_to_targets_that_hear_it(rendering: Rendering) -> Complaints:
    for trigger in of(rendering, "Trigger", EVENTING).values():
        service = functions_of(rendering).get(heard_by(trigger))
        if trigger.spec["broker"] not in of(rendering, "Broker"):
            yield f"{trigger}: there is no Broker {trigger.spec['broker']}"
        if heard_type(trigger) not in {None, *glossary()}:
            yield f"{trigger}: nobody says {heard_type(trigger)}"
        if not service:
            yield f"{trigger}: there is no function {heard_by(trigger)}"
    for service in functions_of(rendering).values():
        target = env(service)["FUNCTION_TARGET"]
        if target not in targets(folder_of(service)) or target != service.name.replace("-", "_"):
            yield f"{service}: has no target {target}"


def every_reference_leads_somewhere(rendering: Rendering) -> Complaints:
    for workload in workloads(rendering):
        for kind, name, key in references(workload):
            found = of(rendering, kind).get(name)
            if (kind, name) in OF_EVERY_NAMESPACE:
                continue
            if not found:
                yield f"{workload}: there is no {kind} {name}"
            elif key and key not in {**found.content.get("data", {}), **found.content.get("stringData", {})}:
                yield f"{workload}: {kind} {name} has no {key}"


def no_variable_is_set_twice(rendering: Rendering) -> Complaints:
    for workload in workloads(rendering):
        names = [entry["name"] for entry in container(workload).get("env", [])]
        yield from _each(workload, "twice:", {name for name in names if names.count(name) > 1})


def every_image_is_made_by_make_images(rendering: Rendering) -> Complaints:
    for workload in workloads(rendering):
        image, _, digest = container(workload)["image"].partition("@")
        repository, _, tag = image.rpartition(":")
        folder, _, name = repository.rpartition("/")
        known = name in (SERVERS if workload.is_a("StatefulSet", "apps/v1") else OWN_IMAGES)
        if not known or not tag or tag == "latest" or (name in OWN_IMAGES and not folder.endswith("/airline")):
            yield f"{workload}: nobody makes {container(workload)['image']}"
        if name in SERVERS and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            yield f"{workload}: its image is not known by its digest"


def everything_is_in_one_namespace(rendering: Rendering) -> Complaints:
    (namespace,) = of(rendering, "Namespace")
    for manifest in rendering:
        if (
            manifest.content["kind"] not in OF_NO_NAMESPACE
            and manifest.content["metadata"].get("namespace") != namespace
        ):
            yield f"{manifest}: is elsewhere"
    for binding in of(rendering, "ClusterRoleBinding"):
        if not binding.startswith(f"{namespace}:"):
            yield f"{binding}: another airline has it too, and one that leaves would take it along"
    for broker in of(rendering, "Broker").values():
        if broker.spec["config"].get("namespace", namespace) != namespace:
            yield f"{broker}: its config is elsewhere"
    for workload in workloads(rendering):
        for name, value in env(workload).items():
            if ".svc" in value and f".{namespace}.svc" not in value:
                yield f"{workload}: {name} leads elsewhere"


def policies_of_the_network_select_what_there_is(rendering: Rendering) -> Complaints:
    pods = [labels_of_pods(workload) for workload in workloads(rendering)]
    for policy in of(rendering, "NetworkPolicy").values():
        if not any(_selects(policy.spec["podSelector"], labels) for labels in pods):
            yield f"{policy}: selects no pod"
        for peer in _peers(policy):
            selector = peer.get("namespaceSelector")
            if selector and not any(_selects(selector, {NAME_OF_A_NAMESPACE: name}) for name in OF_KNATIVE | OF_OTHERS):
                yield f"{policy}: no namespace is {selector}"


def pods_are_restricted_and_say_what_they_need(rendering: Rendering) -> Complaints:
    for workload in workloads(rendering):
        one, pod = container(workload), template(workload)
        secured = {**pod.get("securityContext", {}), **one["securityContext"]}
        wanted: dict[str, Any] = {
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        yield from _each(workload, "is not restricted:", [key for key in wanted if secured.get(key) != wanted[key]])
        if pod.get("automountServiceAccountToken") is not False and "serviceAccountName" not in pod:
            yield f"{workload}: has a token of the cluster"
        if set(one["resources"]) != {"requests", "limits"} or set(one["resources"]["requests"]) != {"cpu", "memory"}:
            yield f"{workload}: does not say what it needs"


def who_asks_the_cluster_only_reads_and_no_secrets(rendering: Rendering) -> Complaints:
    for role in of(rendering, "Role").values():
        for rule in role.content["rules"]:
            yield from _each(role, "may", set(rule["verbs"]) - READING)
            yield from _each(role, "reads", set(rule["resources"]) & UNREADABLE)
    for binding in of(rendering, "RoleBinding").values():
        bound = {subject["name"] for subject in binding.content["subjects"]}
        yield from _each(binding, "binds", bound - of(rendering, "ServiceAccount").keys())
        if binding.content["roleRef"]["name"] not in of(rendering, "Role"):
            yield f"{binding}: there is no Role {binding.content['roleRef']['name']}"
        namespaces = {subject["namespace"] for subject in binding.content["subjects"]}
        yield from _each(binding, "is of another namespace:", namespaces - of(rendering, "Namespace").keys())


def the_database_has_a_connection_for_everybody(rendering: Rendering) -> Complaints:
    wanted = sum(_connections(service) for service in functions_of(rendering).values())
    for server in of(rendering, "StatefulSet").values():
        (allowed,) = re.findall(r"max.connections=(\d+)", " ".join(container(server)["args"]))
        if int(allowed) < wanted:
            yield f"{server}: {allowed} connections, and {wanted} may be wanted"


def _connections(service: Manifest) -> int:
    if folder_of(service) not in folders_of_the_saga():
        return 0
    databases = 2 if folder_of(service) == "payment" else 1  # payment's own, and the provider's ledger
    return databases * int(env(service)["THREADS"]) * int(scaling(service)["autoscaling.knative.dev/max-scale"])


def _schema(content: dict[str, Any]) -> list[str]:
    return _checked(json.dumps(content))


@cache
def _checked(text: str) -> list[str]:
    """Once for each manifest: most of them are the same in every overlay."""
    content = json.loads(text)
    try:
        kubernetes_validate.validate(content, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{content['kind']} {content['metadata']['name']}: {error.message}"]
    return []


def _with_ports(one: dict[str, Any]) -> dict[str, Any]:
    """A container whose probes have the port that Serving gives them."""
    probes = {key: value for key, value in one.items() if key.endswith("Probe")}
    return one | {
        key: {how: {"port": 8080} | said if how == "httpGet" else said for how, said in probe.items()}
        for key, probe in probes.items()
    }


def _each(manifest: Manifest, what: str, wrong: Iterable[object]) -> Complaints:
    yield from (f"{manifest}: {what} {one}" for one in wrong)


def _starting(words: Iterable[str], prefix: str) -> list[str]:
    return [word for word in words if word.startswith(prefix)]


def _claims(workload: Manifest) -> list[dict[str, Any]]:
    return [claim["metadata"] for claim in workload.spec.get("volumeClaimTemplates", [])]


def _peers(policy: Manifest) -> Iterator[dict[str, Any]]:
    for rule in [*policy.spec.get("ingress", []), *policy.spec.get("egress", [])]:
        yield from [*rule.get("from", []), *rule.get("to", [])]


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(_matches(expression, labels) for expression in selector.get("matchExpressions", []))


def _matches(expression: dict[str, Any], labels: dict[str, str]) -> bool:
    value = labels.get(expression["key"])
    return {
        "Exists": value is not None,
        "NotIn": value not in expression.get("values", []),
        "In": value in expression.get("values", []),
    }[expression["operator"]]


RULES: tuple[Rule, ...] = (
    kubernetes_knows_every_field,
    serving_takes_every_field,
    a_service_has_one_port_that_is_free,
    every_volume_is_mounted,
    servings_own_probing_has_no_other_settings,
    autoscaling_is_said_on_the_template_in_known_words,
    who_is_scaled_by_cpu_never_sleeps_and_the_policies_do,
    names_can_be_dns_labels,
    every_delivery_is_whole,
    what_an_onlooker_misses_is_no_dead_letter_and_what_a_policy_misses_is,
    a_broker_states_its_class_and_config,
    triggers_lead_from_the_broker_to_targets_that_hear_it,
    every_reference_leads_somewhere,
    no_variable_is_set_twice,
    every_image_is_made_by_make_images,
    everything_is_in_one_namespace,
    policies_of_the_network_select_what_there_is,
    pods_are_restricted_and_say_what_they_need,
    who_asks_the_cluster_only_reads_and_no_secrets,
    the_database_has_a_connection_for_everybody,
)
