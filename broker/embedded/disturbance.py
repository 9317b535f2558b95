"""Deliveries disturbed on purpose, to see whether functions withstand what a broker may do. Off without `--disturb`.

    --disturb seed=7,twice=0.1,late=0.1,lost=0.05,latest=5

Each delivery may be hit, each fault with its own probability, several at once:

- twice: a twin is sent, at the same time or later; the answer to the twin is dropped
- late: it is held back, so that later events overtake it
- lost: the subscriber does its work and its answer is thrown away, so it is delivered again

`latest` bounds in seconds how long something is held back. Nothing here may happen that at-least-once delivery without
order forbids: every event still gets its answer. The dice are thrown in the order of the deliveries, so the same seed
throws the same dice; which delivery is hit also depends on timing. Every hit is a line in the log.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from functools import partial
from random import Random

from broker.embedded.delivery import Post
from broker.embedded.http_post import NoAnswerError, Response

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Disturbance:
    """twice, late, lost: probabilities; latest: seconds."""

    seed: int = 0
    twice: float = 0.0
    late: float = 0.0
    lost: float = 0.0
    latest: float = 5.0


@dataclass(frozen=True)
class _Hit:
    """What happens to one delivery; twin, held_back: seconds to wait, None for not at all."""

    twin: float | None
    held_back: float | None
    lost: bool


def read_disturbance(text: str) -> Disturbance:
    """`seed=7,twice=0.1` as a Disturbance. Raises ValueError."""
    known = {field.name: int if field.name == "seed" else float for field in fields(Disturbance)}
    values: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in known:
            raise ValueError(f"{part!r} is not one of {', '.join(f'{each}=' for each in known)}")
        values[name] = known[name](value)
    if not all(0 <= values.get(name, 0) <= 1 for name in ("twice", "late", "lost")):
        raise ValueError("twice, late and lost are probabilities between 0 and 1")
    if not 0 <= values.get("latest", 0) <= 3600:  # noqa: PLR2004 - an hour; `nan` is refused by it, too
        raise ValueError("latest is a number of seconds up to 3600")
    return Disturbance(**values)  # type: ignore[arg-type]


def disturbed(post: Post, how: Disturbance) -> Post:
    """The same call, disturbed."""
    logger.warning("deliveries are disturbed on purpose: %s", how)
    dice = Random(how.seed)  # noqa: S311 - to be repeatable is what it is for
    twins: set[asyncio.Task[None]] = set()

    async def send(url: str, head: bytes, body: bytes, timeout: float) -> Response:
        hit = _throw(dice, how)
        if hit.twin is not None:
            twin = asyncio.create_task(_send_twin(hit.twin, url, partial(post, url, head, body, timeout)))
            twins.add(twin)  # the loop alone does not keep a task alive
            twin.add_done_callback(twins.discard)
        if hit.held_back is not None:
            logger.info("late by %.2f s: %s", hit.held_back, url)
            await asyncio.sleep(hit.held_back)
        response = await post(url, head, body, timeout)
        if hit.lost:
            logger.info("lost: answer %d of %s", response.status, url)
            raise NoAnswerError("the answer was thrown away on purpose")
        return response

    return send


def _throw(dice: Random, how: Disturbance) -> _Hit:
    # always the same number of throws, so that one probability does not change what the others hit
    twice, at_once, twin_after, late, late_by, lost = (dice.random() for _ in range(6))
    return _Hit(
        twin=(0.0 if at_once < 0.5 else twin_after * how.latest) if twice < how.twice else None,  # noqa: PLR2004
        held_back=late_by * how.latest if late < how.late else None,
        lost=lost < how.lost,
    )


async def _send_twin(after: float, url: str, send: Callable[[], Awaitable[Response]]) -> None:
    logger.info("twice, after %.2f s: %s", after, url)
    await asyncio.sleep(after)
    try:
        await send()
    except NoAnswerError as error:
        logger.info("the twin got no answer: %s", error)
