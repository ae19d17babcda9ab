"""The only place where parts are put together: settings in, WSGI application and worker's duties out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from flask import Flask
from sqlalchemy.orm import configure_mappers

from idp import migrations
from idp.accounts.legacy import retention as legacy_retention
from idp.accounts.passwords import Costs, LocalPasswordHasher, PooledPasswordHasher
from idp.audit import sealer
from idp.authentication import retention as session_retention
from idp.context import Services
from idp.crypto import PasswordHasher, SealBroken, Sealer, load_master_keys
from idp.db import Database
from idp.delivery import outbox
from idp.errors import NotReady
from idp.flows import retention as flow_retention
from idp.installation import PEPPER, Vault, holds_secrets, prepare, read_vault
from idp.management import account_deletion, join_notices, joining, legacy_wrapping
from idp.oidc import retention as token_retention
from idp.oidc import signing_keys
from idp.oidc.logout import deliver_logout_token
from idp.oidc.provider import Provider
from idp.oidc.server import ProtocolServer
from idp.settings import Settings
from idp.texts import template_folder
from idp.throttling import make_throttle
from idp.throttling import purge as purge_throttle
from idp.web import context, csrf, errors, leading_on, limits, security_headers, ui
from idp.web.cookies import FORM, cookie_name
from idp.web.gateway import Gateway
from idp.web.machine.http import MAX_BODY
from idp.web.overload import OverloadPage
from idp.web.pages import (
    account,
    affiliation,
    choose_account,
    choose_organization,
    confirm_identity,
    consent,
    forgotten_password,
    link,
    linked_accounts,
    login,
    lost_factor,
    old_account,
    own_activity,
    own_address,
    own_data,
    own_deletion,
    own_password,
    own_portals,
    own_profile,
    own_recovery,
    own_sessions,
    recovery,
    recovery_reset,
    register,
    second_factor,
    start,
    style_guide,
)
from idp.web.pages import joining as joining_pages
from idp.web.pages import outbox as outbox_page
from idp.web.protocol import authorize, device, end_session
from idp.worker import Duties, Sender


def build_services(settings: Settings) -> Services:
    """Return the parts of a process, with installation secrets and signing keys made where they are missing.

    :raises NotReady: no database, tables of another version, or a master key that does not open.
    """
    database = _current_database(settings)
    with _sealed_by_this_key(database), database.session() as db:
        vault = prepare(db, _sealer(settings, make=not holds_secrets(db)), datetime.now(UTC))
        db.commit()
    services = _put_together(settings, database, vault)
    with database.session() as db:
        signing_keys.ensure(services.context(db))
        db.commit()
    return services


def open_services(settings: Settings) -> Services:
    """Return the parts of a process to look at: nothing is made, and nothing of them may be changed.

    :raises NotReady: as for :func:`build_services`, and where a start has yet to make secrets.
    """
    database = _current_database(settings)
    with _sealed_by_this_key(database), database.reading() as db:
        vault = read_vault(db, _sealer(settings, make=False))
    return _put_together(settings, database, vault)


def _current_database(settings: Settings) -> Database:
    database = Database(
        settings.database.url,
        pool_size=settings.database.pool_size,
        pool_wait=settings.database.pool_wait_seconds,
        statement_timeout_ms=settings.database.statement_timeout_ms,
    )
    migrations.require_current(database)
    return database


def _put_together(settings: Settings, database: Database, vault: Vault) -> Services:
    return Services(
        settings=settings,
        database=database,
        vault=vault,
        throttle=make_throttle(settings, database, vault),
        passwords=_hasher(settings, vault),
    )


def load_models() -> None:
    """Put the models together, which the first statement would do otherwise: for those who fork processes."""
    configure_mappers()


def create_app(settings: Settings, services: Services | None = None) -> Gateway:
    """Return the WSGI application of one process."""
    services = services or build_services(settings)
    provider = Provider(services)
    server = ProtocolServer(provider)
    app = Flask("idp", template_folder=str(template_folder()), static_folder=None)
    # the library would answer // with a redirect to an address of its own making, by http behind a TLS proxy
    app.url_map.merge_slashes = False
    app.extensions |= {"lotse": services, "lotse.provider": provider, "lotse.server": server}
    app.config.update(
        SECRET_KEY=services.vault.keyed_hash("form cookie", "1"),
        SESSION_COOKIE_NAME=cookie_name(settings, FORM),
        SESSION_COOKIE_SECURE=settings.secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_BODY,
        MAX_FORM_MEMORY_SIZE=MAX_BODY,
        MAX_FORM_PARTS=100,
    )
    errors.init_app(app)
    limits.init_app(app)
    context.init_app(app, errors.database_away)
    security_headers.init_app(app, settings)
    leading_on.init_app(app, settings)
    ui.init_app(app, settings)
    csrf.init_app(app)
    steps = (login, register, forgotten_password, second_factor, choose_account, choose_organization, consent)
    recovering = (recovery, recovery_reset, lost_factor)
    linking = (affiliation, link, linked_accounts, old_account)
    own = (account, joining_pages, confirm_identity, own_profile, own_address, own_password, own_recovery)
    own_records = (own_sessions, own_portals, own_activity, own_data, own_deletion)
    pages = (*steps, *recovering, *linking, start, *own, *own_records)
    for module in (authorize, device, end_session, *pages):
        app.register_blueprint(module.bp)
    for page in (style_guide, outbox_page):
        page.init_app(app, settings)
    return Gateway(server, app.wsgi_app, OverloadPage(app, settings))


def build_duties(services: Services) -> Duties:
    """Return what the worker does for this installation."""
    return Duties(
        senders=_senders(services),
        purges={
            "outbox": outbox.purge,
            "audit": sealer.purge,
            "throttle": purge_throttle,
            "flows": flow_retention.purge,
            "sessions": session_retention.purge,
            "tokens": token_retention.purge,
            "legacy": legacy_retention.purge,
            "joining": joining.purge,
            "accounts": account_deletion.erase_due,
        },
        batches={"accounts": account_deletion.AT_A_TIME},
        rotate=signing_keys.rotate,
        steps={"legacy.wrap": legacy_wrapping.step, "joining.tell": join_notices.step},
    )


def _senders(services: Services) -> dict[str, Sender]:
    """Return who sends what; without a mail server mails stay in the outbox."""
    settings = services.settings
    senders: dict[str, Sender] = {
        outbox.BACKCHANNEL_LOGOUT: partial(deliver_logout_token, Provider(services), settings)
    }
    if settings.mail.host is not None:
        from idp.delivery import post_office  # only the worker speaks SMTP

        senders[outbox.MAIL] = partial(post_office.deliver, settings)
    return senders


def _sealer(settings: Settings, *, make: bool) -> Sealer:
    """Return what seals with the master keys; *make* the first one where there is none."""
    configured = settings.keys.master_key
    load_keys = partial(
        load_master_keys,
        settings.keys.directory,
        configured=configured.get_secret_value() if configured else None,
    )
    return Sealer(load_keys(make=make), reload=partial(load_keys, make=False))


@contextmanager
def _sealed_by_this_key(database: Database) -> Iterator[None]:
    """Raise NotReady where no master key at hand opens what the block reads; connections are closed then."""
    try:
        yield
    except SealBroken as error:
        database.dispose()
        raise NotReady(
            "the master key of this installation is another one: it does not open the secrets in the "
            "database; bring back its file, or set keys.master_key"
        ) from error
    except Exception:
        database.dispose()
        raise


def _hasher(settings: Settings, vault: Vault) -> PasswordHasher:
    password = settings.password
    costs = Costs(password.memory_kib, password.time_cost, password.parallelism)
    peppers = vault.secrets[PEPPER]
    if password.pool_socket is None:
        return LocalPasswordHasher(peppers, costs)
    return PooledPasswordHasher(password.pool_socket, peppers, costs)
