"""The component `oidc`: every token is for the service that gets it, and only known senders are accepted."""

import re
from typing import Any

import pytest
import yaml

from airline import settings
from choreography import tokens
from testbed.project import (
    BASE,
    EVENTING,
    IN_MEMORY,
    KAFKA,
    SERVING,
    SOURCES,
    Manifest,
    functions,
    heard_by,
    kustomization,
    of_components,
    of_kind,
    triggers,
    wiring,
)

OIDC = BASE.parent / "components" / "oidc"
PATCHES: list[dict[str, Any]] = kustomization(OIDC)["patches"]
REPLYING = {"reply", "reply_in_steps"}
pings = of_kind("PingSource", SOURCES)
bindings = of_kind("SinkBinding", SOURCES)

each_trigger = pytest.mark.parametrize("trigger", triggers().values(), ids=str)


def made(manifest: Manifest) -> dict[str, Any]:
    """What the patches of the component put into a manifest, by path."""
    return {
        operation["path"]: operation["value"]
        for patch in PATCHES
        if _is_meant(patch["target"], manifest)
        for operation in yaml.safe_load(patch["patch"])
    }


def _is_meant(target: dict[str, str], manifest: Manifest) -> bool:
    group = manifest.content["apiVersion"].partition("/")[0]
    component = manifest.metadata("labels").get("app.kubernetes.io/component", "")
    chosen = re.search(r"component in \((.*)\)", target.get("labelSelector", ""))
    return (
        target["group"] == group
        and re.fullmatch(target["kind"], manifest.content["kind"]) is not None
        and re.fullmatch(target.get("name", ".*"), manifest.name) is not None
        and (chosen is None or component in chosen[1].split(", "))
    )


def document(name: str) -> dict[str, Any]:
    """One of the component's own manifests."""
    content: dict[str, Any] = yaml.safe_load((OIDC / f"{name}.yaml").read_text())
    return content


AUDIENCE = str(document("settings")["data"]["TOKEN_AUDIENCE"])


@each_trigger
def test_a_trigger_gets_tokens_for_its_function_and_for_the_dead_letters(trigger: Manifest) -> None:
    assert made(trigger) == {
        "/spec/subscriber/audience": tokens.audience(AUDIENCE, heard_by(trigger)),
        "/spec/delivery/deadLetterSink/audience": tokens.audience(AUDIENCE, "dead-letters"),
    }


@pytest.mark.parametrize("ping", pings.values(), ids=str)
def test_a_tick_gets_a_token_for_the_function_that_it_wakes(ping: Manifest) -> None:
    assert made(ping) == {"/spec/sink/audience": tokens.audience(AUDIENCE, ping.spec["sink"]["ref"]["name"])}


@pytest.mark.parametrize("folder", [KAFKA, IN_MEMORY], ids=lambda folder: folder.name)
def test_the_dead_letters_of_a_trigger_without_a_delivery_of_its_own_get_a_token_as_well(folder: Any) -> None:
    broker = of_kind("Broker", EVENTING, folder)["airline"]
    assert made(broker) == {"/spec/delivery/deadLetterSink/audience": tokens.audience(AUDIENCE, "dead-letters")}


@pytest.mark.parametrize("service", functions().values(), ids=str)
def test_only_functions_that_hear_events_verify_tokens(service: Manifest) -> None:
    fed = {heard_by(trigger) for trigger in triggers().values()} | set(pings) | {"dead-letters"}
    template = "/spec/template/spec"
    assert set(made(service)) == (
        {f"{template}/containers/0/{field}/-" for field in ("envFrom", "volumeMounts")} | {f"{template}/volumes/-"}
        if service.name in fed
        else set()
    )


def test_the_settings_are_read_and_name_the_file_that_is_mounted() -> None:
    read = settings.read(document("settings")["data"])
    mounted = made(functions()["dead-letters"])["/spec/template/spec/containers/0/volumeMounts/-"]["mountPath"]
    assert read.token_issuer
    assert str(read.token_ca) == f"{mounted}/ca.crt"
    assert read.token_audience == AUDIENCE == "airline"
    assert read.token_subjects == ("system:serviceaccount:airline:*",)


def test_the_broker_lets_in_who_publishes_and_the_triggers_of_those_who_reply() -> None:
    repliers = {name for name, one in functions().items() if (wired := wiring(one)) and wired.wrapper in REPLYING}
    policy = document("event-policy")["spec"]

    assert [target["ref"]["name"] for target in policy["to"]] == ["airline"]
    assert sorted(one["sub"].removeprefix("system:serviceaccount:airline:") for one in policy["from"]) == sorted(
        [f"{name}-oidc-sources.knative.dev-sinkbinding" for name in (*bindings, *of_components("SinkBinding", SOURCES))]
        + [f"{name}-on-*" for name in repliers]
    )


@each_trigger
def test_the_service_is_still_seen_in_the_identity_of_its_trigger(trigger: Manifest) -> None:
    # knative.dev/pkg, kmeta.ChildName: of a long name, the first 31 characters are kept before a hash
    assert f"{trigger.name}-oidc-"[:31].startswith(f"{heard_by(trigger)}-on-")
    assert trigger.spec["subscriber"]["ref"]["apiVersion"] == SERVING
