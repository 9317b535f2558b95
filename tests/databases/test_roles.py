"""The databases of the components `postgresql` and `mysql`: one role for each service, and none reads another's."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, create_engine, text
from sqlalchemy.exc import OperationalError

from choreography import migrations
from choreography.settings import signed_in
from scaffold.system import read_system
from testbed.database_servers import Server, postgresql
from testbed.project import ROOT
from tests.databases.conftest import FUNCTIONS

COMPONENTS = Path(__file__).parents[2] / "knative" / "components"
OF_A_COMPONENT = "notifications"
FOLDER_OF = {database.name: database.folder for database in read_system(ROOT).databases}
FOLDER_OF |= {OF_A_COMPONENT: OF_A_COMPONENT}
"""By role, which is named as its database, the folder whose migrations are its own."""
PASSWORDS = {f"{migrations.owner(Path(folder))}DATABASE_PASSWORD": f"of '{name}" for name, folder in FOLDER_OF.items()}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A PostgreSQL that has run the script of the component, as its image does at first start."""
    made = postgresql()
    made.start()
    made.administer("CREATE ROLE postgres SUPERUSER LOGIN PASSWORD 'for-a-moment'")
    psql = [str(made.programs / "psql"), "-h", str(made.folder), "-U", "postgres", "-d", "postgres"]
    script = str(COMPONENTS / "postgresql" / "databases.sql")
    done = subprocess.run(
        [*psql, "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-f", script],
        env=os.environ | PASSWORDS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    yield made
    made.remove()


def address(server: Server, role: str, database: str) -> URL:
    return server.address(database).set(username=role)


@pytest.mark.parametrize("role", FOLDER_OF)
def test_a_service_migrates_and_uses_its_own_database(server: Server, role: str) -> None:
    own = address(server, role, role)
    migrations.upgrade(FUNCTIONS / FOLDER_OF[role], own)

    engine = create_engine(own)
    with engine.connect() as connection:
        owners = connection.execute(text("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"))
        assert owners.scalars().all() == [role]
    engine.dispose()


@pytest.mark.parametrize("role", FOLDER_OF)
def test_a_service_cannot_even_connect_to_the_database_of_another(server: Server, role: str) -> None:
    for other in {*FOLDER_OF, "postgres"} - {role}:
        with pytest.raises(OperationalError, match="permission denied for database"):
            create_engine(address(server, role, other)).connect()


def test_a_role_has_its_password_and_no_power_and_the_server_has_none(server: Server) -> None:
    engine = create_engine(server.address("postgres"))
    with engine.connect() as connection:
        asked = text("SELECT rolname, rolpassword LIKE 'SCRAM%', rolsuper, rolcreatedb, rolcreaterole FROM pg_authid")
        roles = {name: tuple(rest) for name, *rest in connection.execute(asked)}
    engine.dispose()

    assert {roles[name] for name in FOLDER_OF} == {(True, False, False, False)}
    assert roles["postgres"][0] is None


def test_mysql_is_given_the_same_users_and_their_passwords_as_they_are() -> None:
    script = COMPONENTS / "mysql" / "databases.sh"
    odd = dict.fromkeys(PASSWORDS, "it's a \\ and a \" $(id)")
    said = subprocess.run(
        ["bash", "-euc", f"docker_process_sql() {{ cat; }}; . '{script}'"],
        env={"PATH": os.environ["PATH"], **odd},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert re.findall(r"CREATE DATABASE (\w+);", said) == list(FOLDER_OF)
    assert re.findall(r"CREATE USER '(\w+)'@'%' IDENTIFIED BY '(.*)';", said) == [
        (name, "it''s a \\\\ and a \" $(id)") for name in FOLDER_OF
    ]
    assert re.findall(r"GRANT ALL ON (\w+)\.\* TO '(\w+)'@'%';", said) == [(name, name) for name in FOLDER_OF]


@pytest.mark.parametrize("missing", PASSWORDS)
def test_a_missing_password_ends_the_script_of_mysql_unless_its_component_is_not_used(missing: str) -> None:
    script = COMPONENTS / "mysql" / "databases.sh"
    command = ["bash", "-euc", f"docker_process_sql() {{ cat; }}; . '{script}'"]
    given = {name: password for name, password in PASSWORDS.items() if name != missing}
    done = subprocess.run(command, env={"PATH": os.environ["PATH"], **given}, capture_output=True, check=False)

    assert (done.returncode == 0) == (missing == "NOTIFICATIONS_DATABASE_PASSWORD")
    assert OF_A_COMPONENT.encode() not in done.stdout


@pytest.mark.parametrize("whose", ["PROVIDER_", "FLIGHT_SEATS_"])
def test_a_database_is_entered_by_its_own_role_where_it_has_one(whose: str) -> None:
    url = URL.create("postgresql+psycopg", host="here", database="x")
    shared = {"DATABASE_USER": "all", "DATABASE_PASSWORD": "one"}
    own = {f"{whose}DATABASE_USER": "own", f"{whose}DATABASE_PASSWORD": "two"}

    assert signed_in(url, shared | own, whose) == url.set(username="own", password="two")
    assert signed_in(url, shared, whose) == signed_in(url, shared | own) == url.set(username="all", password="one")


def test_with_authorities_the_certificate_and_the_name_of_a_postgresql_are_verified() -> None:
    url = URL.create("postgresql+psycopg", host="here", database="x")
    engine = create_engine(signed_in(url, {"DATABASE_CA": "/etc/ssl/ca.crt"}))
    _, given = engine.dialect.create_connect_args(engine.url)

    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "/etc/ssl/ca.crt")


def test_with_authorities_the_certificate_and_the_name_of_a_mysql_are_verified() -> None:
    url = URL.create("mysql+pymysql", host="here", database="x")
    engine = create_engine(signed_in(url, {"DATABASE_CA": "/etc/ssl/ca.crt"}))
    _, given = engine.dialect.create_connect_args(engine.url)

    # PyMySQL verifies both as soon as there is `ca` (pymysql/connections.py, _create_ssl_ctx)
    assert given["ssl"] == {"ca": "/etc/ssl/ca.crt"}
    assert not {"ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"} & given.keys()


def test_without_authorities_nothing_is_added_to_an_address() -> None:
    url = URL.create("postgresql+psycopg", host="here", database="x")
    assert signed_in(url, {"DATABASE_CA": ""}) == url
