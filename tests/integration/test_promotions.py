"""The promotions: text files of a folder that people and other replicas write to."""

import os
import shutil
import socket
from pathlib import Path

import pytest

import promotions
from choreography import logs
from testbed.hosting import HostedAirline
from testbed.vocabulary import assert_refused, body_of

OFFER = "[SUMMER EVENT] 50% DISCOUNT!"


@pytest.fixture
def folder(airline: HostedAirline) -> Path:
    """What the volume is on a cluster, with one promotion."""
    folder = airline.data / "volume"
    folder.mkdir()
    (folder / "summer-event.txt").write_text(OFFER + "\n")
    airline.settings["PROMOTIONS_FOLDER"] = str(folder)
    return folder


def offered(airline: HostedAirline) -> dict[str, str]:
    """The promotions that a customer reads now, by name."""
    answer = airline.function("flight-seats").get("/promotions")
    assert answer.status_code == 200, answer.text
    return {promotion["name"]: promotion["text"] for promotion in body_of(answer)["_embedded"]["promotions"]}


def test_a_promotion_is_the_text_of_its_file(airline: HostedAirline, folder: Path) -> None:
    answer = airline.function("flight-seats").get("/promotions")

    assert answer.content_type == "application/hal+json"
    assert body_of(answer) == {
        "_embedded": {"promotions": [{"name": "summer-event.txt", "text": OFFER}]},
        "_links": {"self": {"href": "http://localhost/promotions"}},
        "page": {"size": 100, "totalElements": 1, "totalPages": 1, "number": 0},
    }


def test_what_another_replica_writes_changes_and_removes_is_seen_at_the_next_request(
    airline: HostedAirline, folder: Path
) -> None:
    assert offered(airline) == {"summer-event.txt": OFFER}
    (folder / "autumn").write_text("가을 할인\nin all colours", "utf-8")
    assert offered(airline) == {"autumn": "가을 할인\nin all colours", "summer-event.txt": OFFER}
    (folder / "autumn").write_text("over")
    (folder / "summer-event.txt").unlink()
    assert offered(airline) == {"autumn": "over"}


def test_without_a_volume_there_are_no_promotions(airline: HostedAirline, folder: Path) -> None:
    shutil.rmtree(folder)
    assert offered(airline) == {}


def test_a_volume_that_cannot_be_read_is_reported(airline: HostedAirline, folder: Path) -> None:
    airline.settings["PROMOTIONS_FOLDER"] = str(folder / "summer-event.txt")
    assert_refused(airline.function("flight-seats").get("/promotions"), 503)


def test_what_is_not_a_short_text_is_left_out_and_the_others_are_read(
    airline: HostedAirline, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    (folder / "zeros").write_bytes(b"50%\0")
    (folder / "huge").write_text("x" * (promotions.LONGEST + 1))
    (folder / ".hidden").write_text("not yet")
    (folder / "empty").touch()
    (folder / "lost+found").mkdir()
    (folder / "lost+found" / "old").write_text("old")
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as unreadable:
        unreadable.bind(str(folder / "unreadable"))
        logs.configure()
        logs.log.addHandler(caplog.handler)
        try:
            assert offered(airline) == {"summer-event.txt": OFFER}
        finally:
            logs.log.removeHandler(caplog.handler)

    named = sorted(record.getMessage().split("'")[1] for record in caplog.records if record.levelname == "WARNING")
    assert named == ["huge", "picture.png", "pipe", "unreadable", "zeros"]


def test_no_link_shows_what_is_outside_of_the_folder(airline: HostedAirline, folder: Path) -> None:
    secret = airline.data / "secret"
    secret.write_text("database password")
    (folder / "absolute").symlink_to(secret)
    (folder / "relative").symlink_to("../secret")
    (folder / "vanished").symlink_to("gone")
    (folder / "circle").symlink_to("circle")

    assert offered(airline) == {"summer-event.txt": OFFER}


def test_a_folder_that_is_a_mounted_config_map_is_read_through_its_links(airline: HostedAirline, folder: Path) -> None:
    (folder / "..2026").mkdir()
    (folder / "..2026" / "winter").write_text("skis fly free")
    (folder / "..data").symlink_to("..2026")
    (folder / "winter").symlink_to("..data/winter")

    assert offered(airline)["winter"] == "skis fly free"


def test_the_answer_is_bounded_however_much_there_is(airline: HostedAirline, folder: Path) -> None:
    for number in range(promotions.MOST + 50):
        (folder / f"offer-{number:03}").write_text("x" * promotions.LONGEST)

    names = list(offered(airline))

    assert names == [f"offer-{number:03}" for number in range(promotions.MOST)]


def test_a_name_that_is_not_text_does_no_harm(airline: HostedAirline, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9")).write_text("coffee")
    assert offered(airline)["caf?"] == "coffee"
