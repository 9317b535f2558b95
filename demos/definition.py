"""What the scale-to-zero demo is, and which figures it has: for this command and for the live board of the page."""

import json
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "gateway" / "web" / "board" / "scale-to-zero.json"
"""In the folder of the page, which can read nothing else."""
DEFINITION: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
