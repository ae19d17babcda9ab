"""What a refusal means to an operator: one sentence, with the remedy where there is one (screens §4.2)."""

from datetime import datetime
from typing import Any, Final

from idp.errors import Refusal

_SENTENCES: Final = {
    "account.status": "The account is {status}, so this does not apply.",
    "account.unknown": "There is no such account; see: idp account list",
    "actor.not_allowed": "This needs an operator.",
    "client.catalogue": "The catalogue of {client_id} does not fit into a token: its keys have {length} "
    "characters there, at most {limit} may be.",
    "client.enabled": "{client_id} is not disabled; first: idp client disable {client_id}",
    "client.issued": "People would get another sub at {client_id}, and more was issued to it than ends "
    "at once; first: idp client disable {client_id}, and after the change: idp client enable {client_id}",
    "client.named": "The tokens of {by} are for {client_id}; first take it out of their audiences.",
    "client.public": "{client_id} is a public client and has no secret.",
    "client.signs": "{client_id} signs with a key of its own and has no secret; change jwks: idp apply FILE",
    "client.status": "{client_id} is in that state already; see: idp client show {client_id}",
    "client.taken": "There is a client {client_id} already; see: idp client show {client_id}",
    "client.unknown": "There is no client {client_id}; see: idp client list",
    "consent.unknown": "The person lets {client_id} have nothing; see: idp account consents WHO",
    "customer.format": "A customer number has 1 to 31 letters, digits, dots, hyphens or slashes.",
    "customer.taken": "There is an organisation {customer_number} already.",
    "email.format": "That is no e-mail address.",
    "email.taken": "Another account has proven this e-mail address.",
    "keys.too_young": "Relying parties may not know the next key {kid} before {until}; wait until then.",
    "keys.unknown": "There is no signing key {kid}; see: idp keys list",
    "legacy_directory.kind": "This does not fit the kind of the directory {slug}; see: idp legacy list",
    "legacy_directory.secret": "A secret has 1 to 1024 visible ASCII characters and no blanks.",
    "legacy_directory.unknown": "There is no legacy directory {slug}; see: idp legacy list",
    "link.final": "The time to undo this link ended on {until}.",
    "link.undone": "This link is undone already.",
    "link.unknown": "Nobody has linked this old account; see: idp legacy links WHO",
    "membership.status": "The membership is {status}, so one cannot {action} it.",
    "membership.unknown": "This account is no member of that organisation; see: idp organization show NUMBER",
    "organization.address": "An address has at most {lines} lines of 1 to {signs} visible characters.",
    "organization.join_policy": "There is no join policy {join_policy}.",
    "organization.name": "A name has 1 to 255 visible characters and no blank at its ends.",
    "organization.status": "The organisation is {status}, so this does not apply.",
    "organization.unknown": "There is no such organisation; see: idp organization list",
    "password.class": "The password lacks kinds of character that the profile demands: {missing}.",
    "password.common": "This password is on the list of common ones; choose another.",
    "password.long": "The password is too long: at most {maximum} characters.",
    "password.personal": "The password contains a name that belongs to the account; choose another.",
    "password.short": "The password has {length} characters and needs at least {minimum}.",
    "permission.not_held": "The organisation does not hold: {keys}. Grant it to the organisation first.",
    "permission.unknown": "The client's catalogue does not have: {keys}.",
    "phone.format": "Write the telephone number like +49341000000.",
    "phone.taken": "Another account has proven this telephone number.",
    "profile.unknown": "There is no profile claim {field}.",
    "role.unknown": "There is no role {role}; there are: {roles}.",
    "username.format": "A user name has 1 to 128 visible characters and no @.",
    "username.reserved": "This user name looks like an account's id.",
    "username.taken": "Another account has this user name.",
}


def sentence(refusal: Refusal) -> str:
    """Return the sentence; a code without one is shown with its parameters, so that nothing is lost."""
    words = _SENTENCES.get(refusal.code)
    if words is None:
        details = ", ".join(f"{name} {_text(value)}" for name, value in refusal.params.items())
        return f"Refused: {refusal.code}" + (f" ({details})" if details else "")
    return words.format_map(_Shown(refusal.params))


class _Shown(dict[str, Any]):
    """Parameters as they stand in a sentence; one that is missing leaves a gap, not a failure."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__({name: _text(value) for name, value in params.items()})

    def __missing__(self, key: str) -> str:
        return "…"


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M UTC")
    if isinstance(value, list | tuple | set):
        return ", ".join(map(str, value))
    return str(value)
