"""The customer portal's pages: the areas a person may enter, and what the portal knows of the person.

What may be seen comes from the ``permissions`` claim of the verified ID token, on the tile and behind it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx
from flask import Flask, abort, g, render_template, request

from clients.customer_portal.areas import AREAS, BY_KEY, CLAIM_MEANINGS, GROUPS, Area, menu
from clients.shared.issuer import http_client
from clients.shared.portal import Answer, Portal
from clients.shared.relying_party import Registration
from clients.shared.visitor import say

SCOPE = "openid profile email organization permissions orders"
TIMES = ("exp", "iat", "auth_time", "updated_at")


@dataclass(frozen=True)
class Config:
    """The portal's registration, and the addresses of its neighbours."""

    registration: Registration
    orders_url: str
    support_url: str


def create_app(config: Config) -> Flask:
    """The WSGI application of the customer portal."""
    app = Flask("clients.customer_portal")
    portal = Portal(app, "customer_portal", config.registration)
    orders_http = http_client(config.orders_url, config.registration.trust_ca)
    app.jinja_env.globals.update(
        brand=("Kundenportal", "Customer portal"),
        theme="customer",
        menu=menu,
        issuer_url=config.registration.issuer,
        support_url=config.support_url,
    )

    app.context_processor(lambda: {"who": who() if g.get("person") else None})
    app.jinja_env.filters.update(day=day, money=money)
    _add_areas(app, portal)

    @app.get("/orders")
    @portal.signed_in
    def orders() -> Answer:
        shown = request.args.get("with", "access_token")
        bearer = {"access_token": g.person.access_token, "id_token": g.person.id_token}.get(shown, "")
        answer = ask_orders(orders_http, config.orders_url, bearer)
        return render_template("customer/orders.html", answer=answer, shown=shown)

    return app


def _add_areas(app: Flask, portal: Portal) -> None:
    """The start page with a tile for each permission, and the areas behind the tiles."""

    @app.get("/")
    def home() -> Answer:
        portal.keep_fresh()
        if g.person is None:
            return portal.welcome()
        return render_template(
            "customer/home.html", groups=tiles(g.person.claims), facts=facts(g.person.claims)
        )

    @app.get("/area/<key>")
    @portal.signed_in
    def area(key: str) -> Answer:
        found = BY_KEY.get(key)
        if found is None:
            abort(404)
        if found.key not in permissions(g.person.claims):
            return render_template("customer/refused.html", area=found), 403
        return render_template("customer/area.html", area=found)


def permissions(claims: dict[str, Any]) -> frozenset[str]:
    """The permissions of an ID token; a claim of another shape gives none."""
    value = claims.get("permissions")
    if not isinstance(value, list):
        return frozenset()
    return frozenset(one for one in value if isinstance(one, str))


def tiles(claims: dict[str, Any]) -> list[tuple[tuple[str, str] | None, list[Area]]]:
    """The areas a person may enter, in the catalogue's order: those without a group, then each group."""
    held = permissions(claims)
    found: list[tuple[tuple[str, str] | None, list[Area]]] = []
    for key, name in (("", None), *GROUPS.items()):
        areas = [area for area in AREAS if area.group == key and area.key in held]
        if areas:
            found.append((name, areas))
    return found


def who() -> dict[str, Any]:
    """Name, company and role of the person of this request, for the head of a page."""
    known = {**g.person.userinfo, **g.person.claims}
    organization = known.get("organization")
    name = known.get("name") or known.get("preferred_username") or known.get("email")
    return {
        "name": str(name or say("Ihr Konto", "Your account")),
        "greeting": str(known.get("given_name") or name or ""),
        "organization": organization if isinstance(organization, dict) else {},
        "two_factors": str(known.get("acr", "")).startswith("urn:lotse:acr:aal2"),
    }


def facts(claims: dict[str, Any]) -> list[tuple[str, str, tuple[str, str]]]:
    """Each claim of an ID token with its value as text and what it means."""
    return [
        (name, readable(name, value), CLAIM_MEANINGS.get(name, ("", ""))) for name, value in claims.items()
    ]


def readable(name: str, value: Any) -> str:
    """A claim's value as text; times also in words, in UTC."""
    if name in TIMES and isinstance(value, int | float):
        return f"{value} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def day(value: str) -> str:
    """A date of the API in the reader's manner; anything else as it is."""
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return value
    return say(f"{found:%d.%m.%Y}", f"{found.day} {found:%B %Y}")


def money(value: str) -> str:
    """An amount of the API, in euros, in the reader's manner; anything else as it is."""
    try:
        found = f"{Decimal(value):,.2f}"
    except InvalidOperation:
        return value
    return say(found.translate(str.maketrans(",.", ".,")) + "\u00a0€", f"€{found}")


def ask_orders(http: httpx.Client, base_url: str, bearer: str) -> dict[str, Any]:
    """What the orders API answers to a bearer token; status 0 when it does not answer."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        response = http.get(base_url + "/orders", headers=headers)
        content = response.json()
    except (httpx.HTTPError, ValueError):
        return {"status": 0, "challenge": "", "content": {}, "text": ""}
    return {
        "status": response.status_code,
        "challenge": response.headers.get("WWW-Authenticate", ""),
        "content": content if isinstance(content, dict) else {},
        "text": json.dumps(content, ensure_ascii=False, indent=2),
    }
