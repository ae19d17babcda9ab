"""What the hot statements find: an authorization with all that decides about it, and a person's claims."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from idp.accounts.principal import Standing
from idp.authentication.assurance import MULTI_FACTOR


def decoded(stored: Any) -> Any:
    """Return a JSON column's value; SQLite's driver hands it over as text."""
    return json.loads(stored) if isinstance(stored, str | bytes) else stored


class AuthorizationFacts(NamedTuple):
    """An authorization with all that decides what may still come of it."""

    authorization_id: str
    client_row_id: str
    account_id: str
    sub: str
    scope: str
    acr: str
    amr: str
    auth_time: int
    nonce: str | None
    sid: str | None
    redirect_uri: str
    code_challenge: str | None
    authorization_expires_at: int
    revoked_at: int | None
    issued_account_epoch: int
    issued_installation_epoch: int
    issued_membership_epoch: int | None
    claims_request: Any
    resources: Any
    cnf: Any
    account_status: str
    account_epoch: int
    membership_id: str | None
    membership_status: str | None
    membership_epoch: int | None
    membership_version: int | None
    role: str | None
    organization_id: str | None
    organization_name: str | None
    customer_number: str | None
    organization_status: str | None
    organization_version: int | None
    second_factor_demanded: bool | None
    installation_epoch: int
    #: the row that was consumed to get here
    consumed_id: str | None = None

    @property
    def requested_claims(self) -> Mapping[str, Any] | None:
        """The ``claims`` parameter; SQLite's driver hands JSON over as text."""
        loaded: Mapping[str, Any] | None = decoded(self.claims_request)
        return loaded

    @property
    def authorized_resources(self) -> list[str] | None:
        """The resource servers the authorization request named; None: it named none (RFC 8707)."""
        loaded: list[str] | None = decoded(self.resources)
        return loaded

    @property
    def jkt(self) -> str | None:
        """Thumbprint of the key that the authorization is bound to (RFC 9449 §5, §10)."""
        cnf = decoded(self.cnf)
        return cnf["jkt"] if cnf else None

    @property
    def standing(self) -> Standing:
        """Return what the gate asks."""
        return Standing(
            account_status=self.account_status,
            account_epoch=self.account_epoch,
            issued_account_epoch=self.issued_account_epoch,
            installation_epoch=self.installation_epoch,
            issued_installation_epoch=self.issued_installation_epoch,
            membership_status=self.membership_status,
            membership_epoch=self.membership_epoch,
            issued_membership_epoch=self.issued_membership_epoch,
            organization_status=self.organization_status,
            # not by acr, which names no more than a request demanded
            second_factor_missing=bool(self.second_factor_demanded) and MULTI_FACTOR not in self.amr.split(),
            revoked=self.revoked_at is not None,
        )


class PersonFacts(NamedTuple):
    """What an account tells of its person; of several addresses of a kind the oldest."""

    username: str | None
    name: str | None
    given_name: str | None
    family_name: str | None
    middle_name: str | None
    nickname: str | None
    profile: str | None
    picture: str | None
    website: str | None
    gender: str | None
    birthdate: str | None
    zoneinfo: str | None
    locale: str | None
    address_json: Any
    updated_micros: int
    email_id: str | None
    email_sealed: bytes | None
    email_verified_micros: int | None
    phone_id: str | None
    phone_sealed: bytes | None
    phone_verified_micros: int | None

    @property
    def address(self) -> Mapping[str, Any] | None:
        """The members of the ``address`` claim."""
        members: Mapping[str, Any] | None = decoded(self.address_json)
        return members
