"""The settings that every function has, and the readers for those of a system. Only settings read the environment.

A system derives its own dataclass from `Settings`, and adds its own `read` and `settings`.
"""

import functools
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from sqlalchemy import URL

LONGEST_HISTORY = 36_500
LEAST_LIFE, LONGEST_LIFE = 24, 24 * 366
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes mounts the token, the authorities and the namespace of a pod (Accessing the API from a Pod)."""
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
DRIVERS = ("sqlite", "postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql")


@dataclass(frozen=True)
class Waking:
    """What choreography/ahead.py asks for before SQLAlchemy is imported, which is half of a start."""

    sink: str | None
    """K_SINK, from the SinkBinding: where events are sent."""
    service: str
    """K_SERVICE: who says that a saga is expected."""
    pause: int
    """WAKE_AHEAD, seconds: within which a process says it once at most, half of the stable window; 0: never."""


@dataclass(frozen=True)
class Identity:
    """Who may ask over HTTP (choreography/access.py), where IDENTITY_ISSUER is set."""

    issuer: str
    """IDENTITY_ISSUER: the OpenID Connect issuer whose tokens people and programs carry, as its tokens name it, without
    a slash at the end; unset: nobody is asked who they are."""
    ca: Path | None
    """IDENTITY_CA: file of the authorities that vouch for IDENTITY_ISSUER; unset: those of the system."""
    audience: str
    """IDENTITY_AUDIENCE: whom those tokens are meant for: this system as a whole."""
    owner_claim: str
    """IDENTITY_OWNER_CLAIM: the claim with the number under which the sender owns things; a dot leads into a claim."""
    operator_claim: str
    """IDENTITY_OPERATOR_CLAIM: the claim with the roles of the sender: a list, or words between blanks."""
    operator_role: str
    """IDENTITY_OPERATOR_ROLE: the role of those who may see and do everything."""


@dataclass(frozen=True)
class Cluster:
    """How a pod that has a ServiceAccount reaches the Kubernetes API."""

    url: str
    """KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which the kubelet sets: an address, so no name is asked."""
    account: Path
    """The folder with `token`, `ca.crt` and `namespace` of the ServiceAccount."""


@dataclass(frozen=True)
class Settings:
    """The settings of a function; on a cluster they come from ConfigMaps and a Secret."""

    database_url: "URL"
    """DATABASE_URL; DATABASE_USER, DATABASE_PASSWORD and DATABASE_CA, where set, are put into it (not for SQLite)."""
    sink: str | None
    """K_SINK, from the SinkBinding: where the outbox sends."""
    public_url: str | None
    """PUBLIC_URL: where all links begin, for an ingress that overwrites X-Forwarded-Host; unset: as a client says."""
    service: str
    """K_SERVICE: the name in every log line."""
    log_level: str
    """LOG_LEVEL: DEBUG, INFO, WARNING or ERROR."""
    threads: int
    """THREADS: how many calls are answered at once; the database pool is as large."""
    time_zone: tzinfo
    """TIME_ZONE: whose calendar says which day is today. UTC, an offset as +09:00, or a name as Asia/Seoul."""
    allowed_hosts: tuple[str, ...]
    """ALLOWED_HOSTS: host names between blanks, without port, that a function answers to; empty (or *): any."""
    token_issuer: str | None
    """TOKEN_ISSUER: base URL of the OpenID Connect issuer whose tokens deliveries must carry; unset: none are asked."""
    token_ca: Path | None
    """TOKEN_CA: file of the authorities that vouch for TOKEN_ISSUER; unset: those of the system."""
    token_subjects: tuple[str, ...]
    """TOKEN_SUBJECTS: who may deliver, separated by spaces; a * at the end matches any rest."""
    token_audience: str
    """TOKEN_AUDIENCE: whom tokens for this system are meant for; each function has this, a slash, and its own name."""
    identity: Identity | None
    """Who may ask over HTTP; None: anybody may, and everything."""
    rate_limit: int
    """RATE_LIMIT: requests of one client in a minute that one process of an HTTP function answers; 0: any number."""
    idempotency_life: timedelta
    """IDEMPOTENCY_HOURS: how long an Idempotency-Key is remembered with its command; 24 or more."""
    waking: Waking
    """Those of choreography/ahead.py."""


@functools.cache
def settings() -> Settings:
    """The settings of this process. Tests that change the environment call `settings.cache_clear()`."""
    return read(os.environ)


def read(env: Mapping[str, str]) -> Settings:
    """Settings from any mapping. Raises ValueError naming what is wrong; it shows no URL, which may hold a password."""
    early = waking(env)
    return Settings(
        database_url=database(env, "DATABASE_URL"),
        sink=early.sink,
        public_url=_public_url(env.get("PUBLIC_URL", "")),
        service=early.service,
        log_level=_log_level(env.get("LOG_LEVEL", "INFO").upper()),
        threads=number(env, "THREADS", "1"),
        time_zone=_time_zone(env.get("TIME_ZONE", "UTC")),
        allowed_hosts=_hosts(env.get("ALLOWED_HOSTS", "")),
        token_issuer=env.get("TOKEN_ISSUER") or None,
        token_ca=path(env, "TOKEN_CA"),
        token_subjects=tuple(env.get("TOKEN_SUBJECTS", "").split()),
        token_audience=_audience(env),
        identity=_identity(env),
        rate_limit=_rate(number(env, "RATE_LIMIT", "0")),
        idempotency_life=_life(number(env, "IDEMPOTENCY_HOURS", "48")),
        waking=early,
    )


def waking(env: Mapping[str, str] = os.environ) -> Waking:
    """The settings that are needed before all others. Raises ValueError."""
    return Waking(
        sink=env.get("K_SINK") or None,
        service=env.get("K_SERVICE") or env.get("FUNCTION_TARGET", "").replace("_", "-"),
        pause=_pause(number(env, "WAKE_AHEAD", "0")),
    )


def traced(env: Mapping[str, str] = os.environ) -> bool:
    """Whether traces are exported: OTEL_EXPORTER_OTLP_ENDPOINT, or that of traces alone, says where to.

    Not where OTEL_SDK_DISABLED is true, or OTEL_TRACES_EXPORTER is none. OpenTelemetry reads all the rest itself.
    """
    return _exported("TRACES", env)


def measured(env: Mapping[str, str] = os.environ) -> bool:
    """The same for metrics (OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, OTEL_METRICS_EXPORTER)."""
    return _exported("METRICS", env)


def metrics_folder(env: Mapping[str, str] = os.environ) -> Path | None:
    """METRICS_FOLDER: where figures are left for whoever collects them; unset: nowhere."""
    return path(env, "METRICS_FOLDER")


def _exported(what: str, env: Mapping[str, str]) -> bool:
    endpoint = env.get(f"OTEL_EXPORTER_OTLP_{what}_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get(f"OTEL_{what}_EXPORTER") == "none"
    return bool(endpoint) and not off


def woken_at(env: Mapping[str, str] = os.environ) -> float | None:
    """WOKEN_AT, seconds since 1970: when the runtime of a laptop saw who wakes this process; None if nobody says so."""
    return float(env["WOKEN_AT"]) if env.get("WOKEN_AT") else None


def cluster(env: Mapping[str, str] = os.environ) -> Cluster:
    """Where the Kubernetes API is, for a function that reads it."""
    host = env.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    name = f"[{host}]" if ":" in host else host  # an IPv6 address
    return Cluster(f"https://{name}:{env.get('KUBERNETES_SERVICE_PORT', '443')}", SERVICE_ACCOUNT)


def _pause(seconds: int) -> int:
    if seconds < 0:
        raise ValueError("WAKE_AHEAD must be a number of seconds, or 0 for never")
    return seconds


def _log_level(level: str) -> str:
    if level not in LOG_LEVELS:
        raise ValueError(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
    return level


def _time_zone(name: str) -> tzinfo:
    """UTC and offsets need no time zone database, which small machines and images may lack."""
    if name == "UTC":
        return UTC
    if offset := re.fullmatch(r"([+-])(\d\d):([0-5]\d)", name):
        distance = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        if distance < timedelta(days=1):
            return timezone(-distance if offset[1] == "-" else distance)
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(
            "TIME_ZONE must be UTC, an offset such as +09:00, or a name in the time zone database of the machine"
        ) from None


def path(env: Mapping[str, str], name: str) -> Path | None:
    """A file or folder; None where it is unset or empty."""
    return Path(env[name]) if env.get(name) else None


def _audience(env: Mapping[str, str]) -> str:
    if env.get("TOKEN_ISSUER") and not env.get("TOKEN_AUDIENCE"):
        raise ValueError("TOKEN_AUDIENCE must be set where TOKEN_ISSUER is: whom tokens are meant for")
    return env.get("TOKEN_AUDIENCE", "")


def _identity(env: Mapping[str, str]) -> Identity | None:
    issuer = env.get("IDENTITY_ISSUER", "")
    if not issuer:
        return None
    if not re.fullmatch(
        r"(https://[^/?#\s]+|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?)(/[^?#\s]*[^/?#\s])?", issuer
    ):
        raise ValueError("IDENTITY_ISSUER must be an address that begins with https:// and ends without a slash")
    if not env.get("IDENTITY_AUDIENCE"):
        raise ValueError("IDENTITY_AUDIENCE must be set where IDENTITY_ISSUER is: whom tokens are meant for")
    return Identity(
        issuer=issuer,
        ca=path(env, "IDENTITY_CA"),
        audience=env["IDENTITY_AUDIENCE"],
        owner_claim=env.get("IDENTITY_OWNER_CLAIM") or "owner",
        operator_claim=env.get("IDENTITY_OPERATOR_CLAIM") or "roles",
        operator_role=env.get("IDENTITY_OPERATOR_ROLE") or "operator",
    )


def _rate(requests: int) -> int:
    if requests < 0:
        raise ValueError("RATE_LIMIT must be a number of requests in a minute, or 0 for any number")
    return requests


def _hosts(names: str) -> tuple[str, ...]:
    return () if names.strip() in {"", "*"} else tuple(names.lower().split())


def _public_url(url: str) -> str | None:
    if url and not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w.~/-]*)?", url, re.ASCII):
        raise ValueError("PUBLIC_URL must be an address such as https://example.com, without query")
    return url.rstrip("/") or None


def number(env: Mapping[str, str], name: str, default: str) -> int:
    """A whole number. Raises ValueError."""
    try:
        return int(env.get(name, default))
    except ValueError:
        raise ValueError(f"{name} must be a whole number") from None


def _life(hours: int) -> timedelta:
    if not LEAST_LIFE <= hours <= LONGEST_LIFE:
        raise ValueError(f"IDEMPOTENCY_HOURS must be between {LEAST_LIFE} and {LONGEST_LIFE}")
    return timedelta(hours=hours)


def days(env: Mapping[str, str], name: str, default: str) -> timedelta | None:
    """How long something is kept, in days; None, for 0: for ever. Raises ValueError."""
    kept = number(env, name, default)
    if not 0 <= kept <= LONGEST_HISTORY:
        raise ValueError(f"{name} must be between 0 and {LONGEST_HISTORY}")
    return timedelta(days=kept) if kept else None


def database(env: Mapping[str, str], name: str) -> "URL":
    """The URL of a database, signed in. `name` ends with DATABASE_URL. Raises ValueError, which shows no password."""
    from sqlalchemy import make_url  # noqa: PLC0415 - see Waking
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - as above

    try:
        url = make_url(env.get(name, "sqlite://"))
    except (ArgumentError, ValueError):
        raise ValueError(f"{name} is not the URL of a database") from None
    if url.drivername not in DRIVERS:
        raise ValueError(f"{name} must begin with one of {', '.join(DRIVERS)}")
    return signed_in(url, env, name.removesuffix("DATABASE_URL"))


def signed_in(url: "URL", env: Mapping[str, str] = os.environ, whose: str = "") -> "URL":
    """With DATABASE_USER, DATABASE_PASSWORD and DATABASE_CA, where set; a file (SQLite) has no use for them.

    `whose`, such as LEDGER_, begins the names of a user and a password that are used instead, where they are set.
    """
    if url.host is None:
        return url
    signed = url.set(
        username=env.get(f"{whose}DATABASE_USER") or env.get("DATABASE_USER") or url.username,
        password=env.get(f"{whose}DATABASE_PASSWORD") or env.get("DATABASE_PASSWORD") or url.password,
    )
    authorities = env.get("DATABASE_CA")
    return _verified(signed, authorities) if authorities else signed


def _verified(url: "URL", authorities: str) -> "URL":
    """Connects only to a server whose certificate is in its own name and from these authorities."""
    if url.get_backend_name() == "postgresql":
        return url.update_query_dict({"sslmode": "verify-full", "sslrootcert": authorities})
    return url.update_query_dict({"ssl_ca": authorities})  # with it, PyMySQL verifies both by default
