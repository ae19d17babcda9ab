"""What a client would be told about a person, in words with the own values (screens L-11, L-14; req 16).

The values come from where userinfo takes them, never from a request.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from flask_babel import get_locale, gettext, ngettext

from idp.oidc.claims import BY_SCOPE
from idp.oidc.client_values import OFFLINE, OPENID_SCOPES
from idp.oidc.clients import RegisteredClient
from idp.oidc.consent import OPENID, Extent
from idp.oidc.userinfo import personal_claims
from idp.organizations import permissions
from idp.organizations.memberships import MembershipFacts
from idp.web.context import current
from idp.web.formats import birthday, language_name, moment
from idp.web.portals import provider
from idp.web.wording.names import CLAIMS, GENDERS, ROLES, SCOPES

_ADDRESS: Final = ("street_address", "postal_code", "locality", "region", "country")
_VERIFIED: Final = {"email": "email_verified", "phone_number": "phone_number_verified"}

Row = tuple[str, str]
"""What it is called, and its value."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to be told: a scope, or a claim that is asked for by itself."""

    #: what it is called in the form
    field: str
    label: str
    rows: tuple[Row, ...] = ()
    #: a sentence where there is no value
    hint: str | None = None


def items(
    client: RegisteredClient, account_id: str, membership: MembershipFacts | None, extent: Extent
) -> list[Item]:
    """Return what the client would be told, scopes first, in an order that stays."""
    known = [scope for scope in (*OPENID_SCOPES, OFFLINE) if scope in extent.scopes]
    own = sorted(extent.scopes - set(known))
    values = _personal_values(account_id, extent)
    found = [_scope(scope, client, membership, values) for scope in known]
    found += [_of_a_service(scope, client) for scope in own]
    claims = [name for name in CLAIMS if name in extent.claims]
    return found + [_item(claim_field(name), str(CLAIMS[name]), _rows([name], values)) for name in claims]


def duration(client: RegisteredClient, *, offline: bool = False) -> str:
    """Return how long a client may fetch what it is told, at most.

    :param offline: beyond the session for certain; where that is a tick, the tick has words of its own.
    """
    tokens = current().settings.tokens
    if offline:
        words = ngettext(
            "auch wenn Sie sich abmelden, höchstens %(num)d Tag",
            "auch wenn Sie sich abmelden, höchstens %(num)d Tage",
            tokens.offline_days,
        )
    elif client.check_grant_type("refresh_token"):
        words = ngettext(
            "bis Sie sich abmelden, höchstens %(num)d Tag",
            "bis Sie sich abmelden, höchstens %(num)d Tage",
            tokens.refresh_days,
        )
    else:
        words = ngettext(
            "nur jetzt, höchstens %(num)d Minute",
            "nur jetzt, höchstens %(num)d Minuten",
            -(-tokens.access_token_seconds // 60),
        )
    return str(words)


def scope_field(scope: str) -> str:
    """Return what a scope's tick is called."""
    return f"scope.{scope}"


def claim_field(claim: str) -> str:
    """Return what a claim's tick is called."""
    return f"claim.{claim}"


def ticked(extent: Extent, fields: Collection[str]) -> Extent:
    """Return what of an extent was ticked in a form."""
    return Extent(
        frozenset(scope for scope in extent.scopes if scope_field(scope) in fields),
        frozenset(claim for claim in extent.claims if claim_field(claim) in fields),
    )


def _personal_values(account_id: str, extent: Extent) -> Mapping[str, Any]:
    names = {name for scope in extent.scopes for name in BY_SCOPE.get(scope, ())} | extent.claims
    person = provider().statements.person(account_id) if names else None
    return personal_claims(current().vault, person, names) if person else {}


def _scope(
    scope: str, client: RegisteredClient, membership: MembershipFacts | None, values: Mapping[str, Any]
) -> Item:
    field, label = scope_field(scope), str(SCOPES[scope])
    if scope == OPENID:
        return Item(
            field,
            label,
            hint=gettext(
                "Eine zufällige Zeichenfolge, an der %(portal)s Sie wiedererkennt.", portal=client.client_name
            ),
        )
    if scope == OFFLINE:
        return Item(field, label, hint=_offline_hint(client))
    if scope == "organization":
        return _item(field, label, _organization(membership))
    if scope == "permissions":
        return _item(field, label, _permissions(client, membership))
    return _item(field, label, _rows(BY_SCOPE[scope], values))


def _of_a_service(scope: str, client: RegisteredClient) -> Item:
    """Return a scope that belongs to a resource server."""
    clients = provider().snapshots.current().clients
    names = [clients[name].client_name if name in clients else name for name in client.audiences]
    label = gettext("Zugriff auf %(service)s", service=", ".join(names) or client.client_name)
    return Item(scope_field(scope), label, ((gettext("Umfang"), scope),))


def _item(field: str, label: str, rows: Iterator[Row]) -> Item:
    found = tuple(rows)
    return Item(field, label, found, None if found else gettext("Dazu ist bei uns nichts gespeichert."))


def _rows(names: Collection[str], values: Mapping[str, Any]) -> Iterator[Row]:
    for name in CLAIMS:
        if name not in names or name not in values or _told_with_its_address(name, names):
            continue
        text = _text(name, values[name])
        verified = values.get(_VERIFIED.get(name, ""))
        if verified is not None and _VERIFIED[name] in names:
            state = gettext("bestätigt") if verified else gettext("nicht bestätigt")
            text = f"{text} ({state})"
        yield str(CLAIMS[name]), text


def _told_with_its_address(name: str, names: Collection[str]) -> bool:
    return any(name == verified and address in names for address, verified in _VERIFIED.items())


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(gettext("ja") if value else gettext("nein"))
    match name:
        case "updated_at":
            return moment(datetime.fromtimestamp(value, UTC))
        case "birthdate":
            return birthday(value)
        case "locale":
            return language_name(value)
        case "gender":
            return str(GENDERS.get(value, value))
        case "address":
            # OIDC Core §5.1.1: what is formatted may have several lines
            lines = str(value.get("formatted") or "").splitlines()
            return ", ".join(lines or (str(value[part]) for part in _ADDRESS if value.get(part)))
    return str(value)


def _organization(membership: MembershipFacts | None) -> Iterator[Row]:
    if membership is not None:
        yield gettext("Name"), membership.organization_name
        yield gettext("Kundennummer"), membership.customer_number
        yield gettext("Rolle"), str(ROLES.get(membership.role, membership.role))


def _permissions(client: RegisteredClient, membership: MembershipFacts | None) -> Iterator[Row]:
    if membership is None:
        return
    db = current().db
    held = set(permissions.keys_for(db, membership.id, client.row_id))
    locale = get_locale()
    english = locale is not None and locale.language == "en"
    for entry in permissions.catalogue(db, client.row_id):
        if entry.key in held:
            yield (
                (entry.name_en, entry.description_en) if english else (entry.name_de, entry.description_de)
            )


def _offline_hint(client: RegisteredClient) -> str:
    words = ngettext(
        "%(portal)s darf die Angaben noch %(num)d Tag lang abrufen, auch wenn Sie abgemeldet sind.",
        "%(portal)s darf die Angaben noch %(num)d Tage lang abrufen, auch wenn Sie abgemeldet sind.",
        current().settings.tokens.offline_days,
        portal=client.client_name,
    )
    return str(words)
