"""What can be set: one frozen model a section; units are in the names, bounds beside the defaults."""

import base64
import binascii
import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

Network = IPv4Network | IPv6Network

#: AES-256
_MASTER_KEY_BYTES = 32
#: scheme, IPv6 address, port
_ORIGIN = re.compile(
    r"(https?)://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[([0-9a-f:.]+)\])(?::([1-9][0-9]{0,4}))?", re.ASCII
)
_USUAL_PORTS = {"http": 80, "https": 443}
_HIGHEST_PORT = 65_535


def _networks(value: Any) -> Any:
    """Read networks from a list, or from the environment's text with commas."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError("must be a list of networks such as 10.0.0.0/8")
    return tuple(
        item if isinstance(item, IPv4Network | IPv6Network) else ip_network(str(item).strip())
        for item in items
        if item != ""
    )


def _none_for_zero(value: Any) -> Any:
    """TOML has no null."""
    return None if value in (0, "0") else value


def _issuer(value: str) -> str:
    """Accept the one spelling that browsers and portals send as Origin and Host: it is compared as text."""
    read = _ORIGIN.fullmatch(value)
    if read is None or not _is_as_sent(*read.groups()):
        raise ValueError(
            "must be an address such as https://login.example.de or https://login.example.de:8443: host in "
            "small letters (a-z, 0-9, hyphens, dots; ä as xn--…) or [IPv6], no usual port, nothing after it"
        )
    return value


def _is_as_sent(scheme: str, ipv6: str | None, port: str | None) -> bool:
    """Tell whether browsers would send address and port as they are written here."""
    try:
        if ipv6 and IPv6Address(ipv6).compressed != ipv6:
            return False
    except ValueError:
        return False
    return port is None or (int(port) <= _HIGHEST_PORT and int(port) != _USUAL_PORTS[scheme])


def _ip_address(value: str) -> str:
    try:
        ip_address(value)
    except ValueError as error:
        raise ValueError("must be an IP address such as 127.0.0.1, 0.0.0.0 or ::1, not a name") from error
    return value


def _web_address(value: str) -> str:
    if urlsplit(value).scheme not in ("https", "http") or not urlsplit(value).hostname:
        raise ValueError("must be an address that begins with https://")
    return value


def _master_key(value: SecretStr) -> SecretStr:
    try:
        key = base64.b64decode(value.get_secret_value().strip(), validate=True)
    except binascii.Error as error:
        raise ValueError("must be base64") from error
    if len(key) != _MASTER_KEY_BYTES:
        raise ValueError(f"must be {_MASTER_KEY_BYTES} bytes of base64, has {len(key)}")
    return value


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value():
        raise ValueError("must not be empty, nor the file that holds it")
    return value


def _database_url(value: str) -> str:
    if not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("must begin with sqlite:/// or postgresql://")
    if not value.startswith("sqlite") and not _is_database_address(value):
        raise ValueError("is not a database address; percent-encode the password")
    return value


def _is_database_address(value: str) -> bool:
    """Tell whether the parts of a URL are what they seem: an @ of the password makes a host of its rest."""
    from sqlalchemy import make_url  # not for commands that know no database

    try:
        return "@" not in (make_url(value).database or "")
    except ValueError:
        return False


def _redis_url(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    if not _is_redis_address(value):
        raise ValueError("is not a Redis address; percent-encode the password")
    return value


def _is_redis_address(value: str) -> bool:
    """Tell whether a URL can be taken apart as the client does; errors of its own repeat what they read."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    # a / or ? of the password would end the host, and what follows holds the @
    return "@" not in parts.path + parts.query + parts.fragment and (
        parts.scheme == "unix" or bool(parts.hostname)
    )


Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
WebAddress = Annotated[str, AfterValidator(_web_address)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_elsewhere(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false where the field is no switch: pydantic counts them as 1 and 0."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation is not bool:
            raise ValueError("must not be true or false")
        return value


class Server(_Section):
    """Where the server listens and how many processes answer."""

    host: Annotated[str, AfterValidator(_ip_address)] = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    workers: int = Field(2, ge=1, le=64)
    threads: int = Field(8, ge=1, le=64)
    trusted_proxies: Networks = ()


class DatabaseSettings(_Section):
    """The database; the URL may hold a password and is never shown whole."""

    url: Annotated[str, AfterValidator(_database_url)] = Field("sqlite:///lotse.db", repr=False)
    url_file: Path | None = None
    allow_sqlite: bool = False
    pool_size: int = Field(8, ge=1, le=100)
    pool_wait_seconds: float = Field(1.0, gt=0, le=30)
    statement_timeout_ms: int = Field(2000, ge=100, le=60_000)


class Redis(_Section):
    """Optional speed for counters; never the only copy of anything."""

    url: Annotated[str, AfterValidator(_redis_url)] | None = Field(None, repr=False)
    url_file: Path | None = None


class Keys(_Section):
    """The master key of this installation and the life of signing keys."""

    directory: Path = Path("keys")
    master_key: Annotated[SecretStr, AfterValidator(_master_key)] | None = None
    master_key_file: Path | None = None
    signing_rotation_days: int = Field(90, ge=1, le=3650)
    publish_before_hours: int = Field(24, ge=1, le=720)
    keep_days: int = Field(30, ge=1, le=3650)


class Product(_Section):
    """What people read on each page, and the language where they name none."""

    name: str = Field("Lotse", min_length=1, max_length=60)
    default_locale: Literal["de", "en"] = "de"
    mark_required: bool = False


class Support(_Section):
    """Who helps; shown on pages and in mails where set."""

    mail: str | None = Field(None, pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)
    phone: str | None = Field(None, min_length=3, max_length=40)
    help_url: WebAddress | None = None


class Mail(_Section):
    """The server that takes our mails on their way; without a host they stay in the outbox."""

    host: str | None = Field(None, pattern=r"^[A-Za-z0-9.:-]+$", max_length=253)
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = Field(None, min_length=1, max_length=256)
    password: Annotated[SecretStr, AfterValidator(_not_empty)] | None = None
    password_file: Path | None = None
    from_address: str | None = Field(None, pattern=r"^[^@\s<>]+@[^@\s<>]+$", max_length=254)
    from_name: str | None = Field(None, pattern=r"^[^\r\n]+$", max_length=60)
    timeout_seconds: int = Field(45, ge=5, le=55)


class Legal(_Section):
    """Links at the foot of each page, and of terms where an account is made; shown where set."""

    imprint_url: WebAddress | None = None
    privacy_url: WebAddress | None = None
    accessibility_url: WebAddress | None = None
    terms_url: WebAddress | None = None


class Password(_Section):
    """The password rule and what a hash costs (Argon2id, RFC 9106)."""

    profile: Literal["modern", "amt24", "sage"] = "modern"
    allow_short_single_factor: bool = False
    memory_kib: int = Field(19_456, ge=8, le=1_048_576)
    time_cost: int = Field(2, ge=1, le=20)
    parallelism: int = Field(1, ge=1, le=16)
    pool_processes: int = Field(2, ge=1, le=64)
    pool_queue: int = Field(20, ge=1, le=1000)
    pool_socket: Path | None = None


class Registration(_Section):
    """Who may make an account, and what the form asks."""

    enabled: bool = True
    ask_username: bool = False


class Organizations(_Section):
    """How people join a company by its customer number, and what such a number looks like."""

    join: Literal["admin_approval", "posted_code", "number_only"] = "admin_approval"
    #: None, written as 0, accepts letters and any length
    number_digits: Annotated[int | None, Field(ge=4, le=18), BeforeValidator(_none_for_zero)] = 9


class Recovery(_Section):
    """What the recovery password does beside a new password."""

    reset_mfa: Literal["never", "two_proofs", "immediate"] = "two_proofs"


class ThrottleSettings(_Section):
    """How many guesses are free, and what they cost then."""

    exempt_networks: Networks = ()
    account_free: int = Field(5, ge=1, le=100)
    account_max_delay_seconds: int = Field(900, ge=1, le=86_400)
    account_hard_stop: int = Field(100, ge=5, le=10_000)
    login_per_minute: int = Field(20, ge=1)
    login_per_hour: int = Field(200, ge=1)
    second_factor_per_transaction: int = Field(5, ge=1, le=100)
    second_factor_per_hour: int = Field(10, ge=1, le=1000)
    client_failures_per_minute: int = Field(60, ge=1)
    registrations_per_hour: int = Field(5, ge=1)
    resets_per_minute: int = Field(5, ge=1)
    mails_per_hour: int = Field(5, ge=1)
    mails_per_day: int = Field(10, ge=1)
    joins_per_day: int = Field(5, ge=1)
    joins_per_hour: int = Field(20, ge=1)


class SessionSettings(_Section):
    """How long a sign-in lasts at each level, idle and in all."""

    aal1_idle_hours: int = Field(12, ge=1, le=720)
    aal1_days: int = Field(30, ge=1, le=365)
    aal2_idle_minutes: int = Field(60, ge=1, le=1440)
    aal2_hours: int = Field(24, ge=1, le=720)
    max_sessions: int = Field(20, ge=1, le=1000)


class RememberDevice(_Section):
    """How long a browser may skip the second factor; 0 switches it off."""

    days: int = Field(30, ge=0, le=365)


class Flow(_Section):
    """How long a person may take from a portal's request to the end of the sign-in."""

    minutes: int = Field(60, ge=5, le=1440)


class Tokens(_Section):
    """Lifetimes of what clients receive."""

    code_seconds: int = Field(60, ge=10, le=600)
    access_token_seconds: int = Field(300, ge=30, le=86_400)
    id_token_seconds: int = Field(300, ge=30, le=86_400)
    refresh_idle_days: int = Field(14, ge=1, le=365)
    refresh_days: int = Field(30, ge=1, le=365)
    offline_days: int = Field(90, ge=1, le=365)
    require_dpop_nonce: bool = False


class Egress(_Section):
    """Requests this server makes itself."""

    allow_loopback: bool = False
    trust_ca_file: Path | None = None


class Logging(_Section):
    """What is logged, and how a line looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class Retention(_Section):
    """How long finished things are kept."""

    finished_flow_days: int = Field(1, ge=1, le=365)
    expired_token_days: int = Field(7, ge=1, le=365)
    ended_session_days: int = Field(30, ge=1, le=365)
    sent_message_days: int = Field(30, ge=1, le=365)
    audit_days: int = Field(365, ge=30, le=3650)
    audit_origin_days: int = Field(90, ge=1, le=3650)
    failed_sign_in_days: int = Field(30, ge=1, le=3650)


class Settings(BaseSettings):
    """Everything that can be set; made by :func:`idp.settings.load_settings`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="LOTSE_", env_nested_delimiter="__", enable_decoding=False
    )

    mode: Literal["development", "production", "demo"] = "development"
    public_url: Annotated[str, AfterValidator(_issuer)] = "http://localhost:8000"
    server: Server = Server()
    database: DatabaseSettings = DatabaseSettings()
    redis: Redis = Redis()
    keys: Keys = Keys()
    product: Product = Product()
    support: Support = Support()
    legal: Legal = Legal()
    mail: Mail = Mail()
    password: Password = Password()
    registration: Registration = Registration()
    organizations: Organizations = Organizations()
    recovery: Recovery = Recovery()
    throttle: ThrottleSettings = ThrottleSettings()
    session: SessionSettings = SessionSettings()
    remember_device: RememberDevice = RememberDevice()
    flow: Flow = Flow()
    tokens: Tokens = Tokens()
    egress: Egress = Egress()
    logging: Logging = Logging()
    retention: Retention = Retention()

    @property
    def issuer(self) -> str:
        """The issuer identifier, which is the public address."""
        return self.public_url

    @property
    def secure(self) -> bool:
        """Whether people reach the server by https: then cookies carry ``__Host-`` and ``Secure``."""
        return self.public_url.startswith("https://")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing behind the caller's back: the loader names its sources."""
        return (init_settings,)
