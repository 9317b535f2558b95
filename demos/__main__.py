"""python -m demos scale-to-zero | hpa | rollout

Where KUBECONFIG is set, on the airline in AIRLINE_NAMESPACE (airline) of that cluster; else, what a laptop can show, on
this machine. AIRLINE_URL and AIRLINE_HOST are the gateway's address and its name there, where it is not to be reached
at the URL that Knative gave it. Where the airline asks who calls, it sees the token in AIRLINE_TOKEN, or that of
`airline login`: an operator's.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from client.errors import ClientError
from demos import alone, cluster, hpa, laptop, rollout, scale_to_zero
from demos.errors import DemoFailed
from demos.kubectl import Namespace
from demos.load import Load
from demos.results import FOLDER, write
from demos.scale_to_zero import Burst
from laptop.data_folder import is_running
from terminal.streams import speak_anyhow

Shown = tuple[str, str, dict[str, Any]]
"""Where it was, what was seen, in words and in figures."""


def main(arguments: list[str]) -> int:
    """The exit code: 0, or 1 after one line that says what did not go as it should."""
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    print(f"demo {options.demo}: begins", flush=True)
    try:
        where, text, figures = options.show(options)
    except (DemoFailed, ClientError) as error:
        print(f"demo {options.demo}: FAILED after {time.monotonic() - began:.0f} s: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"demo {options.demo}: interrupted; what it had started is ended", file=sys.stderr)
        return 130
    took = time.monotonic() - began
    print(f"\n{text}\n")
    files = write(options.result, options.demo, text, {"where": where, "seconds": round(took, 1), **figures})
    print(f"demo {options.demo}: ended well after {took:.0f} s; see {' and '.join(map(str, files))}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    demos = parser.add_subparsers(dest="demo", required=True)
    sleep = _demo(demos, "scale-to-zero", "a burst against sleeping functions", _scale_to_zero)
    sleep.add_argument("--customers", type=int, default=Burst.customers, help="reservations at the same moment")
    sleep.add_argument("--seats", type=int, default=Burst.seats, help="seats there are for them")
    sleep.add_argument("--data", type=Path, default=laptop.DATA, help="of the laptop that runs, if one does")
    sleep.add_argument("--window", metavar="6s", help="laptop that is started for this: quiet time until sleep")
    more = _demo(demos, "hpa", "load on an HTTP function, and its instances; on a cluster", _hpa)
    roll = _demo(demos, "rollout", "new revisions of everything under load; on a cluster", _rollout)
    for command, clients, seconds, delay in ((more, 20, 40, 0.0), (roll, 1, 60, 1.0)):
        command.add_argument("--clients", type=int, default=clients, help="siege -c")
        command.add_argument("--seconds", type=int, default=seconds, help="siege -t")
        command.add_argument("--delay", type=float, default=delay, help="siege --delay")
    return parser


def _demo(
    demos: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    what: str,
    show: Callable[[argparse.Namespace], Shown],
) -> argparse.ArgumentParser:
    parser = demos.add_parser(name, help=what, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--result", type=Path, default=FOLDER, help="folder for the result files")
    parser.add_argument("--namespace", default=os.environ.get("AIRLINE_NAMESPACE", "airline"), help="on a cluster")
    parser.set_defaults(show=show)
    return parser


def _scale_to_zero(options: argparse.Namespace) -> Shown:
    opened = (
        nullcontext(cluster.opened(Namespace(options.namespace)))
        if cluster.is_given()
        else laptop.opened(options.data, options.window)
    )
    with opened as running:
        _say(f"on {running.name}")
        result = scale_to_zero.run(running, Burst(options.customers, options.seats), _say)
    text, figures = scale_to_zero.as_text(result), scale_to_zero.figures(result)
    if cluster.is_given() or is_running(options.data):
        return running.name, text, figures
    _say("The same reservation, where each function is woken when it is needed (WAKE_AHEAD=0) ...")
    with laptop.started(options.window, "WAKE_AHEAD=0") as running:
        needed = scale_to_zero.one_alone(running)
    both = alone.as_text({"woken when needed": needed, "woken ahead": result.alone})
    return running.name, f"{text}\n\n{both}", {**figures, "aloneWhenNeeded": alone.figures(needed)}


def _hpa(options: argparse.Namespace) -> Shown:
    namespace = _on_a_cluster(options)
    running = cluster.opened(namespace)
    result = hpa.run(running, namespace, Load(options.clients, options.seconds, options.delay), _say)
    return running.name, hpa.as_text(result), hpa.figures(result)


def _rollout(options: argparse.Namespace) -> Shown:
    namespace = _on_a_cluster(options)
    running = cluster.opened(namespace)
    result = rollout.run(running, namespace, Load(options.clients, options.seconds, options.delay), _say)
    return running.name, rollout.as_text(result), rollout.figures(result)


def _on_a_cluster(options: argparse.Namespace) -> Namespace:
    if not cluster.is_given():
        raise DemoFailed("this needs a cluster: set KUBECONFIG, and `make deploy` the airline there")
    return Namespace(options.namespace)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    speak_anyhow()
    sys.exit(main(sys.argv[1:]))
