"""Names and flags of our cookies (RFC 6265bis §4.1.3; design §2, Cookies; req 42).

Over http, which production refuses, the same names go without ``__Host-``: browsers drop the prefix there.
"""

from typing import Final

from werkzeug.wrappers import Response

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


def set_cookie(
    response: Response, settings: Settings, name: str, value: str, *, max_age: int | None = None
) -> None:
    """Set a cookie of this host alone; without *max_age* (seconds) it ends with the browser."""
    response.set_cookie(
        cookie_name(settings, name),
        value,
        max_age=max_age,
        path="/",
        secure=settings.secure,
        httponly=True,
        samesite="Lax",
    )


def clear_cookie(response: Response, settings: Settings, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(
        cookie_name(settings, name), path="/", secure=settings.secure, httponly=True, samesite="Lax"
    )
