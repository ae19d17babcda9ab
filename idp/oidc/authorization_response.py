"""The one place that writes an authorization response (RFC 6749 §4.1.2, RFC 9207).

It travels in the query, in the fragment (OAuth 2.0 Multiple Response Type Encoding Practices §2.1), or as a
form that the browser posts (OAuth 2.0 Form Post Response Mode §2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from authlib.oauth2.rfc6749 import OAuth2Error

QUERY: Final = "query"
FRAGMENT: Final = "fragment"
FORM_POST: Final = "form_post"
RESPONSE_MODES: Final = (QUERY, FRAGMENT, FORM_POST)


@dataclass(frozen=True, slots=True)
class AuthorizationResponse:
    """What a portal hears: where, how, and the parameters as they stand before any encoding."""

    redirect_uri: str
    mode: str
    parameters: Mapping[str, str]

    @property
    def location(self) -> str:
        """Where a redirect goes: the registered URI with its query kept, and ours; a form has none of it."""
        if self.mode == FRAGMENT:  # registered URIs have none of their own
            joiner = "#"
        else:
            joiner = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{joiner}{urlencode(self.parameters, quote_via=quote)}"


def response_mode_problem(mode: str, redirect_uri: str) -> str | None:
    """Return what a request's ``response_mode`` would have to be, or None where it can be followed."""
    if mode not in RESPONSE_MODES:
        return f"response_mode must be one of {', '.join(RESPONSE_MODES)}"
    if mode == FORM_POST and not redirect_uri.startswith(("https://", "http://")):
        return "response_mode must be query or fragment: the scheme of an app takes no form"
    return None


def success_response(
    redirect_uri: str, mode: str, issuer: str, *, code: str, state: str | None
) -> AuthorizationResponse:
    """Return the response that carries a code."""
    return _response(redirect_uri, mode, issuer, {"code": code, "state": state})


def error_response(issuer: str, error: OAuth2Error) -> AuthorizationResponse:
    """Return the response that carries an error.

    Its ``redirect_uri`` was compared with the registered, its ``response_mode`` can be followed.
    """
    description = error.description or None
    parameters = {"error": error.error, "error_description": description, "state": error.state}
    return _response(str(error.redirect_uri), error.response_mode, issuer, parameters)


def _response(
    redirect_uri: str, mode: str, issuer: str, parameters: Mapping[str, str | None]
) -> AuthorizationResponse:
    values = {name: value for name, value in parameters.items() if value is not None}
    return AuthorizationResponse(redirect_uri, mode, values | {"iss": issuer})
