"""The one gate that every mint, every session read and every answer about a token asks (design rule D1).

Each new reason for which somebody may no longer act is added here, and nowhere else.
"""

from dataclasses import dataclass

ACTIVE = "active"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known now about a principal, and what held when something was issued to it."""

    account_status: str
    account_epoch: int
    issued_account_epoch: int
    installation_epoch: int
    issued_installation_epoch: int
    #: None: acts for no organisation
    membership_status: str | None = None
    membership_epoch: int | None = None
    issued_membership_epoch: int | None = None
    organization_status: str | None = None
    #: the organisation demands a second factor, and none was used
    second_factor_missing: bool = False
    revoked: bool = False


def refusal_reason(standing: Standing) -> str | None:
    """Return why the principal may not act, as a word for the log, or None when it may."""
    if standing.revoked:
        return "revoked"
    if standing.account_status != ACTIVE:
        return f"account {standing.account_status}"
    if standing.account_epoch != standing.issued_account_epoch:
        return "account changed since"
    if standing.installation_epoch != standing.issued_installation_epoch:
        return "restored from backup since"
    if standing.issued_membership_epoch is None:
        return None
    return _membership_reason(standing)


def _membership_reason(standing: Standing) -> str | None:
    if standing.membership_status != ACTIVE:
        return f"membership {standing.membership_status or 'gone'}"
    if standing.membership_epoch != standing.issued_membership_epoch:
        return "membership changed since"
    if standing.organization_status != ACTIVE:
        return f"organization {standing.organization_status}"
    if standing.second_factor_missing:
        return "organization demands a second factor"
    return None


def principal_may_act(standing: Standing) -> bool:
    """Tell whether the principal may act now (req 23)."""
    return refusal_reason(standing) is None
