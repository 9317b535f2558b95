"""Every folder of functions is on the path, as each is alone in its own image; their modules have different names."""

import sys
from pathlib import Path

sys.path += [str(main.parent) for main in sorted(Path(__file__).parents[1].glob("functions/*/main.py"))]
