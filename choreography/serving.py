"""How a function is served, whoever starts it: main.py calls this, as functions-framework passes no such setting on.

functions-framework imports main.py before it makes gunicorn's configuration, whose defaults are set here. It reads
neither GUNICORN_CMD_ARGS nor a gunicorn.conf.py (functions_framework/_http/gunicorn.py is a BaseApplication).
"""

from collections.abc import Callable

from gunicorn import config


def prepare(*settings: Callable[[], object]) -> None:
    """To be called by main.py. Raises ValueError where a setting is wrong, which ends the start.

    `settings` read those that a system has of its own.
    """
    from choreography import framework  # noqa: PLC0415 - SQLAlchemy, which the functions of the tests do not need
    from choreography.settings import settings as own  # noqa: PLC0415 - as above

    own()
    for read in settings:
        read()
    framework.answer_with_problems()
    close_after_each_answer()


def close_after_each_answer() -> None:
    """Every answer says `Connection: close` and ends its connection, as it always does with one thread.

    With several threads gunicorn would keep a connection for two seconds. Knative's queue-proxy and activator keep
    theirs for 90 (the default of Go's transport): what they send at the moment of the closing is a 502. To keep them
    for longer would not do either: a function that falls asleep closes them at any time.
    """
    config.Keepalive.default = 0
