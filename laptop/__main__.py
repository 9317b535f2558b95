"""python -m laptop run | status"""

import signal
import sys

INTERRUPTED = 130  # as shells say it of a program that Ctrl-C has ended


def _main() -> int:
    """Whoever ends it while it starts gets no traceback, and what was begun is undone on the way out."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # nohup means to outlive the terminal
            signal.signal(number, signal.default_int_handler)
    try:
        from laptop.command_line import main  # noqa: PLC0415 - its imports take the first moments

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(_main())
