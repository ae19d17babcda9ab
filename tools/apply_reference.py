"""Writes ``docs/reference/apply.md`` from what ``idp apply`` reads; a test says when it is out of date.

Usage: ``python tools/apply_reference.py``.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, get_args, get_type_hints

from idp.management.documents import FIELDS
from idp.oidc.client_fields import ClientMetadata
from idp.oidc.client_metadata import validate

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "apply.md"

_HEAD = """\
# The file of `idp apply`

Written by `tools/apply_reference.py` from the code that reads such a file.

The file is TOML. It is checked as a whole, and with one mistake in it nothing is changed; a key that is not
below is a mistake. What the file does not name stays as it is; a field that is left out of a named table has
its default. `--dry-run` says what would change. The names and descriptions of all tables but `client` and
`organization` are tables with `de` and `en`. Examples: [clients](../how-to/clients.md#by-file),
[old portals](../how-to/legacy-import.md).
"""

MEANINGS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "client": {
            "client_id": "Needed: small letters, digits and hyphens. It does not change.",
            "client_name": "What people read.",
            "kind": "`web`, `spa`, `native`, `machine` or `device`. The defaults here are those of `web`.",
            "first_party": "It belongs to the operator: people are not asked for consent.",
            "redirect_uris": "Where answers go; needed for the code flow, and compared exactly.",
            "post_logout_redirect_uris": "Where people may be sent after sign-out.",
            "grant_types": "What it may ask tokens with.",
            "response_types": "`code`, or none without the code flow.",
            "scope": "What it may ask for, with blanks between.",
            "token_endpoint_auth_method": "How it proves who it is; `none` where it can keep no secret.",
            "id_token_signed_response_alg": "Algorithm of its ID tokens.",
            "userinfo_signed_response_alg": "Sign what userinfo tells it; else it is plain JSON.",
            "require_pkce": "False is for certification only.",
            "audiences": "Client ids of the APIs its access tokens are for; else the issuer.",
            "access_token_format": "`jwt` or `opaque`.",
            "resource_uri": "As an API: portals ask for its tokens by this address (RFC 8707).",
            "strict_revocation": "Keep a record of each token it gets for itself, so that all end with it.",
            "default_acr_values": "Levels it demands with every request.",
            "default_max_age": "Seconds after which the first factor is asked again.",
            "require_membership": "Only members of an organisation may use it.",
            "product": "The product family of its people, who are not asked then.",
            "home_uri": "Where a person is led back to.",
            "initiate_login_uri": "Where a sign-in can be started.",
            "logo_uri": "An image shown where people sign in and consent.",
            "policy_uri": "What it says about privacy; linked there.",
            "tos_uri": "Its terms of use; linked there.",
            "backchannel_logout_uri": "Where logout tokens go.",
            "backchannel_logout_session_required": "Kept; logout tokens have `sid` in any case.",
            "frontchannel_logout_uri": "Page that is framed when people sign out.",
            "frontchannel_logout_session_required": "Kept; the frame gets `iss` and `sid` in any case.",
            "allowed_origins": "Origins whose scripts may read answers; a `spa` has its own.",
            "jwks": "Its public keys, a JWK set.",
            "jwks_uri": "Where it publishes them.",
            "token_endpoint_auth_signing_alg": "What it signs its assertions with.",
            "request_object_signing_alg": "What it signs requests with.",
            "require_pushed_authorization_requests": "Only requests it pushed itself are taken (RFC 9126).",
            "subject_type": "`pairwise`: a `sub` that no client of another host knows.",
            "sector_identifier_uri": "Lists all redirect URIs of a pairwise client with several hosts.",
            "dpop_bound_access_tokens": "Only tokens that are bound to a key of its own (RFC 9449).",
        },
        "catalogue": {
            "client": "Needed: the client id whose permissions these are.",
            "group": "Tables `[[catalogue.group]]`.",
            "permission": "Tables `[[catalogue.permission]]`, in the order in which people see them.",
        },
        "catalogue.group": {
            "key": "Needed: small letters, digits and `_`.",
            "name": "Needed.",
            "description": "Optional.",
        },
        "catalogue.permission": {
            "key": "Needed, and what tokens carry: small letters, digits and `_`.",
            "name": "Needed.",
            "description": "Needed.",
            "group": "Key of a group of this catalogue.",
            "delegable": "Whether administrators of an organisation may give it to members; true.",
        },
        "organization": {
            "customer_number": "Needed; it names the organisation.",
            "name": "Needed.",
            "join_policy": "`admin_approval`, `posted_code` or `number_only`; else `organizations.join`.",
            "require_second_factor": "Whether its members must use one; false.",
            "address": "Lines under the name on letters, at most four of 40 characters.",
            "permissions": "What it gets: client ids to lists of keys, `*` for all; none is taken away.",
        },
        "legacy_directory": {
            "slug": "Needed; it names the directory.",
            "name": "Needed.",
            "kind": "`imported`, or `https` for one that checks for itself; `imported`.",
            "endpoint": "The address that checks, for `https`.",
            "product_families": "Slugs of the families it serves; else whoever no other one does.",
            "offer_at_sign_in": "Whether old credentials at the sign-in page lead to the link; false.",
            "permissions": "Name of an old permission to a table of client id to list of keys.",
        },
        "product_family": {
            "slug": "Needed; it names the family.",
            "country": "Needed: two capital letters, such as DE.",
            "name": "Needed. Pages list families in the order of the file.",
            "home": "Client id of the portal its people go on to.",
        },
    }
)


def reference() -> str:
    """Return the page."""
    parts = [_HEAD]
    for table, fields in FIELDS.items():
        parts.append(f"## `[[{table}]]`\n")
        if table == "client":
            parts += ["| field | value | default | what it says |", "|---|---|---|---|", *_of_client(fields)]
        else:
            parts += ["| field | what it says |", "|---|---|"]
            parts += [f"| `{field}` | {MEANINGS[table][field]} |" for field in fields]
        parts.append("")
    return "\n".join(parts)


def _of_client(fields: tuple[str, ...]) -> list[str]:
    """Return the rows of a client, with what one has that says nothing but its id and redirect URI."""
    least = validate({"client_id": "x", "redirect_uris": ["https://portal.example.de/callback"]})
    kinds = get_type_hints(ClientMetadata)
    rows = []
    for field in fields:
        default = "–" if field in ("client_id", "redirect_uris") else _shown(getattr(least, field))
        default = "the id" if field == "client_name" else default
        rows.append(f"| `{field}` | {_kind(kinds[field])} | {default} | {MEANINGS['client'][field]} |")
    return rows


def _kind(hint: object) -> str:
    """Return what a field's type is in TOML."""
    names = {bool: "true, false", int: "number", str: "text", list[str]: "list"}
    kinds = get_args(hint) if type(None) in get_args(hint) else (hint,)
    return names.get(kinds[0], "table")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value) or "–"
    return "–" if value is None else f"`{value}`"


if __name__ == "__main__":
    TARGET.write_text(reference(), "utf-8")
