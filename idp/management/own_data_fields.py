"""Which tables and columns a person's own data is in, and which of them are told (req 108; GDPR Art. 15).

Every table that hangs on an account stands here with every column: a test compares with the tables, so that
a new one is decided about when it comes.
"""

from typing import Final, NamedTuple


class Told(NamedTuple):
    """What an export tells of a table, and what not: keys, secrets, and bookkeeping that says nothing."""

    columns: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


TABLES: Final[dict[str, Told]] = {
    "account": Told(
        (
            "sub",
            "status",
            "username",
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "address",
            "locale",
            "zoneinfo",
            "product_family",
            "created_at",
            "updated_at",
            "last_sign_in_at",
            "password_changed_at",
        ),
        # of a deleted account, which nobody exports
        (
            "id",
            "epoch",
            "username_key",
            "password_hash",
            "home_organization_id",
            "recovery_due",
            "deletion_due_at",
            "restore_status",
            "erased_at",
        ),
    ),
    "identifier": Told(
        ("kind", "purpose", "verified_at", "created_at"), ("id", "account_id", "sealed", "lookup", "pending")
    ),
    "authenticator": Told(
        ("kind", "label", "created_at", "last_used_at"),
        ("id", "account_id", "sealed", "last_step", "counter", "backup_state", "failures"),
    ),
    "recovery_password": Told(("created_at",), ("account_id", "hash")),
    "session": Told(
        ("user_agent", "created_at", "last_seen_at", "expires_at", "ended_at", "end_reason"),
        (
            "id",
            "cookie_hash",
            "account_id",
            "account_epoch",
            "installation_epoch",
            "membership_id",
            "device_id",
            "active_since",
        ),
    ),
    "authentication_event": Told(("method", "at"), ("id", "session_id", "authenticator_id")),
    "session_client": Told((), ("id", "session_id", "client_id", "created_at", "logout_outbox_id")),
    "device": Told(
        ("user_agent", "known_since", "last_seen_at", "trusted_until"),
        ("id", "account_id", "cookie_hash", "trust_hash"),
    ),
    "membership": Told(
        ("role", "status", "created_at", "changed_at", "ended_at", "restore_until"),
        # who changed it is another person
        ("id", "account_id", "organization_id", "epoch", "version", "changed_by", "asked_at"),
    ),
    # whether a company has the number is not told (req 59)
    "join_request": Told(
        ("customer_number", "asked_at"),
        ("id", "account_id", "membership_id", "told_at", "letter_at", "tries"),
    ),
    "membership_permission": Told((), ("membership_id", "permission_id", "granted_at", "granted_by")),
    "consent": Told(
        ("scope", "claims", "declined_scope", "declined_claims", "created_at", "updated_at"),
        # the companies are told by their names
        ("id", "account_id", "client_id", "organizations"),
    ),
    "authorization": Told(
        ("scope", "acr", "amr", "offline", "created_at", "expires_at", "revoked_at", "revoke_reason"),
        (
            "id",
            "account_id",
            "account_epoch",
            "installation_epoch",
            "client_id",
            "session_id",
            "sid",
            "membership_id",
            "membership_epoch",
            "claims_request",
            "auth_time",
            "nonce",
            "redirect_uri",
            "code_challenge",
            "permissions_version",
            "resources",
            "cnf",
        ),
    ),
    "legacy_link": Told(
        ("created_at", "undo_until", "undone_at"),
        ("id", "account_id", "legacy_account_id", "recovery_due", "changes"),
    ),
    "legacy_account": Told(
        ("permissions",),
        (
            "id",
            "directory_id",
            "lookup",
            "email_lookup",
            "personal",
            "hash",
            "hash_format",
            "hash_state",
            "security_question",
            "owner_id",
            "linked_at",
            "revision",
            "created_at",
            "updated_at",
        ),
    ),
}

UNTOLD: Final = frozenset(
    {
        "refresh_token",  # keys of authorizations, which are told
        "access_token",
        "device_request",
        "flow",  # work of an hour: what was typed, and codes; what came of it is told
        "one_time_secret",
    }
)
