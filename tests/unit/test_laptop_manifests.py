"""What the laptop reads in manifests."""

import copy
import sys
import zoneinfo
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import make_url

from laptop.container_environment import SecretKey, Value, database_url, on_this_machine
from laptop.errors import ManifestError
from laptop.manifests import Ping, Sink, read_system, seconds, with_settings
from laptop.schedule import check_schedule, event_headers, ticks
from laptop.shares import niceness
from laptop.state import kept_folder
from testbed.project import BASE

SERVICE: dict[str, Any] = yaml.safe_load("""
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: decrease-seats, annotations: {laptop/port: "8083"}}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/min-scale: "1", autoscaling.knative.dev/window: 30s}}
    spec:
      containerConcurrency: 1
      containers:
        - image: registry.example:5000/airline/flight-seats:v1
          env: [{name: FUNCTION_TARGET, value: decrease_seats}, {name: THREADS, value: "1"}]
""")
PING = Ping("often", "airline", "*/5 * * * *", "UTC", b"{}", "application/json", Sink(), {"partitionkey": "clock"})


def written(folder: Path, *manifests: dict[str, Any]) -> list[Path]:
    (folder / "all.yaml").write_text(yaml.safe_dump_all(manifests), "utf-8")
    (folder / "kustomization.yaml").write_text("namespace: airline\n", "utf-8")
    return [folder]


def test_a_service_with_a_target_is_a_function(tmp_path: Path) -> None:
    (function,) = read_system(written(tmp_path, SERVICE)).functions
    assert (function.name, function.namespace, function.folder) == ("decrease-seats", "airline", "flight-seats")
    assert (function.target, function.threads, function.port) == ("decrease_seats", 1, 8083)
    assert (function.min_scale, function.window) == (1, 30.0)


def test_the_stable_window_is_that_of_knative_where_none_is_named(tmp_path: Path) -> None:
    service = copy.deepcopy(SERVICE)
    del service["spec"]["template"]["metadata"]
    (function,) = read_system(written(tmp_path, service)).functions
    assert (function.min_scale, function.window) == (0, 60.0)


def test_a_setting_of_the_manifests_can_be_set_otherwise_for_one_run(tmp_path: Path) -> None:
    system = read_system(written(tmp_path, SERVICE))
    (function,) = with_settings(system, {"THREADS": "2"}).functions
    assert function.environment == {"FUNCTION_TARGET": "decrease_seats", "THREADS": "2"}
    with pytest.raises(ManifestError, match="the manifests give no function a setting HASTE"):
        with_settings(system, {"HASTE": "1"})


def test_a_setting_that_is_set_for_one_run_reaches_the_gateway_too() -> None:
    system = with_settings(read_system([BASE]), {"IDENTITY_ISSUER": "https://id.example"})

    assert system.gateway
    assert system.gateway.environment["IDENTITY_ISSUER"] == "https://id.example"
    assert {function.environment["IDENTITY_ISSUER"] for function in system.functions} == {"https://id.example"}


@pytest.mark.parametrize("concurrency", [0, 4])
def test_threads_and_container_concurrency_must_agree(tmp_path: Path, concurrency: int) -> None:
    service = copy.deepcopy(SERVICE)
    service["spec"]["template"]["spec"]["containerConcurrency"] = concurrency
    with pytest.raises(ManifestError, match=f"decrease-seats: containerConcurrency is {concurrency} and THREADS is 1"):
        read_system(written(tmp_path, service))


def test_a_missing_config_map_is_named(tmp_path: Path) -> None:
    service = copy.deepcopy(SERVICE)
    service["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "nowhere"}}]
    with pytest.raises(ManifestError, match="Service decrease-seats: there is no ConfigMap nowhere"):
        read_system(written(tmp_path, service))


def test_an_empty_folder_and_broken_yaml_are_reported_clearly(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no Knative Service with FUNCTION_TARGET"):
        read_system([tmp_path])
    (tmp_path / "broken.yaml").write_text("a: [", "utf-8")
    with pytest.raises(ManifestError, match=r"broken\.yaml: not YAML"):
        read_system([tmp_path])


@pytest.mark.parametrize(
    ("text", "expected"), [("6s", 6), ("1m30s", 90), ("250ms", 0.25), ("1h", 3600), ("0s", 0), ("1.5s", 1.5)]
)
def test_durations_are_gos(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "6", "s", "6s!", "PT6S"])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(ManifestError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("variable", "file"),
    [("DATABASE_URL", "payment"), ("PROVIDER_DATABASE_URL", "provider"), ("OLD_LEDGER_DATABASE_URL", "old-ledger")],
)
def test_every_database_is_a_file_of_its_own(variable: str, file: str) -> None:
    assert database_url(variable, "payment", Path("/data")) == f"sqlite:////data/{file}.db"


@pytest.mark.parametrize(
    "name", ["a b", "100%41", "what?", "a#b", "a&b;c", "it's", '"', "$HOME", "가격", "-n", "a\nb", "x" * 200]
)
def test_no_name_of_a_folder_leads_a_database_elsewhere(name: str) -> None:
    folder = Path("/home") / name
    url = make_url(database_url("DATABASE_URL", "payment", folder))
    assert url.database == str(folder / "payment.db")
    assert not url.query


@pytest.mark.parametrize(
    ("on_a_cluster", "here"),
    [
        ("http://reserve.airline.svc.cluster.local", "http://here/reserve"),
        ("http://reserve.airline.svc.cluster.local:80/x", "http://here/reserve/x"),
        ("http://reserve.airline.svc/x", "http://here/reserve/x"),
        ("https://example.com/reserve", "https://example.com/reserve"),
    ],
)
def test_addresses_of_the_cluster_become_those_of_this_machine(on_a_cluster: str, here: str) -> None:
    values: dict[str, Value] = {
        "URL": on_a_cluster,
        "KEY": SecretKey("secrets", "KEY"),
        "DATABASE_URL": "postgresql://x",
        "PROMOTIONS_FOLDER": "/mnt/data",
    }
    machine = on_this_machine(
        values, lambda key: f"secret {key.key}", lambda name: f"http://here/{name}", str.lower, str.title
    )
    assert machine == {
        "URL": here,
        "KEY": "secret KEY",
        "DATABASE_URL": "database_url",
        "PROMOTIONS_FOLDER": "Promotions_Folder",
    }


def test_what_a_cluster_mounts_is_a_folder_beside_the_databases_and_kept(tmp_path: Path) -> None:
    folder = Path(kept_folder(tmp_path, "OLD_TEXTS_FOLDER"))
    (folder / "summer").touch()
    assert folder == tmp_path / "old-texts"
    assert kept_folder(tmp_path, "OLD_TEXTS_FOLDER") == str(folder)
    assert (folder / "summer").exists()


def test_a_schedule_has_five_fields_or_six_with_seconds() -> None:
    start = datetime(2026, 11, 23, 8, 1, 30, tzinfo=UTC)
    assert next(ticks(PING, start)) == datetime(2026, 11, 23, 8, 5, tzinfo=UTC)
    often = Ping("often", "airline", "*/10 * * * * *", "UTC", b"", "", Sink())
    assert next(ticks(often, start)) == datetime(2026, 11, 23, 8, 1, 40, tzinfo=UTC)
    daily = Ping("daily", "airline", "@daily", "Asia/Seoul", b"", "", Sink())
    assert next(ticks(daily, start)).astimezone(UTC) == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(("schedule", "zone"), [("every day", "UTC"), ("* * * * *", "Mars/Base")])
def test_an_invalid_schedule_is_refused(schedule: str, zone: str) -> None:
    with pytest.raises(ManifestError, match="PingSource wrong"):
        check_schedule(Ping("wrong", "airline", schedule, zone, b"", "", Sink()))


def test_utc_needs_no_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    zoneinfo.reset_tzpath(())
    monkeypatch.setitem(sys.modules, "tzdata", None)
    zoneinfo.ZoneInfo.clear_cache()
    try:
        check_schedule(PING)
        with pytest.raises(ManifestError, match="PingSource abroad: this machine has no time zone database"):
            check_schedule(Ping("abroad", "airline", "* * * * *", "Asia/Seoul", b"", "", Sink()))
    finally:
        zoneinfo.reset_tzpath()


def test_a_tick_is_a_cloud_event_with_a_fresh_id() -> None:
    first, second = event_headers(PING), event_headers(PING)
    assert first["ce-type"] == "dev.knative.sources.ping"
    assert first["ce-source"] == "/apis/v1/namespaces/airline/pingsources/often"
    assert first["ce-partitionkey"] == "clock"
    assert first["ce-id"] != second["ce-id"]


def requesting(cpu: object) -> dict[str, Any]:
    service = copy.deepcopy(SERVICE)
    service["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    return service


@pytest.mark.parametrize(("cpu", "cores"), [("200m", 0.2), ("0.25", 0.25), (2, 2.0)])
def test_a_function_has_the_share_of_the_processor_that_its_container_requests(
    tmp_path: Path, cpu: object, cores: float
) -> None:
    (function,) = read_system(written(tmp_path, requesting(cpu))).functions
    assert function.share == cores


@pytest.mark.parametrize("cpu", ["much", "0", "-1", "2 cores", "1e3"])
def test_a_share_that_is_not_a_quantity_is_refused_in_words(tmp_path: Path, cpu: str) -> None:
    with pytest.raises(ManifestError, match="write 200m or"):
        read_system(written(tmp_path, requesting(cpu)))


def test_who_only_watches_a_saga_gets_less_of_a_busy_machine_than_who_moves_it() -> None:
    shares = {function.name: function.share for function in read_system([BASE]).functions}
    watching = {name for name, share in shares.items() if niceness(share, shares.values())}
    policies = {name for name in shares if name.startswith(("project-", "settle-"))}
    assert watching == policies | {name for name in shares if name.endswith("-housekeeping")}


def test_a_quarter_of_the_share_is_six_steps_of_niceness() -> None:
    assert [niceness(share, [0.2, 0.05, None]) for share in (0.2, 0.05, 0.0001, None)] == [0, 6, 19, 0]
    assert niceness(None, [None]) == 0
