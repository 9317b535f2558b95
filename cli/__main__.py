"""python -m cli"""

import sys

from cli.exit_codes import CRASHED, INTERRUPTED
from terminal.streams import speak_anyhow


def _run() -> int:
    try:
        from cli.app import main  # noqa: PLC0415 - its packages may not be there
    except ModuleNotFoundError as error:
        sys.stderr.write(f"airline: {error.name} is not installed yet; `make run` installs everything and starts it\n")
        return CRASHED
    except KeyboardInterrupt:  # to import all of it takes a moment
        return INTERRUPTED
    return main(sys.argv[1:])


if __name__ == "__main__":
    speak_anyhow()
    sys.exit(_run())
