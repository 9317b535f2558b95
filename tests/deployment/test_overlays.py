"""The overlays as a cluster gets them: all rules, Knative's and ours, on every overlay and combination."""

import copy
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.embedded.yaml_documents import yaml_documents
from choreography import migrations
from choreography.settings import read
from testbed.project import (
    IN_MEMORY,
    ROOT,
    Manifest,
    container,
    databases,
    env,
    folder_of,
    known_settings,
    scaling,
)
from tests.deployment import knative_rules as rules
from tests.deployment.rendered import (
    COMBINATIONS,
    COMPONENTS,
    OVERLAYS,
    RENDERINGS,
    Rendering,
    combination,
    functions_of,
    of,
    render,
    rendered,
    services_of,
    workloads,
)

Path_ = tuple[str | int, ...]
Break = Callable[[dict[str, Any]], object]
POD: Path_ = ("spec", "template", "spec")
ONE: Path_ = (*POD, "containers", 0)
SCALING: Path_ = ("spec", "template", "metadata", "annotations")
GONE = object()


def change(*path: str | int, to: Any = GONE) -> Break:
    """Sets what is at a path of a manifest, or takes it away."""

    def broken(content: dict[str, Any]) -> None:
        place: Any = content
        for step in path[:-1]:
            place = place[step]
        if to is GONE:
            del place[path[-1]]
        else:
            place[path[-1]] = to

    return broken


def autoscale(key: str, value: str) -> Break:
    return change(*SCALING, f"autoscaling.knative.dev/{key}", to=value)


BROKEN: list[tuple[rules.Rule, str, Break]] = [
    (rules.kubernetes_knows_every_field, "postgres", change("spec", "replica", to=1)),
    (rules.kubernetes_knows_every_field, "reserve", change(*ONE, "readinessProbe", "httpGet", "pth", to="/")),
    (rules.serving_takes_every_field, "reserve", change(*POD, "restartPolicy", to="Always")),
    (rules.serving_takes_every_field, "reserve", change(*ONE, "lifecycle", to={})),
    (rules.serving_takes_every_field, "reserve", change(*POD, "volumes", 0, to={"name": "tmp", "hostPath": {}})),
    (rules.a_service_has_one_port_that_is_free, "reserve", change(*ONE, "ports", to=[{"containerPort": 8012}])),
    (
        rules.a_service_has_one_port_that_is_free,
        "reserve",
        change(*ONE, "ports", to=[{"containerPort": 1, "name": "web"}]),
    ),
    (rules.a_service_has_one_port_that_is_free, "reserve", change(*ONE, "ports", to=[{"containerPort": 1}] * 2)),
    (rules.every_volume_is_mounted, "reserve", change(*ONE, "volumeMounts", to=[])),
    (
        rules.servings_own_probing_has_no_other_settings,
        "reserve",
        change(*ONE, "readinessProbe", to={"timeoutSeconds": 1}),
    ),
    (rules.autoscaling_is_said_on_the_template_in_known_words, "reserve", autoscale("minScale", "1")),
    (rules.autoscaling_is_said_on_the_template_in_known_words, "reserve", autoscale("window", "5s")),
    (rules.autoscaling_is_said_on_the_template_in_known_words, "reserve", autoscale("metric", "cpu ")),
    (rules.autoscaling_is_said_on_the_template_in_known_words, "reserve", autoscale("metric", "rps")),
    (rules.autoscaling_is_said_on_the_template_in_known_words, "reserve", autoscale("min-scale", "4")),
    (
        rules.autoscaling_is_said_on_the_template_in_known_words,
        "reserve",
        change("metadata", "annotations", to={"autoscaling.knative.dev/min-scale": "1"}),
    ),
    (rules.who_is_scaled_by_cpu_never_sleeps_and_the_policies_do, "reserve", autoscale("min-scale", "0")),
    (rules.who_is_scaled_by_cpu_never_sleeps_and_the_policies_do, "decrease-seats", autoscale("min-scale", "1")),
    (
        rules.who_is_scaled_by_cpu_never_sleeps_and_the_policies_do,
        "reserve",
        change(*ONE, "resources", "requests", "cpu", to="1"),
    ),
    (rules.names_can_be_dns_labels, "reserve", change("metadata", "name", to="reserve.v2")),
    (rules.every_delivery_is_whole, "charge-payment-on-remaining-seats-decreased", change("spec", "delivery", "retry")),
    (
        rules.every_delivery_is_whole,
        "airline",
        change("spec", "delivery", "deadLetterSink", "ref", "name", to="nowhere"),
    ),
    *(
        (
            rules.what_an_onlooker_misses_is_no_dead_letter_and_what_a_policy_misses_is,
            trigger,
            change("spec", "delivery", "deadLetterSink", "ref", "name", to=sink),
        )
        for trigger, sink in (("board-on-every-event", "dead-letters"), ("confirm-reservation-on-paid", "board"))
    ),
    (rules.a_broker_states_its_class_and_config, "airline", change("metadata", "annotations", to={})),
    (rules.a_broker_states_its_class_and_config, "airline", change("spec", "config", "name", to="nowhere")),
    (
        rules.triggers_lead_from_the_broker_to_targets_that_hear_it,
        "confirm-reservation-on-paid",
        change("spec", "filter", "attributes", "type", to="Payed"),
    ),
    (
        rules.triggers_lead_from_the_broker_to_targets_that_hear_it,
        "confirm-reservation-on-paid",
        change("spec", "subscriber", "ref", "name", to="gateway"),
    ),
    (
        rules.triggers_lead_from_the_broker_to_targets_that_hear_it,
        "confirm-reservation-on-paid",
        change("spec", "broker", to="default"),
    ),
    (
        rules.triggers_lead_from_the_broker_to_targets_that_hear_it,
        "reserve",
        change(*ONE, "env", 0, to={"name": "FUNCTION_TARGET", "value": "reserve_seats"}),
    ),
    (
        rules.every_reference_leads_somewhere,
        "reserve",
        change(*ONE, "envFrom", 0, "configMapRef", "name", to="nowhere"),
    ),
    (
        rules.every_reference_leads_somewhere,
        "migrations",
        change(*ONE, "env", 3, "valueFrom", "secretKeyRef", "key", to="NOTHING"),
    ),
    (rules.no_variable_is_set_twice, "reserve", change(*ONE, "env", 0, "name", to="THREADS")),
    (rules.every_image_is_made_by_make_images, "reserve", change(*ONE, "image", to="dev.local/airline/reserv:dev")),
    (rules.every_image_is_made_by_make_images, "reserve", change(*ONE, "image", to="dev.local/airline/reserve:latest")),
    (rules.every_image_is_made_by_make_images, "postgres", change(*ONE, "image", to="postgres:17")),
    (rules.everything_is_in_one_namespace, "reserve", change("metadata", "namespace", to="default")),
    (rules.everything_is_in_one_namespace, "airline", change("spec", "config", "namespace", to="default")),
    (
        rules.everything_is_in_one_namespace,
        "gateway",
        change(*ONE, "env", 0, "value", to="http://reserve.default.svc.cluster.local"),
    ),
    (
        rules.policies_of_the_network_select_what_there_is,
        "the-gateway-calls-functions",
        change("spec", "podSelector", "matchLabels", to={"app": "gateway"}),
    ),
    (
        rules.policies_of_the_network_select_what_there_is,
        "all-may-ask-dns",
        change("spec", "egress", 0, "to", 0, "namespaceSelector", to={"matchLabels": {"name": "kube-system"}}),
    ),
    (rules.pods_are_restricted_and_say_what_they_need, "postgres", change(*ONE, "securityContext", "capabilities")),
    (rules.pods_are_restricted_and_say_what_they_need, "reserve", change(*POD, "automountServiceAccountToken")),
    (rules.pods_are_restricted_and_say_what_they_need, "reserve", change(*ONE, "resources", "limits")),
    (rules.who_asks_the_cluster_only_reads_and_no_secrets, "board", change("rules", 0, "verbs", to=["*"])),
    (rules.who_asks_the_cluster_only_reads_and_no_secrets, "board", change("rules", 0, "resources", to=["secrets"])),
    (
        rules.who_asks_the_cluster_only_reads_and_no_secrets,
        "board",
        change("subjects", 0, "namespace", to="default"),
    ),
    (rules.who_asks_the_cluster_only_reads_and_no_secrets, "board", change("roleRef", "name", to="admin")),
    (rules.every_reference_leads_somewhere, "board", change(*POD, "serviceAccountName", to="admin")),
    (
        rules.the_database_has_a_connection_for_everybody,
        "postgres",
        change(*ONE, "args", to=["-c", "max_connections=100"]),
    ),
]


@pytest.mark.parametrize("name", RENDERINGS)
@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_what_a_cluster_gets_obeys(rule: rules.Rule, name: str) -> None:
    assert list(rule(rendered(name))) == []


@pytest.mark.parametrize(("rule", "name", "breaks"), BROKEN)
def test_a_rule_finds_what_breaks_it(rule: rules.Rule, name: str, breaks: Break) -> None:
    assert list(rule(broken(rendered("kafka"), name, breaks))) != []


def test_every_rule_is_shown_to_find_something() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(rules.RULES)


def test_every_component_is_rendered_somewhere() -> None:
    used = {component for _, components in COMBINATIONS.values() for component in components}

    assert used == {path.name for path in COMPONENTS.iterdir()}


@pytest.mark.parametrize("name", RENDERINGS)
def test_a_namespace_takes_the_whole_system_with_it(name: str) -> None:
    moved = rendered(name, NAMESPACE="elsewhere")

    assert set(of(moved, "Namespace")) == {"elsewhere"}
    assert list(rules.everything_is_in_one_namespace(moved)) == []


def test_what_is_of_no_namespace_must_carry_its_name() -> None:
    shared = broken(rendered("everything"), "airline:public-keys", change("metadata", "name", to="public-keys"))

    assert len(list(rules.everything_is_in_one_namespace(shared))) == 1


def test_a_registry_and_a_tag_are_taken_by_everything_that_is_ours() -> None:
    images = {container(service)["image"] for service in services_of(of_registry()).values()}

    assert images
    assert all(image.startswith("registry.example/airline/") and image.endswith(":7") for image in images)


def test_a_database_of_another_registry_can_be_named() -> None:
    (server,) = of(rendered("kafka", IMAGES="postgres=registry.example/postgres:17.11"), "StatefulSet").values()

    assert container(server)["image"] == "registry.example/postgres:17.11"


def test_a_kafka_can_be_named() -> None:
    config = of(rendered("kafka", KAFKA="kafka.example:9093"), "ConfigMap")["airline-broker"]

    assert config.content["data"]["bootstrap.servers"] == "kafka.example:9093"
    assert config.content["data"]["default.topic.partitions"] == "10"


VISIBILITY = "networking.knative.dev/visibility"


@pytest.mark.parametrize("name", sorted(path.name for path in OVERLAYS.iterdir()))
def test_an_overlay_opens_nothing_to_the_outside_by_itself(name: str) -> None:
    closed = {service.metadata("labels").get(VISIBILITY) for service in services_of(rendered(name)).values()}
    assert closed == {"cluster-local"}


def test_the_component_public_opens_the_gateway_and_nothing_else() -> None:
    opened = services_of(rendered("in-memory", PUBLIC="1", NAMESPACE="elsewhere"))
    assert {name for name, service in opened.items() if VISIBILITY not in service.metadata("labels")} == {"gateway"}


def test_secrets_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("DATABASE_PASSWORD=one\nRESERVATION_ID_SECRET=two\n", "utf-8")

    (secret,) = of(rendered("azure", SECRETS=str(tmp_path / "secrets")), "Secret").values()

    assert set(secret.content["data"]) == {"DATABASE_PASSWORD", "RESERVATION_ID_SECRET"}
    assert "stringData" not in secret.content


@pytest.mark.parametrize(
    ("generator", "settings", "rolled"),
    [
        (
            "configMapGenerator",
            {"name": "airline-settings", "behavior": "merge", "literals": ["LOG_LEVEL=DEBUG"]},
            None,
        ),
        ("configMapGenerator", {"name": "payment-settings", "behavior": "merge", "literals": ["X=1"]}, "payment"),
        ("secretGenerator", {"name": "airline-secrets", "behavior": "replace", "literals": ["X=1"]}, None),
    ],
)
def test_a_changed_setting_rolls_a_new_revision_of_exactly_those_who_read_it(
    tmp_path: Path, generator: str, settings: dict[str, Any], rolled: str | None
) -> None:
    components = ("postgresql", "migrations", "hashed-settings")
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    change = {generator: [settings | {"namespace": "airline"}]}

    was = render(combination(before, IN_MEMORY, components))
    becomes = render(combination(after, IN_MEMORY, components, **change))

    different = {
        name for name, service in functions_of(was).items() if service.spec != functions_of(becomes)[name].spec
    }
    readers = {name for name, service in functions_of(was).items() if rolled in {None, folder_of(service)}}
    assert different == readers
    assert services_of(was)["gateway"].spec == services_of(becomes)["gateway"].spec


def test_a_new_password_of_the_mail_server_rolls_new_revisions_of_those_who_send_mails(tmp_path: Path) -> None:
    (tmp_path / "after").mkdir()
    change = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "notifications-secrets", "namespace": "airline"},
    }
    patch = {"patch": yaml.safe_dump(change | {"stringData": {"SMTP_PASSWORD": "new"}})}
    overlay, components = COMBINATIONS["notifications"]

    was = functions_of(rendered("notifications"))
    becomes = functions_of(render(combination(tmp_path / "after", overlay, components, patches=[patch])))

    different = {name for name, service in was.items() if service.spec != becomes[name].spec}
    assert different == {"notify-customer", "notifications-housekeeping", "contacts"}


@pytest.mark.parametrize("components", [("mysql", "notifications"), ("notifications",)])
def test_mails_are_remembered_on_the_database_server_of_the_reservations(
    tmp_path: Path, components: tuple[str, ...]
) -> None:
    settings = of(render(combination(tmp_path, IN_MEMORY, components)), "ConfigMap")

    kept, mails = (
        settings[f"{name}-settings"].content["data"]["DATABASE_URL"] for name in ("reserve", "notifications")
    )
    assert mails == kept.removesuffix("reserve") + "notifications"


def test_without_hashed_settings_nothing_would_roll() -> None:
    assert "airline-settings" in of(rendered("plain-settings"), "ConfigMap")


def test_hpa_scales_the_http_functions_as_the_original_did() -> None:
    by_cpu = {name: scaling(service) for name, service in services_of(rendered("kafka")).items() if hpa(service)}

    assert set(by_cpu) == {"reserve", "reserve-commands", "flight-seats", "payment", "dashboard"}
    for said in by_cpu.values():
        assert {
            key: said[f"autoscaling.knative.dev/{key}"] for key in ("metric", "target", "min-scale", "max-scale")
        } == {
            "metric": "cpu",
            "target": "50",
            "min-scale": "1",
            "max-scale": "3",
        }


@pytest.mark.parametrize("other", ["small", "zero-initial-scale"])
def test_scaling_by_cpu_is_the_same_whichever_component_comes_first(tmp_path: Path, other: str) -> None:
    rendered_ = {}
    for order in (("hpa", other), (other, "hpa")):
        folder = tmp_path / "-".join(order)
        folder.mkdir()
        rendered_[order] = render(combination(folder, IN_MEMORY, ("postgresql", *order)))

    first, second = ({str(one): one.content for one in made} for made in rendered_.values())
    assert first == second


def test_a_small_cluster_with_kafka_scales_the_http_functions_by_cpu_and_asks_for_less() -> None:
    small, full = services_of(rendered("kafka-small")), services_of(rendered("kafka"))

    assert [name for name, service in small.items() if hpa(service)] == [
        name for name, service in full.items() if hpa(service)
    ]
    assert millicores(small) < millicores(full) / 2


def test_the_database_of_mysql_is_one_that_mysql_understands() -> None:
    data = [config.content["data"] for config in of(rendered("mysql"), "ConfigMap").values()]
    urls = [value for values in data for key, value in values.items() if key.endswith("DATABASE_URL")]

    assert len(urls) == len(databases())
    assert all(url.startswith("mysql+pymysql://mysql:3306/") for url in urls)


def test_a_managed_database_is_verified_and_not_only_encrypted() -> None:
    data = [config.content["data"] for config in of(rendered("azure"), "ConfigMap").values()]
    urls = [value for values in data for key, value in values.items() if key.endswith("DATABASE_URL")]

    assert [values["DATABASE_CA"] for values in data if values.get("DATABASE_CA")] == [
        "/etc/ssl/certs/ca-certificates.crt"
    ]
    assert len(urls) == len(databases())
    assert not [url for url in urls if "?" in url]


def test_the_job_enters_every_database_as_the_role_that_owns_it() -> None:
    job = of(rendered("kafka"), "Job")["migrations"]
    folders = [word.removeprefix("/app/functions/") for word in container(job)["args"] if word.startswith("/")]
    given = {entry["name"] for entry in container(job)["env"]}

    assert folders
    for folder in folders:
        owner = migrations.owner(Path(folder))
        assert {f"{owner}DATABASE_URL", f"{owner}DATABASE_USER", f"{owner}DATABASE_PASSWORD"} <= given


def test_the_job_migrates_every_database_that_a_function_uses() -> None:
    job = of(rendered("kafka"), "Job")["migrations"]
    named = {word.removeprefix("$(").removesuffix(")") for word in container(job)["args"] if word.startswith("$(")}
    given = {entry["name"] for entry in container(job)["env"]}
    data = [config.content["data"] for config in of(rendered("kafka"), "ConfigMap").values()]
    urls = [key for values in data for key in values if key.endswith("DATABASE_URL")]

    assert named <= given
    assert len(named) == len(urls)
    assert len(set(container(job)["args"])) == len(container(job)["args"])
    assert "DATABASE_USER" not in env(job)  # from the ConfigMap that every function reads


def broken(rendering: Rendering, name: str, breaks: Break) -> Rendering:
    """The rendering, with every manifest of that name broken that allows it."""
    done = 0
    made: list[Manifest] = []
    for manifest in rendering:
        content = copy.deepcopy(manifest.content)
        if manifest.name == name:
            try:
                breaks(content)
                done += 1
            except (KeyError, IndexError, TypeError):
                content = manifest.content
        made.append(Manifest(manifest.file, content))
    assert done, f"there is nothing to break in {name}"
    return tuple(made)


def of_registry() -> Rendering:
    return rendered("in-memory", REGISTRY="registry.example/airline", TAG="7")


def millicores(services: Mapping[str, Manifest]) -> int:
    """What one instance of each asks for, the queue-proxies left out."""
    return sum(int(container(one)["resources"]["requests"]["cpu"].removesuffix("m")) for one in services.values())


def hpa(service: Manifest) -> bool:
    return scaling(service)["autoscaling.knative.dev/class"].startswith("hpa")


def test_the_component_identity_reaches_those_who_are_asked_from_outside_and_wins_over_the_base() -> None:
    services = services_of(rendered("everything"))
    asking = {
        name
        for name, service in services.items()
        if any("identity-settings" in source["configMapRef"]["name"] for source in container(service)["envFrom"][-1:])
    }

    assert asking == {
        "gateway",
        *("reserve", "reserve-commands", "flight-seats", "payment", "dashboard", "dead-letters", "board"),
    }


def test_every_setting_of_the_component_identity_is_one_that_is_read() -> None:
    (settings,) = yaml_documents(COMPONENTS / "identity", (COMPONENTS / "identity" / "settings.yaml").read_text())
    read_by_the_gateway = set(re.findall(r"\{\$(\w+)", (ROOT / "gateway" / "Caddyfile").read_text()))

    assert set(settings["data"]) <= known_settings() | read_by_the_gateway
    assert read({**settings["data"]}).identity


def released(folder: Path, *names: str) -> Path:
    """What `make sign` has printed of these images."""
    file = folder / "released.txt"
    file.write_text("".join(f"registry.example:5000/airline/{name}@sha256:{len(name):064x}\n" for name in names))
    return file


def test_a_release_is_deployed_by_the_digests_that_were_signed_whatever_tags_name_by_now(tmp_path: Path) -> None:
    file = released(tmp_path, *rules.OWN_IMAGES)
    found = {container(one)["image"] for one in workloads(render(OVERLAYS / "kafka", DIGESTS=str(file)))}

    ours = {image for image in found if "/airline/" in image}
    assert {image.partition("@")[0].rpartition("/")[2] for image in ours} >= {
        "reserve",
        "payment",
        "gateway",
        "migrations",
    }
    assert ours <= set(file.read_text().split())


@pytest.mark.parametrize("spoiled", ["missing", "twice", "tag"])
def test_a_release_whose_digests_are_not_all_there_is_refused(tmp_path: Path, spoiled: str) -> None:
    file = released(tmp_path, *(sorted(rules.OWN_IMAGES)[1:] if spoiled == "missing" else rules.OWN_IMAGES))
    if spoiled == "twice":
        file.write_text(file.read_text() * 2)
    tag = {"TAG": "7"} if spoiled == "tag" else {}
    with pytest.raises(subprocess.CalledProcessError) as refused:
        render(OVERLAYS / "kafka", DIGESTS=str(file), **tag)
    assert ("leave REGISTRY and TAG out" if tag else "must have one line for") in refused.value.stderr
