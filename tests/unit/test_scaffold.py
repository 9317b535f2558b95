"""`make policy` writes all of a new policy, in few files, or says why not and writes nothing."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scaffold.__main__ import main, tidy
from scaffold.names import LONGEST_NAME, WORDS, Refused, read_policy
from scaffold.policy import files
from testbed.project import ROOT, folders_of_the_saga

LOYALTY = {"NAME": "thank-customer", "FOLDER": "loyalty", "HEARS": "ReservationConfirmed", "SAYS": "LetterSent"}


def touched(**words: str) -> dict[str, str]:
    """By path, what would be written into this project, without the lists and contracts that are made from it."""
    return {str(path): text for path, text in files(read_policy(LOYALTY | words, ROOT), ROOT).items()}


def test_a_policy_with_a_folder_and_a_database_of_its_own_touches_eight_files() -> None:
    assert sorted(touched()) == [
        "airline/events.py",
        "functions/loyalty/letter_sent.py",
        "functions/loyalty/main.py",
        "functions/loyalty/migrations/0001_letter_sent.py",
        "functions/loyalty/requirements.txt",
        "knative/base/secrets.yaml",
        "knative/base/thank-customer.yaml",
        "tests/unit/test_thank_customer.py",
    ]


@pytest.mark.parametrize("folder", folders_of_the_saga())
def test_a_policy_in_a_folder_that_is_there_touches_five_files(folder: str) -> None:
    # tests/unit/test_repeats.py tests it without being touched
    written = touched(FOLDER=folder)
    (migration,) = [path for path in written if "/migrations/" in path]

    assert sorted(written.keys() - {migration}) == [
        "airline/events.py",
        f"functions/{folder}/letter_sent.py",
        f"functions/{folder}/main.py",
        "knative/base/thank-customer.yaml",
    ]


@pytest.mark.parametrize("folder", folders_of_the_saga())
def test_its_table_comes_with_a_migration_that_follows_the_last_one_of_the_folder(folder: str) -> None:
    *_, last = sorted((ROOT / "functions" / folder / "migrations").glob("0*.py"))
    ((path, text),) = [(path, text) for path, text in touched(FOLDER=folder).items() if "/migrations/" in path]
    (head,) = re.findall(r'^revision = "(\w+)"$', last.read_text("utf-8"), re.MULTILINE)

    assert Path(path).name == f"{int(last.name[:4]) + 1:04}_letter_sent.py"
    assert f'down_revision = "{head}"' in text
    assert f'revision = "{head[:-4]}{Path(path).name[:4]}"' in text
    assert 'create_table("letter_sent"' in text


def test_a_folder_whose_last_migration_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "functions" / "payment", tmp_path / "functions" / "payment")
    (tmp_path / "functions" / "payment" / "migrations" / "0009_by_hand.py").write_text("", "utf-8")
    shutil.copytree(ROOT / "airline", tmp_path / "airline")
    shutil.copytree(ROOT / "knative" / "base", tmp_path / "knative" / "base")

    with pytest.raises(Refused, match="functions/payment/migrations has no revision like payment_0001 to follow"):
        files(read_policy(LOYALTY | {"FOLDER": "payment"}, tmp_path), tmp_path)


def test_what_is_there_already_stays_as_it_is() -> None:
    for path, text in touched(FOLDER="payment").items():
        if (ROOT / path).exists():
            new = iter(text.splitlines())
            assert all(line in new for line in (ROOT / path).read_text("utf-8").splitlines()), path


@pytest.mark.parametrize("folder", ["loyalty", "payment"])
def test_what_it_wrote_is_as_make_lint_wants_it_however_long_the_names_are(folder: str, tmp_path: Path) -> None:
    words = {"NAME": "reconsider-everything-again", "SAYS": "EverythingHasBeenReconsideredOnceMore"}
    written = touched(FOLDER=folder, HEARS="RemainingSeatsDecreased", **words)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    sources = [path for path in written if path.endswith(".py")]
    for path in sources:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(written[path], "utf-8")

    tidy(sources, tmp_path)

    for how in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *how, *sources]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"NAME": ""}, "Missing: NAME is what the policy does"),
        (dict.fromkeys(WORDS, ""), "SAYS is the new event that it answers with"),
        ({"NAME": "Thank Customer"}, "NAME=Thank Customer must be small letters, digits and hyphens"),
        ({"NAME": "thank_customer"}, "NAME=thank_customer must be small letters"),
        ({"NAME": "../../etc"}, "NAME=../../etc must be small letters"),
        ({"NAME": "class"}, "NAME=class must be small letters"),
        ({"NAME": "class"}, "not be a keyword of Python"),
        ({"NAME": "thank-"}, "hyphens between them"),
        ({"NAME": "고객-감사"}, "NAME=고객-감사 must be small letters"),
        ({"NAME": "list"}, "NAME=list: list is a function of Python itself"),
        ({"NAME": "notify-customer"}, "a component in knative/components has a Service of that name"),
        ({"NAME": "broker"}, "a part of `make run` has that name already"),
        ({"NAME": "a" * (LONGEST_NAME + 1)}, f"may have {LONGEST_NAME}"),
        ({"NAME": "decrease-seats"}, "knative/base/decrease-seats.yaml exists already"),
        ({"FOLDER": "Loyalty"}, "FOLDER=Loyalty must be small letters"),
        ({"FOLDER": "gateway"}, "an image of ours has that name already"),
        ({"FOLDER": "order"}, "which means something in SQL"),
        ({"FOLDER": "provider"}, "has a PROVIDER_DATABASE_PASSWORD already"),
        (
            {"HEARS": "ReservationConfirmd"},
            "HEARS=ReservationConfirmd is not an event of airline/events.py. There are: R",
        ),
        ({"HEARS": "SagasSettled"}, "HEARS=SagasSettled has no reservation_id"),
        ({"SAYS": "letterSent"}, "SAYS=letterSent must be words such as LetterSent"),
        ({"SAYS": "L" + "o" * 40}, "up to 40 characters"),
        ({"SAYS": "Paid"}, "SAYS=Paid is an event of airline/events.py already"),
        ({"SAYS": "Select"}, "select would be a module and a table"),
        ({"SAYS": "Flights"}, "functions/flight-seats/flights.py has the name of its module"),
        ({"SAYS": "Airline"}, "airline has the name of its module"),
        ({"SAYS": "Flask"}, "flask would be a module, and a Python package has that name"),
        ({"SAYS": "Outbox", "FOLDER": "reserve"}, "names a table outbox"),
    ],
)
def test_what_cannot_be_written_is_refused_with_the_reason(words: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        read_policy(LOYALTY | words, ROOT)

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"NAME": "policy"}, "NAME=policy: policy means something else in functions/loyalty/main.py already"),
        ({"NAME": "letter-sent"}, "NAME=letter-sent: letter_sent means something else in functions/loyalty/main.py"),
        ({"NAME": "housekeeping", "FOLDER": "reserve"}, "means something else in functions/reserve/main.py already"),
        ({"NAME": "store"}, "NAME=store: store means something else in functions/loyalty/letter_sent.py already"),
        ({"SAYS": "Event"}, "SAYS=Event: Event means something else in airline/events.py already"),
        ({"SAYS": "Command"}, "SAYS=Command: Command means something else in airline/events.py already"),
        ({"SAYS": "Settings"}, "SAYS=Settings: settings means something else in functions/loyalty/main.py already"),
        ({"FOLDER": "board"}, "FOLDER=board: no module in functions/board defines `SOURCE`"),
        ({"FOLDER": "notifications"}, "FOLDER=notifications: its Services are in a component"),
    ],
)
def test_a_word_that_would_break_the_modules_it_is_written_into_is_refused(words: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as refused:
        touched(**words)

    assert said in str(refused.value)


def test_a_second_run_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "knative" / "base").mkdir(parents=True)
    manifest = tmp_path / "knative" / "base" / "thank-customer.yaml"
    manifest.write_text("# mine\n", "utf-8")
    for word, value in LOYALTY.items():
        monkeypatch.setenv(word, value)

    assert main(tmp_path) == 2

    assert "knative/base/thank-customer.yaml exists already. Nothing was written" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [manifest]
    assert manifest.read_text("utf-8") == "# mine\n"


def test_a_folder_that_is_not_a_service_is_refused(tmp_path: Path) -> None:
    (tmp_path / "functions" / "loyalty").mkdir(parents=True)

    with pytest.raises(Refused, match=r"functions/loyalty exists, but has no main\.py"):
        read_policy(LOYALTY, tmp_path)
