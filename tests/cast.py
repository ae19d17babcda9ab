"""People and portals of black-box tests, made through the product's own operations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyotp

from idp.accounts.models import Account
from idp.authentication import totp
from idp.context import Context
from idp.management import accounts, clients
from tests.builders import OPERATOR, PASSWORD, make_membership, make_organization

REDIRECT = "https://portal.example/callback"
SIGNED_OUT = "https://portal.example/signed-out"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@dataclass(frozen=True, slots=True)
class Registered:
    """A client a test may act as."""

    client_id: str
    secret: str | None
    redirect_uri: str = REDIRECT


def register(ctx: Context, client_id: str = "portal", **fields: Any) -> Registered:
    """Register a first-party web portal; *fields* overrides its registration, None takes a field out."""
    registration: dict[str, Any] = {
        "client_id": client_id,
        "client_name": client_id.title(),
        "kind": "web",
        "first_party": True,
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": [SIGNED_OUT],
        "home_uri": "https://portal.example/",
        "initiate_login_uri": "https://portal.example/login",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": "openid profile email phone address organization permissions",
        "token_endpoint_auth_method": "client_secret_basic",
        **fields,
    }
    kept = {name: value for name, value in registration.items() if value is not None}
    made = clients.create(ctx.acting(OPERATOR), kept)
    return Registered(client_id, made.secret, (kept.get("redirect_uris") or [REDIRECT])[0])


def register_public(ctx: Context, client_id: str = "app", **fields: Any) -> Registered:
    """Register a portal without a secret."""
    public: dict[str, Any] = {
        "kind": "spa",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
    }
    return register(ctx, client_id, **(public | fields))


DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def register_device(ctx: Context, client_id: str = "terminal", **fields: Any) -> Registered:
    """Register a program on devices without a browser."""
    device: dict[str, Any] = {
        "kind": "device",
        "redirect_uris": None,
        "post_logout_redirect_uris": None,
        "home_uri": None,
        "initiate_login_uri": None,
        "grant_types": [DEVICE_GRANT, "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    return register(ctx, client_id, **(device | fields))


def register_api(ctx: Context, client_id: str = "orders-api") -> Registered:
    """Register a resource server that asks about tokens."""
    return register(
        ctx,
        client_id,
        kind="machine",
        redirect_uris=None,
        post_logout_redirect_uris=None,
        home_uri=None,
        initiate_login_uri=None,
        grant_types=["client_credentials"],
        scope=None,
    )


def person(
    ctx: Context,
    username: str = "anna",
    *,
    app: bool = False,
    phones: Iterable[str] = (),
    **profile: Any,
) -> str:
    """Create somebody who can sign in, with an authenticator app if asked; returns the account's id."""
    account_id = accounts.create(
        ctx.acting(OPERATOR),
        username=username,
        password=PASSWORD,
        emails=[f"{username}@muster.example"],
        phones=phones,
        profile={"given_name": username.title(), "family_name": "Muster"} | profile,
    )
    if app:
        account = ctx.db.get_one(Account, account_id)
        totp.enroll(ctx.acting(OPERATOR), account, TOTP_SECRET, "App")
    return account_id


def member(ctx: Context, username: str = "anna", *, status: str = "active", **facts: Any) -> str:
    """Create somebody who belongs to Muster GmbH; returns the membership's id."""
    return make_membership(ctx, make_organization(ctx), person(ctx, username, **facts), status=status)


def app_code(ctx: Context, steps: int = 0) -> str:
    """Return the code an app shows at the context's time, some steps of 30 seconds later."""
    return pyotp.TOTP(TOTP_SECRET).at(ctx.now, counter_offset=steps)
