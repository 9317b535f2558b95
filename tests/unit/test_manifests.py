"""The manifests by themselves: what Knative needs, what it silently ignores, and what the laptop reads."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim

from testbed.project import (
    BASE,
    EVENTING,
    IN_MEMORY,
    KAFKA,
    ROOT,
    SERVING,
    SOURCES,
    STRIMZI,
    Manifest,
    container,
    databases,
    env,
    folder_of,
    functions,
    heard_by,
    heard_type,
    known_settings,
    kustomization,
    manifests,
    of_kind,
    scaling,
    services,
    template,
    triggers,
)

# Knative Serving, pkg/apis/autoscaling/register.go: a key that is not among these does nothing, without a word
AUTOSCALING = {
    *("class", "metric", "target", "target-utilization-percentage", "target-burst-capacity", "window"),
    *("min-scale", "max-scale", "initial-scale", "activation-scale", "scale-down-delay"),
    *("scale-to-zero-pod-retention-period", "panic-window-percentage", "panic-threshold-percentage"),
    "metric-aggregation-algorithm",
}
# Knative Serving, pkg/apis/serving/k8s_validation.go: set by Serving, refused from us
RESERVED_ENV = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}
OF_THE_PROVIDER = {"PROVIDER_DATABASE_USER", "PROVIDER_DATABASE_PASSWORD"}
SET_FOR_THE_HOST = {"FUNCTION_TARGET", "FUNCTION_SOURCE", "WORKERS", "CLOUD_RUN_TIMEOUT_SECONDS"}
DELIVERY = {
    "retry": 10,
    "backoffPolicy": "exponential",
    "backoffDelay": "PT0.2S",
    "timeout": "PT20S",
    "deadLetterSink": {"ref": {"apiVersion": SERVING, "kind": "Service", "name": "dead-letters"}},
}
WAKES = "SagaExpected"
TRIGGER_TIMEOUT = 20
DRAIN = 30

each_service = pytest.mark.parametrize("service", services().values(), ids=str)
each_function = pytest.mark.parametrize("service", functions().values(), ids=str)
each_trigger = pytest.mark.parametrize("trigger", triggers().values(), ids=str)
each_folder = pytest.mark.parametrize("folder", [BASE, KAFKA, IN_MEMORY, STRIMZI], ids=lambda folder: folder.name)


@each_folder
def test_a_kustomization_lists_every_file_beside_it(folder: Path) -> None:
    present = {path.name for path in folder.iterdir() if path.is_file() and path.name != "kustomization.yaml"}
    generated = [file for one in kustomization(folder).get("configMapGenerator", []) for file in one["files"]]

    assert sorted([*kustomization(folder)["resources"], *generated]) == sorted(present)


@each_folder
def test_no_key_is_written_twice(folder: Path) -> None:
    for file in folder.glob("*.yaml"):
        list(yaml.load_all(file.read_text(), Loader=StrictLoader))


def test_everything_in_the_base_is_in_the_namespace_airline() -> None:
    (namespace,) = of_kind("Namespace", "v1")
    elsewhere = [
        manifest.name
        for manifest in manifests()
        if manifest.content["kind"] != "Namespace" and manifest.content["metadata"]["namespace"] != namespace
    ]

    assert namespace == "airline"
    assert not elsewhere


def test_a_service_is_in_the_file_of_its_name_with_what_feeds_it() -> None:
    misplaced = {
        manifest.name: manifest.file.name
        for manifest in manifests()
        if (fed := _feeds(manifest)) and manifest.file.stem != fed
    }

    assert not misplaced


@each_service
def test_a_service_name_can_be_a_dns_label(service: Manifest) -> None:
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", service.name)


@each_service
def test_nothing_can_be_reached_from_outside_of_the_cluster(service: Manifest) -> None:
    assert service.metadata("labels")["networking.knative.dev/visibility"] == "cluster-local"


@each_service
def test_an_autoscaling_annotation_is_a_known_string_on_the_template(service: Manifest) -> None:
    assert {
        key for key in scaling(service) if key not in {f"autoscaling.knative.dev/{k}" for k in AUTOSCALING}
    } == set()
    assert all(isinstance(value, str) for value in scaling(service).values())
    assert not any(key.startswith("autoscaling") for key in service.metadata("annotations"))


@each_function
def test_a_function_has_one_thread_for_each_request_that_serving_admits(service: Manifest) -> None:
    threads = env(service)["THREADS"]

    assert threads == str(template(service)["containerConcurrency"])
    assert threads == scaling(service)["autoscaling.knative.dev/target"]
    assert env(service)["WORKERS"] == "1"


@each_function
def test_a_process_ends_whose_threads_are_held_for_longer_than_serving_waits(service: Manifest) -> None:
    settings = of_kind("ConfigMap", "v1")["airline-settings"].content["data"]

    assert {"configMapRef": {"name": "airline-settings"}} in container(service)["envFrom"]
    assert settings["CLOUD_RUN_TIMEOUT_SECONDS"] == str(template(service)["timeoutSeconds"])


@each_function
def test_where_one_request_is_admitted_the_activator_holds_the_rest(service: Manifest) -> None:
    single = template(service)["containerConcurrency"] == 1

    assert (scaling(service).get("autoscaling.knative.dev/target-burst-capacity") == "-1") == single
    assert (scaling(service).get("autoscaling.knative.dev/target-utilization-percentage") == "100") == single


@each_function
def test_a_function_scales_to_zero(service: Manifest) -> None:
    assert scaling(service)["autoscaling.knative.dev/min-scale"] == "0"


@each_service
def test_the_request_timeout_is_longer_than_a_trigger_waits_and_an_instance_drains(service: Manifest) -> None:
    assert template(service)["timeoutSeconds"] > max(TRIGGER_TIMEOUT, DRAIN)


@each_service
def test_readiness_is_probed_over_http_once_a_second_and_no_more(service: Manifest) -> None:
    assert container(service)["readinessProbe"] == {"httpGet": {"path": "/healthz"}, "periodSeconds": 1}


@each_service
def test_a_pod_may_do_nothing_but_its_work(service: Manifest) -> None:
    assert container(service)["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert template(service)["automountServiceAccountToken"] is False
    assert template(service)["enableServiceLinks"] is False


@each_service
def test_applying_a_release_ends_a_rollback_and_a_canary(service: Manifest) -> None:
    # a field that is not in the manifest would keep what a rollback wrote there
    assert service.spec["traffic"] == [{"latestRevision": True, "percent": 100}]


@each_service
def test_tmp_is_writable_as_the_root_is_not(service: Manifest) -> None:
    assert {"name": "tmp", "mountPath": "/tmp"} in container(service)["volumeMounts"]
    assert {"name": "tmp", "emptyDir": {}} in template(service)["volumes"]


@each_service
def test_resources_are_requested_and_memory_is_limited(service: Manifest) -> None:
    resources = container(service)["resources"]

    assert set(resources["requests"]) == {"cpu", "memory"}
    assert set(resources["limits"]) == {"memory"}


@each_service
def test_the_image_tag_forces_no_pull(service: Manifest) -> None:
    assert re.fullmatch(r"dev\.local/airline/[a-z-]+:(?!latest$)\w+", container(service)["image"])


@each_service
def test_nothing_that_serving_sets_itself_is_set(service: Manifest) -> None:
    assert not RESERVED_ENV & {entry["name"] for entry in container(service)["env"]}


@each_function
def test_every_function_hears_the_shared_settings_and_those_of_its_folder(service: Manifest) -> None:
    sources = [source["configMapRef"]["name"] for source in container(service)["envFrom"]]

    assert sources == ["airline-settings", f"{folder_of(service)}-settings"]
    assert set(sources) <= set(of_kind("ConfigMap", "v1"))


@each_function
def test_every_secret_key_that_is_used_exists(service: Manifest) -> None:
    secrets = of_kind("Secret", "v1")
    used = [entry["valueFrom"]["secretKeyRef"] for entry in container(service)["env"] if "valueFrom" in entry]

    assert used
    assert all(ref["key"] in secrets[ref["name"]].content["stringData"] for ref in used)


@each_function
def test_a_function_knows_no_password_but_that_of_its_own_database(service: Manifest) -> None:
    folder = folder_of(service).replace("-", "_").upper()
    known = {
        entry["name"]: entry["valueFrom"]["secretKeyRef"]["key"]
        for entry in container(service)["env"]
        if entry["name"].endswith("DATABASE_PASSWORD")
    }
    of_the_provider = {"PROVIDER_DATABASE_PASSWORD": "PROVIDER_DATABASE_PASSWORD"}

    assert known == {"DATABASE_PASSWORD": f"{folder}_DATABASE_PASSWORD"} | (
        of_the_provider if folder == "PAYMENT" else {}
    )


def test_every_database_has_a_user_of_its_own() -> None:
    settings = [config.content["data"] for config in of_kind("ConfigMap", "v1").values()]
    owners = {
        data[f"{whose}DATABASE_URL"].rpartition("/")[2]: data.get(f"{whose}DATABASE_USER")
        for data in settings
        for whose in ("", "PROVIDER_")
        if f"{whose}DATABASE_URL" in data
    }

    assert len(owners) == len(databases())
    assert all(user == database for database, user in owners.items())


def test_every_setting_in_the_manifests_is_one_that_is_read() -> None:
    maps = [config.content["data"] for name, config in of_kind("ConfigMap", "v1").items() if name != "gateway-settings"]
    entries = [entry["name"] for service in functions().values() for entry in container(service)["env"]]

    assert {key for source in [*maps, entries] for key in source} <= (
        known_settings() | SET_FOR_THE_HOST | OF_THE_PROVIDER
    )


def test_every_setting_of_the_gateway_is_one_that_its_caddyfile_reads() -> None:
    caddyfile = (ROOT / "gateway" / "Caddyfile").read_text()
    settings = of_kind("ConfigMap", "v1")["gateway-settings"].content["data"]

    assert set(settings) == {"ALLOWED_HOSTS", "ALLOWED_ORIGINS"}
    assert set(settings) <= set(re.findall(r"\{env\.(\w+)\}", caddyfile))
    assert container(services()["gateway"])["envFrom"] == [{"configMapRef": {"name": "gateway-settings"}}]


def test_every_address_that_the_gateway_knows_is_a_service() -> None:
    addresses = env(services()["gateway"])
    names = {variable: variable.removesuffix("_URL").replace("_", "-").lower() for variable in addresses}

    assert addresses == {variable: f"http://{name}.airline.svc.cluster.local" for variable, name in names.items()}
    assert set(names.values()) <= set(functions())


def test_no_two_services_want_the_same_port_on_a_laptop() -> None:
    ports = [port for service in services().values() if (port := service.metadata("annotations").get("laptop/port"))]

    assert sorted(ports) == ["8082", "8083", "8084", "8085", "8088"]


@each_trigger
def test_a_trigger_states_its_whole_delivery(trigger: Manifest) -> None:
    # Knative takes a Trigger's delivery instead of the Broker's, never field by field
    assert trigger.spec["delivery"] == (DELIVERY | {"retry": 1} if heard_type(trigger) == WAKES else DELIVERY)


def test_a_saga_is_expected_once_in_half_of_the_window_that_functions_stay_awake() -> None:
    (window,) = {scaling(service)["autoscaling.knative.dev/window"] for service in functions().values()}
    settings = of_kind("ConfigMap", "v1")["reserve-settings"].content["data"]

    assert f"{2 * int(settings['WAKE_AHEAD'])}s" == window


def test_one_dispatcher_of_the_kafka_broker_is_enough_for_all_triggers() -> None:
    # above 20 it starts a second pod
    assert len(triggers()) <= 20


@each_trigger
def test_a_trigger_leads_from_the_broker_to_a_service(trigger: Manifest) -> None:
    subscriber = trigger.spec["subscriber"]["ref"]

    assert trigger.spec["broker"] in of_kind("Broker", EVENTING, KAFKA)
    assert (subscriber["apiVersion"], subscriber["kind"]) == (SERVING, "Service")
    assert heard_by(trigger) in functions()


@pytest.mark.parametrize(("folder", "class_"), [(KAFKA, "Kafka"), (IN_MEMORY, "MTChannelBasedBroker")])
def test_a_broker_states_its_class_its_own_config_and_a_whole_delivery(folder: Path, class_: str) -> None:
    broker = of_kind("Broker", EVENTING, folder)["airline"]
    config = of_kind("ConfigMap", "v1", folder)[broker.spec["config"]["name"]]

    assert broker.metadata("annotations")["eventing.knative.dev/broker.class"] == class_
    assert broker.spec["config"]["namespace"] == config.content["metadata"]["namespace"]
    assert broker.spec["delivery"] == DELIVERY


def test_the_broker_in_memory_answers_a_publisher_before_the_deliveries_as_that_on_kafka_does() -> None:
    broker = of_kind("Broker", EVENTING, IN_MEMORY)["airline"]

    assert broker.metadata("annotations")["messaging.knative.dev/async-handler"] == "true"


def test_the_topic_has_no_more_replicas_than_kafka_has_nodes() -> None:
    data = of_kind("ConfigMap", "v1", KAFKA)["airline-broker"].content["data"]
    nodes = of_kind("KafkaNodePool", "kafka.strimzi.io/v1", STRIMZI)["all"].spec["replicas"]

    assert int(data["default.topic.replication.factor"]) <= nodes
    assert int(data["default.topic.partitions"]) > 0


def test_the_contract_suite_uses_the_brokers_own_configuration_which_asks_for_the_ten_partitions_it_needs() -> None:
    (contract,) = yaml.safe_load_all((ROOT / "tests" / "broker" / "broker-kafka.yaml").read_text())
    broker = of_kind("Broker", EVENTING, KAFKA)["airline"]
    data = of_kind("ConfigMap", "v1", KAFKA)["airline-broker"].content["data"]

    assert contract["spec"]["config"] == broker.spec["config"]
    assert data["default.topic.partitions"] == "10"


def test_nobody_but_knative_reaches_a_kafka_that_asks_for_no_password() -> None:
    (kafka,) = of_kind("Kafka", "kafka.strimzi.io/v1", STRIMZI).values()
    knative = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "knative-eventing"}}}
    (namespace,) = of_kind("Namespace", "v1").values()
    (job,) = of_kind("Job", "batch/v1", KAFKA).values()
    counting = {
        "namespaceSelector": {"matchLabels": namespace.metadata("labels")},
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": job.name}},
    }

    for listener in kafka.spec["kafka"]["listeners"]:
        assert listener.get("authentication") or listener["networkPolicyPeers"] == [knative, counting]


def test_the_broker_finds_the_kafka_that_strimzi_makes() -> None:
    data = of_kind("ConfigMap", "v1", KAFKA)["airline-broker"].content["data"]
    (kafka,) = of_kind("Kafka", "kafka.strimzi.io/v1", STRIMZI).values()
    (listener,) = kafka.spec["kafka"]["listeners"]

    address = f"{kafka.name}-kafka-bootstrap.{kafka.content['metadata']['namespace']}:{listener['port']}"
    assert data["bootstrap.servers"] == address


@pytest.mark.parametrize("binding", of_kind("SinkBinding", SOURCES).values(), ids=str)
def test_a_sink_binding_gives_an_existing_service_the_address_of_the_broker(binding: Manifest) -> None:
    assert binding.spec["subject"] == {"apiVersion": SERVING, "kind": "Service", "name": binding.name}
    assert binding.name in functions()
    assert binding.spec["sink"] == {"ref": {"apiVersion": EVENTING, "kind": "Broker", "name": "airline"}}


@pytest.mark.parametrize("source", of_kind("PingSource", SOURCES).values(), ids=str)
def test_a_ping_source_calls_its_service_every_five_minutes_without_the_broker(source: Manifest) -> None:
    assert source.spec["sink"] == {"ref": {"apiVersion": SERVING, "kind": "Service", "name": source.name}}
    assert source.name in functions()
    minutes = ticks(source)
    assert [(second - first) % 60 for first, second in pairwise([*minutes, minutes[0]])] == [5] * 12


def test_no_two_housekeepings_start_in_the_same_minute() -> None:
    minutes = [minute for source in of_kind("PingSource", SOURCES).values() for minute in ticks(source)]

    assert len(minutes) == len(set(minutes)) == 36


def ticks(source: Manifest) -> list[int]:
    """The minutes of an hour at which a PingSource ticks."""
    moments = CronSim(source.spec["schedule"], datetime(2026, 5, 1, 11, 59, tzinfo=UTC))
    return sorted({next(moments).minute for _ in range(12)})


def test_housekeeping_is_called_by_a_ping_source() -> None:
    assert set(of_kind("PingSource", SOURCES)) == {name for name in functions() if name.endswith("-housekeeping")}


class StrictLoader(yaml.CSafeLoader):
    """PyYAML takes the last of two equal keys; Kubernetes may refuse them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice the same key at{node.start_mark}"
        return super().construct_mapping(node, deep)


def _feeds(manifest: Manifest) -> str | None:
    """The Service whose file a manifest belongs in; None: it is elsewhere."""
    if manifest.is_a("Service", SERVING) or manifest.is_a("PingSource", SOURCES):
        return manifest.name
    return heard_by(manifest) if manifest.is_a("Trigger", EVENTING) else None
