"""Which level a session reaches now, from what was proven in it (OIDC Core §2, RFC 8176; req 13, 43).

Pure functions: nothing is stored, so a level lapses by itself.  A remembered device takes no part: who
skipped the second factor has proven one factor.  A fresh first factor begins anew: second
factors proven before it count no longer, or a repeated sign-in with the password alone would inherit aal2.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from idp.settings.models import SessionSettings

AAL1: Final = "urn:lotse:acr:aal1"
AAL2: Final = "urn:lotse:acr:aal2"
AAL2_PHR: Final = "urn:lotse:acr:aal2-phr"

LEVELS: Final = (AAL1, AAL2, AAL2_PHR)

PASSWORD: Final = "pwd"  # noqa: S105  (an amr value of RFC 8176)
APP: Final = "otp"
SMS: Final = "sms"
CALL: Final = "tel"
#: proof of possession of a key in hardware or software, without and with verification of the person
KEY: Final = "hwk"
PASSKEY: Final = "user"
#: beside the methods of aal2 and above
MULTI_FACTOR: Final = "mfa"

FIRST_FACTORS: Final = frozenset({PASSWORD, PASSKEY})
_SECOND: Final = frozenset({APP, SMS, CALL, KEY})
_PHISHING_RESISTANT: Final = frozenset({KEY, PASSKEY})


@dataclass(frozen=True, slots=True)
class Proof:
    """A factor that was proven: an amr value, and when."""

    method: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """How long aal2 counts."""

    aal2_idle: timedelta
    aal2_absolute: timedelta

    @classmethod
    def of(cls, settings: SessionSettings) -> "Limits":
        """Return the limits that the settings name."""
        return cls(timedelta(minutes=settings.aal2_idle_minutes), timedelta(hours=settings.aal2_hours))


@dataclass(frozen=True, slots=True)
class Assurance:
    """What may be said about a session now."""

    acr: str
    amr: tuple[str, ...]
    #: of the first factor; it moves only with a fresh one
    auth_time: datetime


def assess(
    proofs: Iterable[Proof],
    *,
    now: datetime,
    limits: Limits,
    active_since: datetime | None = None,
) -> Assurance:
    """Return level, methods and time of authentication of a session.

    :param active_since: begin of the use without a pause beyond the idle limit of aal2; what was proven
        before it counts no longer towards aal2.
    :raises ValueError: there is no first factor among the proofs.
    """
    ordered = sorted(proofs, key=lambda proof: proof.at)
    first = next((proof for proof in reversed(ordered) if proof.method in FIRST_FACTORS), None)
    if first is None:
        raise ValueError("a session without a first factor")
    horizon = max(now - limits.aal2_absolute, active_since or first.at)
    counted = [proof for proof in ordered if proof.at >= first.at and proof.at >= horizon]
    second = {proof.method for proof in counted if proof.method in _SECOND}
    verified_passkey = first.method == PASSKEY and first in counted
    if not second and not verified_passkey:
        return Assurance(AAL1, (first.method,), first.at)
    methods = {first.method} | second
    acr = AAL2_PHR if methods & _PHISHING_RESISTANT else AAL2
    return Assurance(acr, (*sorted(methods), MULTI_FACTOR), first.at)


def meets(acr: str, wanted: str) -> bool:
    """Tell whether a reached level satisfies a wanted one; a level we do not know is never met."""
    if acr not in LEVELS or wanted not in LEVELS:
        return False
    return LEVELS.index(acr) >= LEVELS.index(wanted)


def proven_within(
    proofs: Iterable[Proof], within: timedelta, *, now: datetime, has_second_factor: bool
) -> bool:
    """Tell whether a person has shown lately, by the strongest the account has, that it is them (req 53, 73).

    :param has_second_factor: of the account: then the password, which a remembered browser takes alone, is
        not enough.
    """
    known = [PASSKEY, *_SECOND] if has_second_factor else [*FIRST_FACTORS, *_SECOND]
    return any(proof.method in known and now - proof.at < within for proof in proofs)
