"""What overlays become and how they are installed: by the kubectl of the environment, without a cluster."""

import pytest


@pytest.fixture(autouse=True)
def no_garbage_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what kubectl computes in its second of life is collecting garbage."""
    monkeypatch.setenv("GOGC", "off")
