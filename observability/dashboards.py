"""The dashboards of Grafana, as code: panels are one line each, and the files in dashboards/ are made of them.

Queries name the metrics of docs/observability.md; a test compares them with what is really exported.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard, logs, loki, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard, DataSourceRef, VariableOption

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
LOKI = DataSourceRef(type_val="loki", uid="${loki}")
WIDE, NARROW, HIGH, LOW = 12, 4, 8, 4
"""Of a panel, in the grid of 24 columns."""


@dataclass(frozen=True)
class Drawn:
    """A panel of one query. `by`: the label that distinguishes its lines, empty for one number."""

    title: str
    query: str
    by: str = ""
    unit: str = "short"


BUSINESS = (
    Drawn("Placed", "sum(max by (status) (airline_reservations))"),
    Drawn("Succeeded", 'max(airline_reservations{status="SUCCEED"})'),
    Drawn("Canceled", 'max(airline_reservations{status="CANCELED"})'),
    Drawn("Seats sold", "max(airline_seats_sold)"),
    Drawn("Money taken", "max(airline_money_taken)"),
    Drawn("Money given back", "max(airline_money_refunded)"),
    Drawn("Reservations by status", "max by (status) (airline_reservations)", "status"),
    Drawn("Canceled, by reason", "max by (reason) (airline_reservations_canceled)", "reason"),
    Drawn("Sagas under way", "max(airline_sagas_in_flight)", "under way"),
    Drawn("Age of the oldest saga under way", "max(airline_saga_oldest_seconds)", "oldest", "s"),
    Drawn("Not settled yet", "max(airline_owed)", "owed"),
    Drawn("Age of the oldest that is not settled", "max(airline_owed_oldest_seconds)", "oldest", "s"),
    Drawn("Payments without an answer", "max by (status) (airline_payments_unfinished)", "status"),
    Drawn("Age of the oldest such payment", "max by (status) (airline_payment_oldest_seconds)", "status", "s"),
    Drawn("Laws broken", "max by (law) (airline_law_broken)", "law"),
    Drawn("Canceled and not answered for", "max(airline_uncompensated)", "reservations"),
)
FUNCTIONS = (
    Drawn("Open dead letters", "max(airline_dead_letters_open)"),
    Drawn("Oldest dead letter", "max(airline_dead_letter_oldest_seconds)", unit="s"),
    Drawn("Unsent events", "sum(max by (service) (function_outbox_waiting))"),
    Drawn("Functions awake (laptop)", "sum(laptop_function_awake)"),
    Drawn("Events nobody took (laptop)", "sum(broker_trigger_kept)"),
    Drawn("Events in the log (laptop)", "max(broker_events_stored)"),
    Drawn("Calls by function", "sum by (function) (rate(function_call_seconds_count[5m]))", "function", "reqps"),
    Drawn(
        "Calls, 95th percentile",
        "histogram_quantile(0.95, sum by (function, le) (rate(function_call_seconds_bucket[5m])))",
        "function",
        "s",
    ),
    Drawn(
        "Waits for databases and for the outside, 95th percentile",
        "histogram_quantile(0.95, sum by (part, le) (rate(function_part_seconds_bucket[5m])))",
        "part",
        "s",
    ),
    Drawn(
        "Cold starts, 95th percentile",
        "histogram_quantile(0.95, sum by (function, le) (rate(function_cold_start_seconds_bucket[15m])))",
        "function",
        "s",
    ),
    Drawn(
        "Wait in the outbox, 95th percentile",
        "histogram_quantile(0.95, sum by (type, le) (rate(function_outbox_wait_seconds_bucket[5m])))",
        "type",
        "s",
    ),
    Drawn(
        "Sending to the broker, 95th percentile",
        "histogram_quantile(0.95, sum by (type, le) (rate(function_send_seconds_bucket[5m])))",
        "type",
        "s",
    ),
    Drawn("Oldest unsent event", "max by (service) (function_outbox_oldest_seconds)", "service", "s"),
    Drawn("Last cold start (laptop)", "max by (function) (laptop_function_last_cold_start_seconds)", "function", "s"),
    Drawn("Starts (laptop)", "sum by (function) (increase(laptop_function_starts_total[5m]))", "function"),
    Drawn("Crashes (laptop)", "sum by (function) (increase(laptop_function_crashes_total[5m]))", "function"),
    Drawn("Events accepted, by type (laptop)", "sum by (type) (rate(broker_events_accepted_total[5m]))", "type"),
    Drawn("Backlog (laptop)", "max by (trigger) (broker_trigger_backlog)", "trigger"),
    Drawn("Age of the backlog (laptop)", "max by (trigger) (broker_trigger_backlog_age_seconds)", "trigger", "s"),
    Drawn("Under way (laptop)", "max by (trigger) (broker_trigger_in_flight)", "trigger"),
    Drawn("Delivered (laptop)", "sum by (trigger) (rate(broker_trigger_delivered_total[5m]))", "trigger"),
    Drawn("Retries (laptop)", "sum by (trigger) (increase(broker_trigger_retries_total[5m]))", "trigger"),
    Drawn("Dead-lettered (laptop)", "sum by (trigger) (increase(broker_trigger_dead_lettered_total[5m]))", "trigger"),
    Drawn(
        "Deliveries, 95th percentile (laptop)",
        "histogram_quantile(0.95, sum by (subscriber, le) (rate(broker_attempt_seconds_bucket[5m])))",
        "subscriber",
        "s",
    ),
)
LINES = '{namespace="$namespace", container="user-container"} | json | reservationId="$reservation"'
"""LogQL: what all functions have logged about one reservation."""


def built() -> dict[str, str]:
    """By the name of its file, each dashboard as JSON."""
    made = {
        "business.json": _of_metrics("airline-business", "Airline: reservations, seats and money", BUSINESS),
        "functions.json": _of_metrics("airline-functions", "Airline: functions and events", FUNCTIONS),
        "reservation.json": _of_one_reservation(),
    }
    return {name: JSONEncoder(sort_keys=True, indent=2).encode(found) + "\n" for name, found in made.items()}


def queries() -> list[str]:
    """Every query of Prometheus that a dashboard asks."""
    return [drawn.query for drawn in (*BUSINESS, *FUNCTIONS)]


def _of_metrics(uid: str, title: str, panels: Iterable[Drawn]) -> Dashboard:
    made = _empty(uid, title, "prometheus", "prometheus")
    for drawn in panels:
        made.with_panel(_line(drawn) if drawn.by else _number(drawn))
    return made.build()


def _of_one_reservation() -> Dashboard:
    made = _empty("airline-reservation", "Airline: follow one reservation", "loki", "loki")
    chosen = VariableOption(text="airline", value="airline", selected=True)
    made.with_variable(dashboard.TextBoxVariable("reservation").label("Reservation"))
    made.with_variable(
        dashboard.TextBoxVariable("namespace").label("Namespace").default_value("airline").current(chosen)
    )
    panel = logs.Panel().title("What all functions logged about it, oldest first").datasource(LOKI).span(24).height(24)
    panel.show_time(True).wrap_log_message(True).sort_order("Ascending")  # type: ignore[arg-type]
    made.with_panel(panel.with_target(loki.Dataquery().expr(LINES).ref_id("A")))
    return made.build()


def _empty(uid: str, title: str, name: str, type_: str) -> dashboard.Dashboard:
    source = dashboard.DatasourceVariable(name).label("Source").type(type_)
    made = dashboard.Dashboard(title).uid(uid).tags(["airline"]).time("now-1h", "now").refresh("30s")
    return made.with_variable(source)


def _line(drawn: Drawn) -> timeseries.Panel:
    panel = timeseries.Panel().title(drawn.title).unit(drawn.unit).datasource(PROMETHEUS).span(WIDE).height(HIGH)
    legend = f"{{{{{drawn.by}}}}}" if f"({drawn.by}" in drawn.query else drawn.by
    return panel.min(0).with_target(prometheus.Dataquery().expr(drawn.query).legend_format(legend).ref_id("A"))


def _number(drawn: Drawn) -> stat.Panel:
    panel = stat.Panel().title(drawn.title).unit(drawn.unit).datasource(PROMETHEUS).span(NARROW).height(LOW)
    return panel.with_target(prometheus.Dataquery().expr(drawn.query).ref_id("A"))
