"""The demo's clients and companies as a document of ``idp apply`` (design §5)."""

import tomllib
from importlib.resources import files
from typing import Any

from idp.cli.demo.people import BEISPIEL, MUSTER
from idp.cli.demo.plan import Plan

PORTAL = "customer-portal"
PROBES = ("probe", "probe-public")
DEVICE = "device-cli"
CLIENTS = (PORTAL, "support-portal", "orders-api", DEVICE, *PROBES)
COMPANIES = (("Muster GmbH", MUSTER), ("Beispiel AG", BEISPIEL))

_EVERY_SCOPE = "openid profile email phone address offline_access organization permissions"


def document(plan: Plan) -> dict[str, Any]:
    """Return what the installation is made at each start: ports and flags may have changed."""
    catalogue = files("idp.management").joinpath("data/customer-portal.toml").read_text("utf-8")
    return {
        "client": [
            {
                "client_id": "orders-api",
                "client_name": "Auftrags-API",
                "kind": "machine",
                "first_party": True,
                "resource_uri": plan.orders_api,
            },
            _portal(
                PORTAL,
                "Kundenportal",
                plan.customer_portal,
                "openid profile email organization permissions orders",
            ),
            _portal(
                "support-portal", "Supportportal", plan.support_portal, "openid profile email organization"
            ),
            {
                "client_id": DEVICE,
                "client_name": "Beispielterminal",
                "kind": "device",
                "first_party": True,
                "scope": "openid profile email organization",
            },
            *(_probes(plan) if plan.client_redirects else ()),
        ],
        "organization": [
            {"customer_number": MUSTER, "name": "Muster GmbH", "permissions": {PORTAL: ["*"]}},
            {
                "customer_number": BEISPIEL,
                "name": "Beispiel AG",
                "join_policy": "number_only",
                "permissions": {PORTAL: ["documents", "licences", "support_requests", "contracts"]},
            },
        ],
        **tomllib.loads(catalogue),
    }


def _portal(client_id: str, name: str, address: str, scope: str) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_name": name,
        "kind": "web",
        "first_party": True,
        "redirect_uris": [f"{address}/callback"],
        "post_logout_redirect_uris": [f"{address}/signed-out"],
        "backchannel_logout_uri": f"{address}/backchannel-logout",
        "home_uri": f"{address}/",
        "initiate_login_uri": f"{address}/login",
        "scope": scope,
        "audiences": ["orders-api"],
        "require_membership": True,
    }


def _probes(plan: Plan) -> list[dict[str, Any]]:
    """Return the two clients that scripts from outside use."""
    common = {
        "first_party": True,
        "redirect_uris": list(plan.client_redirects),
        "post_logout_redirect_uris": list(plan.client_logout_redirects),
        "scope": _EVERY_SCOPE,
    }
    confidential, public = PROBES
    return [
        {
            "client_id": confidential,
            "client_name": "Probe",
            "kind": "web",
            "token_endpoint_auth_method": "client_secret_basic",
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            **common,
        },
        {"client_id": public, "client_name": "Probe (public)", "kind": "spa", **common},
    ]
