"""The switch of the embedded broker that makes deliveries go wrong: what it may do, and that a seed repeats it."""

import asyncio

import pytest

from broker.embedded.disturbance import Disturbance, disturbed, read_disturbance
from broker.embedded.http_post import NoAnswerError, Response

DONE = Response(204, (), b"")


def deliveries(how: Disturbance, count: int) -> tuple[list[str], list[str]]:
    """What a subscriber gets of this many deliveries, in its order, and which answers were thrown away."""

    async def deliver_all() -> tuple[list[str], list[str]]:
        arrived: list[str] = []

        async def post(url: str, head: bytes, body: bytes, timeout: float) -> Response:
            arrived.append(body.decode())
            return DONE

        send = disturbed(post, how)
        names = [str(number) for number in range(count)]
        answers = await asyncio.gather(
            *(send("http://here", b"", name.encode(), 1.0) for name in names), return_exceptions=True
        )
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others)
        assert all(answer == DONE or isinstance(answer, NoAnswerError) for answer in answers)
        return arrived, [name for name, answer in zip(names, answers, strict=True) if answer != DONE]

    return asyncio.run(deliver_all())


def test_twins_arrive_in_addition_and_nothing_else_happens() -> None:
    arrived, lost = deliveries(Disturbance(seed=1, twice=0.5, latest=0.01), 100)
    assert set(arrived) == {str(number) for number in range(100)}
    assert 130 < len(arrived) < 170
    assert lost == []


def test_what_is_late_is_overtaken_but_arrives_once() -> None:
    arrived, lost = deliveries(Disturbance(seed=1, late=0.5, latest=0.05), 100)
    names = [str(number) for number in range(100)]
    assert arrived != names
    assert sorted(arrived, key=int) == names
    assert lost == []


def test_the_answer_is_lost_only_after_the_work_was_done() -> None:
    arrived, lost = deliveries(Disturbance(seed=1, lost=0.3), 100)
    assert len(arrived) == 100
    assert 15 < len(lost) < 45


def test_the_same_seed_throws_the_same_dice_and_another_one_others() -> None:
    first = Disturbance(seed=3, lost=0.3)
    assert deliveries(first, 100)[1] == deliveries(first, 100)[1]
    assert deliveries(first, 100)[1] != deliveries(Disturbance(seed=4, lost=0.3), 100)[1]


def test_a_specification_is_read_in_any_order_and_with_gaps() -> None:
    assert read_disturbance("lost=0.05,seed=7") == Disturbance(seed=7, lost=0.05)


@pytest.mark.parametrize("text", ["", "often=1", "twice=2", "late=-0.1", "lost=nan", "seed=x", "latest=inf", "twice"])
def test_a_specification_without_a_meaning_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is argparse's matter
        read_disturbance(text)
