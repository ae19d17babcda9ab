"""What ``idp doctor`` looks at: what settings say, then what only the running installation shows."""

import json
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from idp import egress, migrations
from idp.app import build_duties
from idp.audit import log, sealer
from idp.audit.events import Event
from idp.cli.findings import Finding, advice, ok, problem
from idp.cli.mail_advice import advise
from idp.context import Context, Services
from idp.db import Database, Look, StorageError, address_of
from idp.delivery import outbox
from idp.delivery.smtp import SmtpFailed, look_up
from idp.installation import holds_secrets
from idp.logging import error_text
from idp.oidc import signing_keys
from idp.settings import Settings
from idp.settings.contradictions import unsafe_in_production

MAX_DRIFT = timedelta(seconds=2)
SEALED_WITHIN = timedelta(seconds=30)
SENT_WITHIN = timedelta(minutes=2)
_FEWEST_SIGN_INS = 5
_LEAST_HSTS_SECONDS = 31_536_000
_START = "Start it: idp serve (or idp jobs run)."

_NO_WRITES = {
    "postgresql": "It is a standby, or set to read only: let database.url name the primary.",
    "sqlite": "Let the user that idp runs as write the file and its folder.",
}
_SIGNATURES = ("ES256", "RS256")


def settings_and_files(settings: Settings, config: Path | None) -> Iterator[Finding]:
    """Yield what can be seen without touching database or network."""
    if settings.mode == "production":
        yield ok("settings", f"sound for production, {settings.public_url}")
    for key, reason in unsafe_in_production(settings) if settings.mode != "production" else ():
        yield advice(
            key,
            f"mode is {settings.mode}; production refuses this: {reason}",
            "Correct it before mode is production.",
        )
    database = address_of(settings.database.url)
    files = (
        config,
        Path(database.database) if database.get_backend_name() == "sqlite" and database.database else None,
        settings.database.url_file,
        settings.redis.url_file,
        settings.keys.master_key_file,
        settings.mail.password_file,
        *settings.keys.directory.glob("master-*.key"),
    )
    for path in filter(None, files):
        if path.exists() and path.stat().st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            found = f"{path} can be read or changed by other users ({stat.filemode(path.stat().st_mode)})"
            yield problem("files", found, f"chmod o=,g-w {path}")
    if settings.keys.master_key is None and not settings.keys.directory.is_absolute():
        found = f"keys.directory is {settings.keys.directory}, below whatever folder a command starts in"
        yield advice("keys.directory", found, "Write the whole path.")
    yield from _transport(settings)


def _transport(settings: Settings) -> Iterator[Finding]:
    """Yield connections to other machines that are not encrypted."""
    database, redis = address_of(settings.database.url), urlsplit(settings.redis.url or "")
    mode = database.normalized_query.get("sslmode", ["prefer"])[0]
    if _elsewhere(database.host) and mode in ("disable", "allow", "prefer"):
        found = f"{database.host} may be spoken to without TLS"
        yield advice("database.url", found, "Add ?sslmode=verify-full.")
    if _elsewhere(redis.hostname) and redis.scheme != "rediss":
        yield advice("redis.url", f"{redis.hostname} is spoken to without TLS", "Write rediss://.")


def _elsewhere(host: str | None) -> bool:
    if not host or host == "localhost":
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True


def database_of(settings: Settings, database: Database) -> Iterator[Finding]:
    """Yield whether the database answers, has its tables, and agrees about the time; then its master key."""
    file = database.url.database or ""
    if (
        database.dialect == "sqlite"
        and not file.startswith((":memory:", "file:"))
        and not Path(file).exists()
    ):
        yield problem("database", f"there is no file {file}", "Run: idp db upgrade")  # a look would make one
        yield from _master_key(settings, sealed=False)
        return
    try:
        revision = migrations.current(database)
        seen = database.look()
        drift = abs(datetime.now(UTC) - seen.at)
        with database.reading() as db:
            sealed = revision is not None and holds_secrets(db)
    except StorageError as error:
        found = f"does not answer ({error_text(error)})"
        yield problem("database", found, "Start it, or correct database.url.")
        return
    yield _tables(database, revision, seen)
    if drift > MAX_DRIFT:
        found = f"the database's clock is {drift.total_seconds():.1f} s away from this machine's"
        yield problem("clock", found, "Let both follow NTP: timedatectl set-ntp true")
    else:
        yield ok("clock", "this machine and the database agree")
    yield from _master_key(settings, sealed=sealed)


def _tables(database: Database, revision: str | None, seen: Look) -> Finding:
    """Return whether the database takes writes, into tables of this program."""
    if not seen.takes_writes:
        found = f"{_place(database)} answers, and takes no writes"
        return problem("database", found, _NO_WRITES[database.dialect])
    if not migrations.is_known(revision):
        found = f"is at revision {revision}, made by a newer release"
        return problem("database", found, "Start that one, or restore the backup taken before its upgrade.")
    if revision != migrations.HEAD:
        found = f"has {revision or 'no tables'}, this program needs {migrations.HEAD}"
        return problem("database", found, "Run: idp db upgrade")
    return ok("database", f"{_place(database)} answers, at revision {revision}")


def _place(database: Database) -> str:
    """Return which database was looked at, without who looks."""
    url = database.url
    if database.dialect == "sqlite":
        return f"sqlite {url.database or ':memory:'}"
    host = url.host or url.normalized_query.get("host", ["this machine"])[0]
    return f"postgresql {url.database} on {host}"


def _master_key(settings: Settings, *, sealed: bool) -> Iterator[Finding]:
    """Yield what keeps us from opening secrets with it: it is lost, or there are none yet."""
    if settings.keys.master_key is not None or any(settings.keys.directory.glob("master-*.key")):
        if not sealed:
            yield advice("master key", "has sealed nothing yet: the first start makes secrets", _START)
        return
    found = f"there is none in {settings.keys.directory.absolute()}"
    if sealed:
        found += ", and the database holds secrets that nothing else opens"
        yield problem("master key", found, "Bring its file back, or set keys.master_key.")
    else:
        yield problem("master key", found, "Bring it back, or start the server: the first start makes one.")


def at_work(ctx: Context, services: Services) -> Iterator[Finding]:
    """Yield whether keys sign and the worker works; the master key opened the database's secrets already."""
    yield ok("master key", "opens the secrets in the database")
    signing = {(key.alg, key.state) for key in signing_keys.listing(ctx)}
    missing = [alg for alg in _SIGNATURES if not {(alg, "active"), (alg, "next")} <= signing]
    if missing:
        yield problem("signing keys", f"{', '.join(missing)} lacks a key in use or the next one", _START)
    else:
        yield ok("signing keys", "each algorithm has one in use and the next one")
    yield from _worker(ctx, services)
    yield from _addresses(ctx)


def _worker(ctx: Context, services: Services) -> Iterator[Finding]:
    with services.database.reader.connect() as reader:
        unsealed = sealer.oldest_unsealed(reader)
        due = outbox.oldest_due(reader, tuple(build_duties(services).senders), ctx.now)
    if unsealed is not None and ctx.now - unsealed > SEALED_WITHIN:
        yield problem("worker", f"audit events wait to be sealed since {_at(unsealed)}: none runs", _START)
    elif due is not None and ctx.now - due > SENT_WITHIN:
        yield problem(
            "worker", f"messages wait to be sent since {_at(due)}", "Look at its log: message not sent"
        )
    else:
        yield ok("worker", "nothing waits longer than it should")


def _addresses(ctx: Context) -> Iterator[Finding]:
    """Yield whether sign-ins come from people's addresses, not all from the proxy's."""
    entries = log.tail(ctx, limit=20, event=Event.SIGN_IN_SUCCEEDED)
    networks = [
        ip_network(entry.origin["ip"]) for entry in entries if entry.origin and entry.origin.get("ip")
    ]
    if len(networks) < _FEWEST_SIGN_INS:
        return
    if all(_is_a_proxy(network, ctx.settings) for network in networks):
        found = f"the last {len(networks)} sign-ins all came from the proxy's own network"
        remedy = "Let the proxy send X-Forwarded-For, and name its network in server.trusted_proxies."
        yield advice("proxy", found, remedy)
    else:
        yield ok("proxy", "sign-ins come from more than the proxy's network")


def _is_a_proxy(network: IPv4Network | IPv6Network, settings: Settings) -> bool:
    proxies = settings.server.trusted_proxies
    return network.is_loopback or any(
        proxy.version == network.version and proxy.overlaps(network) for proxy in proxies
    )


def redis_of(settings: Settings) -> Iterator[Finding]:
    """Yield whether Redis answers, where one is configured."""
    if settings.redis.url is None:
        return
    from idp.throttling.redis_windows import answers  # an extra

    if answers(settings.redis.url):
        yield ok("redis", "answers")
    else:
        yield problem(
            "redis", "does not answer; counters are kept in the database", "Start it, or correct redis.url."
        )


def mail_of(settings: Settings) -> Iterator[Finding]:
    """Yield whether the mail server lets us in, where one is configured; nothing is sent."""
    if settings.mail.host is None:
        return
    try:
        reached = look_up(settings)
    except SmtpFailed as failed:
        yield problem("mail", *advise(failed, settings))
    else:
        over = f" over {reached.encryption}" if reached.encryption else ""
        yield ok("mail", f"{reached.server} lets us in{over}; idp mail test ADDRESS sends one")


def seen_from_outside(settings: Settings) -> Iterator[Finding]:
    """Yield what a portal gets that reads discovery at the public address."""
    url = f"{settings.public_url}/.well-known/openid-configuration"
    try:
        answer = egress.fetch(url, settings=settings)
    except egress.EgressRefused as refused:
        yield advice("public_url", f"was not asked from here: {refused}", "Ask it from another machine.")
        return
    except egress.EgressError as error:
        yield problem("public_url", f"does not answer: {error}", "Look at DNS, certificate and proxy.")
        return
    if answer.status == 421:
        yield problem("public_url", "the proxy changes the Host header", "Let it pass Host on unchanged.")
    elif answer.status != 200 or _issuer(answer.body) != settings.issuer:
        found = f"answers {answer.status}, and not as the issuer {settings.issuer}"
        yield problem("public_url", found, "Let the proxy send everything to this server.")
    else:
        yield ok("public_url", "discovery answers, with our issuer")
        yield from _strict_transport(answer.headers, settings)


def _strict_transport(headers: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Yield whether the proxy lets Strict-Transport-Security through (req 103)."""
    if not settings.secure:
        return
    seconds = headers.get("strict-transport-security", "").partition("max-age=")[2].partition(";")[0]
    if seconds.isdigit() and int(seconds) >= _LEAST_HSTS_SECONDS:
        yield ok("hsts", "browsers are told to use https only")
    else:
        yield problem("hsts", "Strict-Transport-Security does not arrive", "Let the proxy pass it on.")


def _issuer(body: bytes) -> Any:
    try:
        return json.loads(body)["issuer"]
    except (ValueError, KeyError, TypeError):
        return None


def _at(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
