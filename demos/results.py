"""What a demo leaves behind: what the terminal showed, and the figures as JSON."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / ".demos"


def write(folder: Path, demo: str, text: str, figures: Mapping[str, Any]) -> list[Path]:
    """<demo>.txt and <demo>.json in the folder, in place of those of an older run."""
    folder.mkdir(parents=True, exist_ok=True)
    head = {"demo": demo, "ended": datetime.now(UTC).isoformat(timespec="seconds")}
    as_text, as_json = folder / f"{demo}.txt", folder / f"{demo}.json"
    as_text.write_text(f"{text}\n", "utf-8")
    as_json.write_text(json.dumps(head | dict(figures), indent=1) + "\n", "utf-8")
    return [as_text, as_json]
