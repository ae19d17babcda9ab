"""Words for refusals, states and statuses: a code from the domain becomes a sentence for a person.

Codes and sentences: reference/screens.md §1.0. What happened, then what to do; never "invalid" or "sorry".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask_babel import get_locale, ngettext
from flask_babel.speaklater import LazyString

from idp.errors import Refusal
from idp.web.formats import earliest
from idp.web.wording import accounts, management, sign_in
from idp.web.wording.names import MEMBERSHIP_STATES

REFUSALS: Mapping[str, LazyString] = sign_in.REFUSALS | accounts.REFUSALS | management.REFUSALS


def _language() -> str:
    locale = get_locale()
    return locale.language if locale is not None and locale.language in ("de", "en") else "de"


def _spoken(value: Any) -> Any:
    """Return a parameter as a person reads it; moments from which something goes become a time of day."""
    return earliest(value) if isinstance(value, datetime) else value


def state_word(status: str) -> str:
    """Return what a status of a membership, an account or an organisation is called."""
    return str(MEMBERSHIP_STATES.get(status, status))


def word(code: str, **params: Any) -> str:
    """Return the sentence for *code* in the request's language; KeyError for a code without words."""
    if code == "password.class":
        params["missing"] = ", ".join(str(accounts.PASSWORD_CLASSES[name]) for name in params["missing"])
    if "de" in params:  # what the operator calls an old portal, in each language
        params["directory"] = params.pop(_language())
    if code.endswith(".status"):
        params["status"] = state_word(params["status"])
    spoken = {name: _spoken(value) for name, value in params.items()}
    sentence = str(REFUSALS[code]) % spoken if spoken else str(REFUSALS[code])
    if code == "code.wrong" and params.get("remaining"):
        tries = ngettext("Noch %(num)d Versuch.", "Noch %(num)d Versuche.", params["remaining"])
        return f"{sentence} {tries}"
    return sentence


def word_refusal(refusal: Refusal) -> str:
    """Return the sentence for a domain "no"; KeyError where its code has no words."""
    return word(refusal.code, **refusal.params)
