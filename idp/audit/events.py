"""Every name the audit log knows (ASVS 16.3.1-16.3.2).

Grammar: ``noun.verb``.  The noun is the thing it happened to, in the words of docs/reference, with
underscores; the verb ends in a past participle (``created``, ``secret_rotated``): an event has happened, or
was refused and is then called ``failed`` or ``refused``.  A name is never renamed or reused: old rows keep
it.  A successful refresh, userinfo or introspection is no event.
"""

from enum import StrEnum


class Event(StrEnum):
    """What happened."""

    # -- signing in and out
    SIGN_IN_SUCCEEDED = "sign_in.succeeded"
    SIGN_IN_FAILED = "sign_in.failed"
    SIGN_IN_REFUSED = "sign_in.refused"
    SIGN_IN_THROTTLED = "sign_in.throttled"
    SECOND_FACTOR_SUCCEEDED = "second_factor.succeeded"
    SECOND_FACTOR_FAILED = "second_factor.failed"
    SECOND_FACTOR_LOCKED = "second_factor.locked"
    SECOND_PROOF_REQUESTED = "second_proof.requested"
    SECOND_PROOF_FAILED = "second_proof.failed"
    DEVICE_REMEMBERED = "device.remembered"
    DEVICE_FORGOTTEN = "device.forgotten"
    SESSION_STARTED = "session.started"
    SESSION_STEPPED_UP = "session.step_up_completed"
    SESSION_ORGANIZATION_CHOSEN = "session.organization_chosen"
    SESSION_ENDED = "session.ended"
    SESSIONS_ENDED = "sessions.ended"
    CLIENT_NOTIFICATION_FAILED = "logout_notice.failed"

    # -- the protocol
    AUTHORIZATION_REFUSED = "authorization.refused"
    AUTHORIZATION_REVOKED = "authorization.revoked"
    CODE_ISSUED = "code.issued"
    CODE_REPLAYED = "code.replayed"
    CODE_MISUSED = "code.misused"
    REFRESH_TOKEN_REUSED = "refresh_token.reused"  # noqa: S105  (a name of an event, not a secret)
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  (as above)
    DEVICE_REQUEST_CONNECTED = "device_request.connected"
    DEVICE_REQUEST_DENIED = "device_request.denied"
    DEVICE_DISCONNECTED = "device_request.disconnected"
    CONSENT_GIVEN = "consent.given"
    CONSENT_DECLINED = "consent.declined"
    CONSENT_WITHDRAWN = "consent.withdrawn"
    CLIENT_AUTHENTICATION_FAILED = "client_authentication.failed"

    # -- accounts
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_BLOCKED = "account.blocked"
    ACCOUNT_UNBLOCKED = "account.unblocked"
    ACCOUNT_TRIES_CLEARED = "account.tries_cleared"
    ACCOUNT_DELETED = "account.deleted"
    ACCOUNT_RESTORED = "account.restored"
    ACCOUNT_ERASED = "account.erased"
    ACCOUNT_EXPORTED = "account.exported"
    IDENTIFIER_ADDED = "identifier.added"
    IDENTIFIER_VERIFIED = "identifier.verified"
    IDENTIFIER_REMOVED = "identifier.removed"
    PASSWORD_CHANGED = "password.changed"  # noqa: S105  (as above)
    PASSWORD_RESET = "password.reset_completed"  # noqa: S105  (as above)
    PASSWORD_REHASHED = "password.rehashed"  # noqa: S105  (as above)
    AUTHENTICATOR_ADDED = "authenticator.added"
    AUTHENTICATOR_CHANGED = "authenticator.changed"
    AUTHENTICATOR_REMOVED = "authenticator.removed"
    RECOVERY_CODES_CREATED = "recovery_codes.created"
    RECOVERY_CODE_USED = "recovery_code.used"
    RECOVERY_PASSWORD_CREATED = "recovery_password.created"  # noqa: S105  (as above)
    RECOVERY_PASSWORD_REFUSED = "recovery_password.refused"  # noqa: S105  (as above)
    RECOVERY_PASSWORD_USED = "recovery_password.used"  # noqa: S105  (as above)
    RECOVERY_PASSWORD_REMOVED = "recovery_password.removed"  # noqa: S105  (as above)
    ACCOUNT_AFFILIATION_CHOSEN = "account.affiliation_chosen"
    PRODUCT_FAMILY_CHANGED = "product_family.changed"
    LEGACY_ACCOUNT_LINKED = "legacy_account.linked"
    LEGACY_ACCOUNT_UNLINKED = "legacy_account.unlinked"
    LEGACY_LINK_REFUSED = "legacy_link.refused"
    LEGACY_DIRECTORY_CREATED = "legacy_directory.created"
    LEGACY_DIRECTORY_CHANGED = "legacy_directory.changed"
    LEGACY_DIRECTORY_IMPORTED = "legacy_directory.imported"
    LEGACY_DIRECTORY_TRIES_CLEARED = "legacy_directory.tries_cleared"
    LEGACY_DIRECTORY_SECRET_CHANGED = "legacy_directory.secret_changed"  # noqa: S105  (as above)

    # -- organisations
    ORGANIZATION_CREATED = "organization.created"
    ORGANIZATION_CHANGED = "organization.changed"
    ORGANIZATION_SUSPENDED = "organization.suspended"
    ORGANIZATION_RESUMED = "organization.resumed"
    ORGANIZATION_DELETED = "organization.deleted"
    ORGANIZATION_PERMISSION_GRANTED = "organization_permission.granted"
    ORGANIZATION_PERMISSION_WITHDRAWN = "organization_permission.withdrawn"
    MEMBERSHIP_INVITED = "membership.invited"
    MEMBERSHIP_REQUESTED = "membership.requested"
    MEMBERSHIP_REQUEST_WITHDRAWN = "membership.request_withdrawn"
    MEMBERSHIP_CREATED = "membership.created"
    MEMBERSHIP_ACTIVATED = "membership.activated"
    MEMBERSHIP_BLOCKED = "membership.blocked"
    MEMBERSHIP_UNBLOCKED = "membership.unblocked"
    MEMBERSHIP_ENDED = "membership.ended"
    MEMBERSHIP_RESTORED = "membership.restored"
    MEMBERSHIP_ROLE_CHANGED = "membership.role_changed"
    JOIN_LETTER_CREATED = "join_letter.created"
    PERMISSION_GRANTED = "permission.granted"
    PERMISSION_WITHDRAWN = "permission.withdrawn"
    CATALOGUE_CHANGED = "catalogue.changed"

    # -- operation
    CLIENT_CREATED = "client.created"
    CLIENT_CHANGED = "client.changed"
    CLIENT_SECRET_ROTATED = "client.secret_rotated"  # noqa: S105  (as above)
    CLIENT_DISABLED = "client.disabled"
    CLIENT_ENABLED = "client.enabled"
    CLIENT_DELETED = "client.deleted"
    SIGNING_KEY_CREATED = "signing_key.created"
    SIGNING_KEY_ACTIVATED = "signing_key.activated"
    SIGNING_KEY_RETIRED = "signing_key.retired"
    SIGNING_KEY_REMOVED = "signing_key.removed"
    MASTER_KEY_ROTATED = "master_key.rotated"
    STAFF_ROLE_GRANTED = "staff_role.granted"
    STAFF_ROLE_WITHDRAWN = "staff_role.withdrawn"
    INSTALLATION_RESTORED = "installation.restored"
    INSTALLATION_PREPARED = "installation.prepared"
    AUDIT_EXPORTED = "audit.exported"
    AUDIT_CUT = "audit.cut"
    AUDIT_ERASED = "audit.erased"


FAILURES = frozenset(
    {
        Event.SIGN_IN_FAILED,
        Event.SIGN_IN_REFUSED,
        Event.SIGN_IN_THROTTLED,
        Event.SECOND_FACTOR_FAILED,
        Event.SECOND_FACTOR_LOCKED,
        Event.SECOND_PROOF_FAILED,
        Event.CLIENT_AUTHENTICATION_FAILED,
        Event.LEGACY_LINK_REFUSED,
        Event.RECOVERY_PASSWORD_REFUSED,
    }
)
"""Failed attempts: whoever made them, network and browser are erased sooner. What was typed is not kept."""
