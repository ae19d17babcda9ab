"""A resource server that takes JWT access tokens (:rfc:`6750`, :rfc:`9068` §4)."""

import logging
import re
import time
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from clients.shared import claims as rules
from clients.shared.issuer import Claims, Issuer, IssuerUnavailable, TokenRefused

log = logging.getLogger("clients")
SCOPE = "orders"
BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")
ORDERS: dict[str, list[dict[str, Any]]] = {
    "100200300": [
        {
            "number": "A-1047",
            "date": "2026-09-14",
            "item": "Sage 50 Connected, 5 Arbeitsplätze",
            "total": "415.00",
        },
        {"number": "A-1102", "date": "2026-10-02", "item": "Lohnabrechnung, 12 Monate", "total": "1188.00"},
        {"number": "A-1188", "date": "2026-11-17", "item": "Cloud-Speicher 500 GB", "total": "96.00"},
    ],
    "100200400": [
        {"number": "A-0931", "date": "2026-07-21", "item": "Sage 100, 2 Arbeitsplätze", "total": "980.00"},
        {"number": "A-1160", "date": "2026-11-03", "item": "Einrichtung vor Ort, 1 Tag", "total": "1190.00"},
    ],
}
"""Orders by customer number; amounts in euros."""


@dataclass(frozen=True)
class Config:
    """The issuer to trust, and the name the API has in the audience of its tokens."""

    issuer: str
    client_id: str
    trust_ca: str | None = None


class ScopeMissing(Exception):
    """The token is good, but not for this."""


def create_app(config: Config) -> Flask:
    """The WSGI application of the orders API."""
    app = Flask("clients.orders_api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 65_536
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # of the default provider only
    issuer = Issuer(config.issuer, config.trust_ca)

    @app.get("/")
    def about() -> Response:
        return jsonify(name="orders-api", issuer=config.issuer, resources=["/orders"], scope=SCOPE)

    @app.get("/orders")
    def orders() -> Response:
        claims = admit(issuer, config, request.headers.getlist("Authorization"), time.time())
        number = customer_number(claims)
        return jsonify(customer_number=number, orders=ORDERS.get(number or "", []))

    app.register_error_handler(TokenRefused, refuse)
    app.register_error_handler(ScopeMissing, refuse_scope)
    app.register_error_handler(IssuerUnavailable, unavailable)
    app.register_error_handler(HTTPException, http_error)
    app.after_request(protect)
    return app


def admit(issuer: Issuer, config: Config, authorization: list[str], now: float) -> Claims:
    """The claims of the access token in the ``Authorization`` header, the only place it is taken from.

    Raises ``TokenRefused`` (with no text when there was no token), ``ScopeMissing``, ``IssuerUnavailable``.
    """
    if not authorization:
        raise TokenRefused("")
    match = BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
    if match is None:
        raise TokenRefused("not a bearer token")
    claims = issuer.verify(match[1], rules.ACCESS_TOKEN_TYPES)
    rules.check_common(claims, issuer=config.issuer, audience=config.client_id, now=now)
    for name in ("sub", "client_id", "jti"):
        rules.text(claims, name)
    # RFC 9449 §7.2: a token bound to a key is worth nothing without the proof, which this API does not take.
    if "cnf" in claims:
        raise TokenRefused("bound to a key")
    if SCOPE not in str(claims.get("scope", "")).split(" "):
        raise ScopeMissing
    return claims


def customer_number(claims: Claims) -> str | None:
    """The customer number of the organisation a token was issued for; None for a token without one."""
    organization = claims.get("organization")
    number = organization.get("customer_number") if isinstance(organization, dict) else None
    return number if isinstance(number, str) else None


def refuse(refusal: TokenRefused) -> Response:
    """401; without any token the challenge names no error (:rfc:`6750` §3.1)."""
    reason = str(refusal)
    log.info("access token refused: %s", reason or "none")
    challenge = 'Bearer realm="orders-api"'
    if reason:
        challenge += f', error="invalid_token", error_description="{reason}"'
    answer = jsonify(error="invalid_token", error_description=reason or "an access token is needed")
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = challenge
    return answer


def refuse_scope(_: ScopeMissing) -> Response:
    """403, naming the scope that is missing."""
    answer = jsonify(error="insufficient_scope", error_description="the token lacks a scope", scope=SCOPE)
    answer.status_code = 403
    answer.headers["WWW-Authenticate"] = (
        f'Bearer realm="orders-api", error="insufficient_scope", scope="{SCOPE}"'
    )
    return answer


def unavailable(problem: IssuerUnavailable) -> Response:
    """503: without the issuer's keys nothing can be decided."""
    log.warning("issuer unavailable: %s", problem)
    answer = jsonify(error="temporarily_unavailable", error_description="the issuer does not answer")
    answer.status_code = 503
    answer.headers["Retry-After"] = "10"
    return answer


def http_error(error: HTTPException) -> Response:
    """Any other refusal, as JSON."""
    answer = jsonify(error=error.name)
    answer.status_code = error.code or 500
    return answer


def protect(response: Response) -> Response:
    """The headers every answer carries."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
    return response
