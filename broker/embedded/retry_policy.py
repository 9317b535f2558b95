"""How a Trigger's events are delivered again: its `delivery`, with every default applied (Knative: DeliverySpec).

When an attempt counts as failed, and what follows then, is in delivery.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from broker.embedded.durations import iso_8601_seconds

DEFAULT_TIMEOUT = 600.0  # Knative Kafka: WebClientCloudEventSender.java
DEFAULT_BACKOFF_DELAY = "PT0.2S"  # Knative Kafka: consumer.go
BROKER_DEFAULT = {"retry": 10, "backoffPolicy": "exponential", "backoffDelay": "PT0.2S"}  # config-br-defaults


@dataclass(frozen=True)
class RetryPolicy:
    """retries: attempts after the first; delay, timeout: seconds; dead_letter_sink: URL."""

    retries: int
    growth: str
    delay: float
    timeout: float
    dead_letter_sink: str | None

    def backoff(self, retry: int) -> float:
        """Seconds to wait before the given retry, counted from 1; without an upper bound, as in class Kafka."""
        return self.delay * (2**retry if self.growth == "exponential" else retry)


def read_retry_policy(delivery: Mapping[str, Any], dead_letter_sink: str | None) -> RetryPolicy:
    """The policy of a manifest's `delivery`, whose sink is at that URL. Raises ValueError."""
    growth = delivery.get("backoffPolicy", "exponential")
    if growth not in {"exponential", "linear"}:
        raise ValueError(f"backoffPolicy is exponential or linear, not {growth!r}")
    retries = delivery.get("retry", 0)
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retry is a number from 0, not {retries!r}")
    timeout = iso_8601_seconds(delivery["timeout"]) if "timeout" in delivery else DEFAULT_TIMEOUT
    if timeout <= 0:
        raise ValueError("timeout must be greater than 0")
    return RetryPolicy(
        retries=retries,
        growth=growth,
        delay=iso_8601_seconds(delivery.get("backoffDelay", DEFAULT_BACKOFF_DELAY)),
        timeout=timeout,
        dead_letter_sink=dead_letter_sink,
    )
