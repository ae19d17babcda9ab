"""Names and flags of our cookies (RFC 6265bis §4.1.3; design §2, Cookies; req 42).

Over http, which production refuses, the same names go without ``__Host-``: browsers drop the prefix there.
"""

from collections.abc import Mapping
from typing import Any, Final

from idp.settings import Settings

SESSION: Final = "sid"
FLOW: Final = "flow"
DEVICE: Final = "dev"
FORM: Final = "form"

DEVICE_SECONDS: Final = 400 * 24 * 3600
"""As long as browsers keep a cookie at most."""


def cookie_name(settings: Settings, name: str) -> str:
    """Return the name a cookie has at this installation."""
    return f"__Host-{name}" if settings.secure else name


def sent(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the cookies of a request; of two with one name the first (RFC 6265 §5.4, the longer path)."""
    found: dict[str, str] = {}
    for pair in str(environ.get("HTTP_COOKIE") or "").split(";"):
        name, _, value = pair.strip().partition("=")
        found.setdefault(name, value)
    return found


def set_cookie(settings: Settings, name: str, value: str, *, max_age: int | None = None) -> str:
    """Return the ``Set-Cookie`` header of a cookie of this host alone.

    :param value: signs of a token: nothing is quoted.
    :param max_age: seconds; without, the cookie ends with the browser.
    """
    lifetime = "" if max_age is None else f"; Max-Age={max_age}"
    secure = "; Secure" if settings.secure else ""
    return f"{cookie_name(settings, name)}={value}{lifetime}{secure}; HttpOnly; Path=/; SameSite=Lax"


def clear_cookie(settings: Settings, name: str) -> str:
    """Return the ``Set-Cookie`` header that takes a cookie back."""
    return set_cookie(settings, name, "", max_age=0)
