"""What a person lets a client have (OIDC Core §3.1.2.4, §5.5, §11; RFC 6749 §3.3; req 16).

The rules come first and are pure; then what is stored: one standing decision a person and client, which ends
only when it is withdrawn.  What was left unticked is kept too, so that the same request does not ask again.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select, update

from idp.accounts import identifiers
from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.db import new_id
from idp.errors import Refusal
from idp.oidc.claims import (
    ORGANIZATIONAL,
    claims_given,
    claims_of,
    limited,
    requested_names,
    requested_scopes,
)
from idp.oidc.client_values import OFFLINE
from idp.oidc.clients import RegisteredClient
from idp.oidc.models import Consent
from idp.prepared import Prepared, insert_rows

OPENID: Final = "openid"


@dataclass(frozen=True, slots=True)
class Extent:
    """Scopes, and claims beside those that the scopes bring: what is asked for, or what is allowed."""

    scopes: frozenset[str] = frozenset()
    claims: frozenset[str] = frozenset()

    def __or__(self, other: "Extent") -> "Extent":
        return Extent(self.scopes | other.scopes, self.claims | other.claims)

    def __and__(self, other: "Extent") -> "Extent":
        return Extent(self.scopes & other.scopes, self.claims & other.claims)

    def __sub__(self, other: "Extent") -> "Extent":
        return Extent(self.scopes - other.scopes, self.claims - other.claims)

    def __bool__(self) -> bool:
        return bool(self.scopes or self.claims)

    @property
    def of_companies(self) -> frozenset[str]:
        """What of it tells of the company that somebody acts for."""
        return ORGANIZATIONAL & (self.scopes | self.claims)


NOTHING: Final = Extent()


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about one client."""

    allowed: Extent = NOTHING
    #: shown, and left unticked
    declined: Extent = NOTHING
    #: of what is allowed, what may be told of which company: a claim's name and the company's id
    organizations: frozenset[tuple[str, str]] = frozenset()

    @property
    def reach(self) -> Extent:
        """What is allowed, with the claims that an allowed scope brings."""
        return self.allowed | Extent(claims=claims_of(self.allowed.scopes))

    def answers(self, wanted: Extent) -> bool:
        """Tell whether all that is wanted was decided before."""
        return not wanted - (self.reach | self.declined)

    def may_tell(self, wanted: Extent, organization_id: str | None) -> bool:
        """Tell whether what of this is allowed may be told of the company that somebody acts for."""
        told = (wanted & self.reach).of_companies if organization_id is not None else ()
        return all((name, organization_id) in self.organizations for name in told)


@dataclass(frozen=True, slots=True)
class Granted:
    """What an authorization is for."""

    scope: str
    claims: Mapping[str, Any]

    @property
    def offline(self) -> bool:
        """Tell whether it outlives the session (OIDC Core §11)."""
        return OFFLINE in self.scope.split()


def asked(client: RegisteredClient, scope: str, claims: Mapping[str, Any]) -> Extent:
    """Return what a request asks for; a claim that an asked scope brings goes with that scope."""
    scopes = frozenset(client.get_allowed_scope(scope).split()) | requested_scopes(claims)
    return Extent(scopes, requested_names(claims) - claims_of(scopes))


def fixed(client: RegisteredClient, wanted: Extent) -> Extent:
    """Return what is no choice: who agrees at all is recognised; the operator's own portals know its people.

    Access while the person is away is everybody's own choice (OIDC Core §11).
    """
    if client.first_party:
        return wanted - Extent(frozenset({OFFLINE}))
    return wanted & Extent(frozenset({OPENID}))


def rests_on_decision(client: RegisteredClient, scopes: Collection[str]) -> bool:
    """Tell whether the person decides something of a request, which stands and can be withdrawn."""
    return not client.first_party or OFFLINE in scopes


def must_ask(
    client: RegisteredClient,
    scope: str,
    claims: Mapping[str, Any],
    decision: Decision | None,
    *,
    organization_id: str | None,
) -> bool:
    """Tell whether a person has to be asked before this client gets anything (req 16).

    :param organization_id: the company they act for.
    """
    if client.first_party:
        return False
    wanted = asked(client, scope, claims)
    return decision is None or not (decision.answers(wanted) and decision.may_tell(wanted, organization_id))


def granted(
    client: RegisteredClient, scope: str, claims: Mapping[str, Any], decision: Decision | None
) -> Granted:
    """Return what of a request is granted: what is no choice, and what of the rest was allowed."""
    wanted = asked(client, scope, claims)
    allowed = (fixed(client, wanted) | (decision or Decision()).reach) & wanted
    words = client.get_allowed_scope(scope).split()
    return Granted(
        scope=" ".join(word for word in words if word in allowed.scopes),
        claims=limited(claims, allowed.claims | claims_given(allowed.scopes)),
    )


_FIND: Final = Prepared(
    select(
        Consent.scope,
        Consent.claims,
        Consent.declined_scope,
        Consent.declined_claims,
        Consent.organizations,
    ).where(Consent.account_id == bindparam("account"), Consent.client_id == bindparam("client"))
)


def find(ctx: Context, account_id: str, client_row_id: str) -> Decision | None:
    """Return what a person decided about a client, or None."""
    row = _FIND.first(ctx.db, account=account_id, client=client_row_id)
    if row is None:
        return None
    return Decision(_extent(row[0], row[1]), _extent(row[2], row[3]), frozenset(map(tuple, row[4])))


def grant_now(
    ctx: Context,
    account_id: str,
    client: RegisteredClient,
    scope: str,
    claims: Mapping[str, Any],
    *,
    organization_id: str | None,
) -> Granted:
    """Return what is granted at this moment; the caller holds the account, which a withdrawal locks too.

    Asks nothing for a client of the operator's own that wants no offline access.

    :param organization_id: the company the person acts for.
    :raises Refusal: ``principal.may_not_act`` where a consent is needed that was withdrawn meanwhile.
    """
    decided = rests_on_decision(client, scope.split())
    decision = find(ctx, account_id, client.row_id) if decided else None
    if must_ask(client, scope, claims, decision, organization_id=organization_id):
        raise Refusal("principal.may_not_act")
    return granted(client, scope, claims, decision)


def decide(
    ctx: Context,
    account_id: str,
    client: RegisteredClient,
    wanted: Extent,
    ticked: Extent,
    *,
    organization_id: str | None = None,
) -> Extent:
    """Store what a person decided; decisions about what was not asked now stay as they were.

    Returns what was allowed before and is not any more: the caller ends what was issued with it.

    :param ticked: what of the choices may be had; what was not wanted is ignored.
    :param organization_id: the company whose values the person was shown, None where it was none.
    :raises Refusal: ``principal.may_not_act`` when the account is gone.
    """
    if identifiers.locked_account(ctx, account_id) is None:
        raise Refusal("principal.may_not_act")
    known = find(ctx, account_id, client.row_id)
    old = known or Decision()
    yes = (fixed(client, wanted) | ticked) & wanted
    allowed = old.allowed - wanted | yes
    shown = {(name, organization_id) for name in yes.of_companies} if organization_id else set()
    companies = {pair for pair in old.organizations | shown if pair[0] in allowed.of_companies}
    new = Decision(allowed, old.declined - wanted | (wanted - yes), frozenset(companies))
    values = _columns(new) | {"updated_at": ctx.now}
    if known is None:
        keys = {"id": new_id(), "account_id": account_id, "client_id": client.row_id, "created_at": ctx.now}
        insert_rows(ctx.db, (Consent, keys | values))
    else:
        mine = (Consent.account_id == account_id, Consent.client_id == client.row_id)
        ctx.db.execute(update(Consent).where(*mine).values(values))
    record(
        ctx,
        Event.CONSENT_GIVEN,
        target=("account", account_id),
        client=client.client_id,
        old=_fact(old.allowed) if known else None,
        new=_fact(new.allowed) | ({"organization": organization_id} if shown else {}),
    )
    return old.reach - new.reach


def decline(ctx: Context, account_id: str, client: RegisteredClient) -> None:
    """Note that a person gave a client nothing; what was allowed before stands until it is withdrawn."""
    record(ctx, Event.CONSENT_DECLINED, target=("account", account_id), client=client.client_id)


def _extent(scope: str, claims: list[str]) -> Extent:
    return Extent(frozenset(scope.split()), frozenset(claims))


def _columns(decision: Decision) -> dict[str, Any]:
    allowed, declined = decision.allowed, decision.declined
    return {
        "scope": " ".join(sorted(allowed.scopes)),
        "claims": sorted(allowed.claims),
        "declined_scope": " ".join(sorted(declined.scopes)),
        "declined_claims": sorted(declined.claims),
        "organizations": sorted(decision.organizations),
    }


def _fact(extent: Extent) -> dict[str, Any]:
    return {"scope": " ".join(sorted(extent.scopes)), "claims": sorted(extent.claims)}
