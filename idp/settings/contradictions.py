"""Values that are sound alone but not together, and what production refuses on the internet."""

from collections.abc import Iterator
from ipaddress import ip_address

from idp.settings.models import Keys, Mail, Network, Password, Settings

#: the shortest prefix of a network that is one party's, by version of the address
_WIDEST_PREFIX = {4: 8, 6: 16}
#: requirement 6
_LONGEST_CODE_SECONDS = 60
_LEAST_MEMORY_KIB = 7_168
_LEAST_KIB_PASSES = 35_840


def contradictions(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield key and reason of each value that is sound alone but not with the others."""
    if settings.mode == "production":
        yield from unsafe_in_production(settings)
    session, tokens, throttle = settings.session, settings.tokens, settings.throttle
    if session.aal1_idle_hours > session.aal1_days * 24:
        yield "session.aal1_idle_hours", "is longer than session.aal1_days"
    if session.aal2_idle_minutes > session.aal2_hours * 60:
        yield "session.aal2_idle_minutes", "is longer than session.aal2_hours"
    if tokens.refresh_idle_days > tokens.refresh_days:
        yield "tokens.refresh_idle_days", "is longer than tokens.refresh_days"
    if throttle.account_hard_stop <= throttle.account_free:
        yield "throttle.account_hard_stop", "must be above throttle.account_free"
    yield from _mail_without_its_other_half(settings.mail)
    if settings.egress.trust_ca_file and not settings.egress.trust_ca_file.is_file():
        yield "egress.trust_ca_file", f"there is no file {settings.egress.trust_ca_file}"


def _mail_without_its_other_half(mail: Mail) -> Iterator[tuple[str, str]]:
    if mail.host and not mail.from_address:
        yield "mail.from_address", "is needed with mail.host: whom the mails are from"
    if mail.username and mail.password is None:
        yield "mail.password", "is needed with mail.username"
    if mail.password is not None and not mail.username:
        yield "mail.username", "is needed with mail.password"
    if mail.password is not None and mail.security == "none" and not _is_this_machine(mail.host):
        yield "mail.security", "a password is never sent without TLS"


def _is_this_machine(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def unsafe_in_production(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield key and reason of each value that a server on the internet must not have."""
    if not settings.secure:
        yield "public_url", "production needs https"
    if settings.database.url.startswith("sqlite") and not settings.database.allow_sqlite:
        yield (
            "database.url",
            "production runs on postgresql://; for one machine, SQLite with database.allow_sqlite = true",
        )
    if settings.egress.allow_loopback:
        yield "egress.allow_loopback", "only for development and demo"
    if settings.logging.level == "debug":
        yield "logging.level", "debug lines are for development; info has every request"
    if settings.tokens.code_seconds > _LONGEST_CODE_SECONDS:
        yield "tokens.code_seconds", f"a code lives at most {_LONGEST_CODE_SECONDS} seconds"
    yield from _unsafe_mail(settings.mail)
    yield from _unsafe_networks(settings)
    yield from _weak_hash(settings.password)
    yield from _open_to_others(settings.keys)
    for section in ("support", "legal"):
        for name, value in getattr(settings, section):
            if isinstance(value, str) and value.lower().startswith("http://"):
                yield f"{section}.{name}", "people are sent there from the sign-in page: it needs https"


def _unsafe_mail(mail: Mail) -> Iterator[tuple[str, str]]:
    if mail.host is None:
        yield "mail.host", "people prove their address and reset their password by mail: name the server"
    elif mail.security == "none" and not _is_this_machine(mail.host):
        yield "mail.security", "codes and links are not sent without TLS, unless to this machine"


def _unsafe_networks(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.server.port == 0:
        yield "server.port", "port 0 is for the demo: the proxy must know where to connect"
    if not settings.server.trusted_proxies:
        yield (
            "server.trusted_proxies",
            "name the proxy that ends TLS, such as 127.0.0.1/32: without it every caller has its address",
        )
    for key, networks in (
        ("server.trusted_proxies", settings.server.trusted_proxies),
        ("throttle.exempt_networks", settings.throttle.exempt_networks),
    ):
        for network in filter(_nearly_everybody, networks):
            yield key, f"{network} is most of the internet"


def _nearly_everybody(network: Network) -> bool:
    return not network.is_private and network.prefixlen < _WIDEST_PREFIX[network.version]


def _weak_hash(password: Password) -> Iterator[tuple[str, str]]:
    """OWASP's least costs of Argon2id lie between 46 MiB once and 7 MiB five times."""
    if (
        password.memory_kib < _LEAST_MEMORY_KIB
        or password.memory_kib * password.time_cost < _LEAST_KIB_PASSES
    ):
        yield (
            "password.memory_kib",
            "a hash this cheap is guessed: at least 19456 with password.time_cost = 2",
        )


def _open_to_others(keys: Keys) -> Iterator[tuple[str, str]]:
    if keys.master_key is not None:
        return
    try:
        mode = keys.directory.stat().st_mode
    except OSError:
        return  # made at the first start, for its owner alone
    if mode & 0o022:
        yield "keys.directory", f"other users may write to {keys.directory}; run: chmod 700 {keys.directory}"
