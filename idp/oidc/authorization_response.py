"""The one place that writes an authorization response (RFC 6749 §4.1.2, RFC 9207)."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from authlib.oauth2.rfc6749 import OAuth2Error


def redirect_location(redirect_uri: str, issuer: str, parameters: Mapping[str, str | None]) -> str:
    """Return where the browser goes: the registered URI with its query kept, ours added, ``iss`` always."""
    values = {name: value for name, value in parameters.items() if value is not None}
    values["iss"] = issuer
    joiner = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{joiner}{urlencode(values, quote_via=quote)}"


def success_location(redirect_uri: str, issuer: str, *, code: str, state: str | None) -> str:
    """Return the location that carries a code."""
    return redirect_location(redirect_uri, issuer, {"code": code, "state": state})


def error_location(issuer: str, error: OAuth2Error) -> str:
    """Return the location that carries an error whose ``redirect_uri`` was compared with the registered."""
    description = error.description or None
    parameters = {"error": error.error, "error_description": description, "state": error.state}
    return redirect_location(str(error.redirect_uri), issuer, parameters)
