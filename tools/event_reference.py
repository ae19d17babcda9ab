"""Writes ``docs/reference/events.md`` from the enum of events; a test says when it is out of date.

Usage: ``python tools/event_reference.py``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from idp.audit import events
from idp.audit.events import FAILURES, Event

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "reference" / "events.md"

_HEAD = """\
# Audit events

Written by `tools/event_reference.py` from `idp/audit/events.py`.

An event is one row, written in the transaction of the change it tells of. Names never change their meaning.
How to read, check and export the log: [Audit log](../how-to/audit.md). A successful refresh, userinfo or
introspection is no event.

Every event can have an actor (`account`, `client`, `operator`, `system` or `anonymous`), a target (kind and
id), an organisation, a client, a session, `old` and `new` facts, a reason and a request id. The network
address (shortened to /24 or /48) and the browser are kept apart, and are erased after
`retention.audit_origin_days`; of the events marked *sooner*, after `retention.failed_sign_in_days`.

Names marked *later* are reserved: no code writes them yet.
"""

MEANINGS: Final[Mapping[Event, str]] = MappingProxyType(
    {
        Event.SIGN_IN_SUCCEEDED: "A person signed in.",
        Event.SIGN_IN_FAILED: "A password was wrong, or nobody has the name; what was typed is not kept.",
        Event.SIGN_IN_REFUSED: "The password was right, but the account or every membership is blocked.",
        Event.SIGN_IN_THROTTLED: "A try came before its time after too many wrong passwords.",
        Event.SECOND_FACTOR_SUCCEEDED: "A code was right.",
        Event.SECOND_FACTOR_FAILED: "A code was wrong or used before.",
        Event.SECOND_FACTOR_LOCKED: "Too many wrong codes: the sign-in starts again with the password.",
        Event.SECOND_PROOF_REQUESTED: "Beside the recovery password, a code to remove factors was mailed.",
        Event.SECOND_PROOF_FAILED: "Such a code was wrong or too old.",
        Event.DEVICE_REMEMBERED: "A browser may leave out the second factor from now on.",
        Event.DEVICE_FORGOTTEN: "It may no longer.",
        Event.SESSION_STARTED: "A session began.",
        Event.SESSION_STEPPED_UP: "A factor was proven in a session, a further one or the same once more.",
        Event.SESSION_ORGANIZATION_CHOSEN: "The person chose the organisation to act for.",
        Event.SESSION_ENDED: "A session ended; the reason says how.",
        Event.SESSIONS_ENDED: "Several sessions of an account ended together.",
        Event.CLIENT_NOTIFICATION_FAILED: "A portal could not be told of a sign-out.",
        Event.AUTHORIZATION_REFUSED: "A request at the authorization endpoint was refused.",
        Event.AUTHORIZATION_REVOKED: "An authorization ended, with all codes and tokens of it.",
        Event.CODE_ISSUED: "A portal got an authorization code.",
        Event.CODE_REPLAYED: "A code was presented a second time; all that came of it is revoked.",
        Event.CODE_MISUSED: "A code was presented wrongly and is burnt.",
        Event.REFRESH_TOKEN_REUSED: "A used refresh token came again; its family is revoked.",
        Event.TOKEN_REVOKED: "A client revoked an access token.",
        Event.DEVICE_REQUEST_CONNECTED: "A person let a device in; it gets tokens at its next poll.",
        Event.DEVICE_REQUEST_DENIED: "A person said that a device's request was not theirs.",
        Event.DEVICE_DISCONNECTED: "A person ended the access of one device.",
        Event.CONSENT_GIVEN: "A person let a portal have claims.",
        Event.CONSENT_DECLINED: "A person did not.",
        Event.CONSENT_WITHDRAWN: "A person took it back.",
        Event.CLIENT_AUTHENTICATION_FAILED: "A client presented a wrong secret or method.",
        Event.ACCOUNT_CREATED: "An account was made.",
        Event.ACCOUNT_CHANGED: "Its profile changed; `new` names the fields.",
        Event.ACCOUNT_BLOCKED: "Staff blocked it; everything issued ended.",
        Event.ACCOUNT_UNBLOCKED: "It may sign in again.",
        Event.ACCOUNT_TRIES_CLEARED: "Staff had wrong passwords and codes forgotten: it may be tried again.",
        Event.ACCOUNT_DELETED: "Access ended.",
        Event.ACCOUNT_RESTORED: "A deletion was undone.",
        Event.ACCOUNT_EXPORTED: "Its owner downloaded everything that is held about them.",
        Event.ACCOUNT_ERASED: "Its personal data are gone.",
        Event.IDENTIFIER_ADDED: "An address or number was added; the text itself is not in the log.",
        Event.IDENTIFIER_VERIFIED: "An address or number was proven.",
        Event.IDENTIFIER_REMOVED: "An address or number was removed.",
        Event.PASSWORD_CHANGED: "A password was set or changed.",
        Event.PASSWORD_RESET: "A forgotten password was replaced.",
        Event.PASSWORD_REHASHED: "A right password was stored anew with today's cost.",
        Event.AUTHENTICATOR_ADDED: "A second factor was added.",
        Event.AUTHENTICATOR_CHANGED: "A second factor was renamed.",
        Event.AUTHENTICATOR_REMOVED: "A second factor was removed.",
        Event.RECOVERY_CODES_CREATED: "A new set of recovery codes was shown.",
        Event.RECOVERY_CODE_USED: "A recovery code was used up.",
        Event.RECOVERY_PASSWORD_CREATED: "A recovery password was saved, also in an older one's place.",
        Event.RECOVERY_PASSWORD_REFUSED: "A recovery password was wrong, or tried too often.",
        Event.RECOVERY_PASSWORD_USED: "A recovery password gave its person a new password.",
        Event.RECOVERY_PASSWORD_REMOVED: "A young one went with a reset by mail or the undo of an address.",
        Event.ACCOUNT_AFFILIATION_CHOSEN: "The person chose a product family.",
        Event.PRODUCT_FAMILY_CHANGED: "A product family was made or changed; `new` names the fields.",
        Event.LEGACY_ACCOUNT_LINKED: "An old account was linked.",
        Event.LEGACY_ACCOUNT_UNLINKED: "The link was undone.",
        Event.LEGACY_LINK_REFUSED: "An old account was not linked: wrong password, too many tries, or taken.",
        Event.LEGACY_DIRECTORY_CREATED: "An old portal was described.",
        Event.LEGACY_DIRECTORY_CHANGED: "Its description changed; `new` names the fields.",
        Event.LEGACY_DIRECTORY_IMPORTED: "A file of old accounts was imported; `new` has the counts.",
        Event.LEGACY_DIRECTORY_TRIES_CLEARED: "Staff had wrong passwords of an old account forgotten.",
        Event.LEGACY_DIRECTORY_SECRET_CHANGED: "Its endpoint got another secret.",
        Event.ORGANIZATION_CREATED: "An organisation was made.",
        Event.ORGANIZATION_CHANGED: "Its name or rules changed.",
        Event.ORGANIZATION_SUSPENDED: "Nobody acts for it any more.",
        Event.ORGANIZATION_RESUMED: "Its members may act again.",
        Event.ORGANIZATION_DELETED: "It is gone.",
        Event.ORGANIZATION_PERMISSION_GRANTED: "It holds a permission, and may give it to members.",
        Event.ORGANIZATION_PERMISSION_WITHDRAWN: "It holds it no longer.",
        Event.MEMBERSHIP_INVITED: "A person was invited.",
        Event.MEMBERSHIP_REQUESTED: "A person asked to join.",
        Event.MEMBERSHIP_REQUEST_WITHDRAWN: "A person took back what they had asked for.",
        Event.MEMBERSHIP_CREATED: "A person became a member.",
        Event.MEMBERSHIP_ACTIVATED: "A waiting membership was approved.",
        Event.MEMBERSHIP_BLOCKED: "A membership was blocked; what it had ended.",
        Event.MEMBERSHIP_UNBLOCKED: "It counts again; what ended stays ended.",
        Event.MEMBERSHIP_ENDED: "A membership ended.",
        Event.MEMBERSHIP_RESTORED: "An ended membership was taken up again.",
        Event.MEMBERSHIP_ROLE_CHANGED: "A member got another role.",
        Event.JOIN_LETTER_CREATED: "A letter with a code was made for a person who asked to join.",
        Event.PERMISSION_GRANTED: "A member got a permission.",
        Event.PERMISSION_WITHDRAWN: "A member lost a permission.",
        Event.CATALOGUE_CHANGED: "The permissions a client knows changed.",
        Event.CLIENT_CREATED: "A client was registered.",
        Event.CLIENT_CHANGED: "Its registration changed; `new` names the fields.",
        Event.CLIENT_SECRET_ROTATED: "It got a new secret.",
        Event.CLIENT_DISABLED: "It was switched off; what it got ended.",
        Event.CLIENT_ENABLED: "It was switched on again.",
        Event.CLIENT_DELETED: "It was removed with all that was issued to it.",
        Event.SIGNING_KEY_CREATED: "A signing key was made.",
        Event.SIGNING_KEY_ACTIVATED: "A key began to sign.",
        Event.SIGNING_KEY_RETIRED: "A key stopped signing; what it signed still verifies.",
        Event.SIGNING_KEY_REMOVED: "A key is out of the JWKS; what it signed no longer verifies.",
        Event.MASTER_KEY_ROTATED: "Secrets at rest are sealed with a new master key.",
        Event.STAFF_ROLE_GRANTED: "A person became staff.",
        Event.STAFF_ROLE_WITHDRAWN: "A person is staff no longer.",
        Event.INSTALLATION_RESTORED: "The database came from a backup; what was issued before is dead.",
        Event.INSTALLATION_PREPARED: "The installation was set up.",
        Event.AUDIT_EXPORTED: "Somebody exported a period of the log.",
        Event.AUDIT_CUT: "Old events were removed at a signed seal.",
        Event.AUDIT_ERASED: "Personal parts of events were erased.",
    }
)


def reference() -> str:
    """Return the page."""
    written = _written()
    lines = [_HEAD]
    for title, names in _sections():
        lines += [f"## {title}\n", "| event | what happened | notes |", "|---|---|---|"]
        lines += [_row(Event[name], name in written) for name in names]
        lines.append("")
    return "\n".join(lines)


def _row(event: Event, is_written: bool) -> str:
    notes = [] if is_written else ["later"]
    notes += ["sooner"] if event in FAILURES else []
    return f"| `{event.value}` | {MEANINGS[event]} | {', '.join(notes)} |"


def _sections() -> list[tuple[str, list[str]]]:
    """Return the groups of the enum by the comments that head them."""
    text = Path(events.__file__).read_text("utf-8")
    found: list[tuple[str, list[str]]] = []
    for title, name in re.findall(r"^    (?:# -- (.+)|([A-Z_]+) = \")", text, re.MULTILINE):
        if title:
            found.append((title[0].upper() + title[1:], []))
        else:
            found[-1][1].append(name)
    return found


def _written() -> set[str]:
    """Return the names of events that the code writes; where people's activity is shown, none is."""
    sources = (
        path.read_text("utf-8")
        for path in (ROOT / "idp").rglob("*.py")
        if path != Path(events.__file__) and path.name != "activity.py"
    )
    return {name for text in sources for name in re.findall(r"\bEvent\.([A-Z_]+)\b", text)}


if __name__ == "__main__":
    TARGET.write_text(reference(), "utf-8")
