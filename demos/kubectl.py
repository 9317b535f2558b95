"""What the demos and the tests ask a cluster, by kubectl; which cluster is KUBECONFIG's business."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demos.errors import DemoFailed

SERVICE = "services.serving.knative.dev"
"""The full name: `service` alone is Kubernetes' own."""
TIMEOUT = 60.0


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster."""

    name: str

    def run(self, *words: str, given: str | None = None, within: float = TIMEOUT) -> str:
        """What `kubectl -n NAME WORDS...` prints. Raises DemoFailed with what it complains of."""
        command = ["kubectl", "-n", self.name, *words]
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, encoding="utf-8", check=True, timeout=within
            )
        except FileNotFoundError as error:
            raise DemoFailed("kubectl is not installed, or not on PATH") from error
        except subprocess.CalledProcessError as error:
            raise DemoFailed(f"{' '.join(command)}: {error.stderr.strip()}") from error
        except subprocess.TimeoutExpired as error:
            raise DemoFailed(f"{' '.join(command)} did not end within {within:g} s") from error
        return done.stdout

    def get(self, *words: str) -> Any:
        """A resource, or the list of those that `words` select. Raises DemoFailed."""
        return json.loads(self.run("get", *words, "-o", "json"))

    def items(self, *words: str) -> list[Any]:
        """The resources that `words` select. Raises DemoFailed."""
        return list(self.get(*words)["items"])

    def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> None:
        """Merges a change into a resource; lists are replaced as a whole. Raises DemoFailed."""
        self.run("patch", kind, name, "--type", "merge", "-p", json.dumps(change))


def is_ready(resource: Mapping[str, Any]) -> bool:
    """Whether it is Ready as it is written now, and not as it was before the last change."""
    status = resource.get("status", {})
    current = status.get("observedGeneration") == resource["metadata"]["generation"]
    return current and any((one["type"], one["status"]) == ("Ready", "True") for one in status.get("conditions", []))
