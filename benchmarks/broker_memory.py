"""Memory of the embedded broker with a small and with a large backlog, in one run.

    python -m benchmarks.broker_memory [--small 10000] [--large 1000000] [--triggers 3] [--connections 4]

Nobody answers the deliveries, so every event stays for every Trigger. Prints RSS at both points and their ratio.
"""

import argparse
import asyncio

from testbed.broker_memory import measure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--triggers", type=int, default=3)
    parser.add_argument("--connections", type=int, default=4)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.small, arguments.large, arguments.triggers, arguments.connections))


if __name__ == "__main__":
    main()
