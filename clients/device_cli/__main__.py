"""Shows a code, waits until a person lets it in, prints the claims: ``python -m clients.device_cli``.

It knows its issuer and its client id, and has no secret (RFC 8628; OpenID Connect Core 1.0 §3.1.3.7).
"""

import argparse
import json
import ssl
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from clients.shared import claims as rules
from clients.shared.issuer import LARGEST_ANSWER, Claims, Issuer, IssuerUnavailable, TokenRefused, json_answer

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid profile email organization"
INTERVAL = 5.0
"""Seconds between two polls where the issuer names none, and what ``slow_down`` adds (§3.2, §3.5)."""

LONGEST_PAUSE = 60.0
"""Seconds between two polls at most, while the issuer does not answer."""

LONGEST = 86_400
"""What an issuer may name in seconds."""

Pause = Callable[[float], object]
Clock = Callable[[], float]


class Refused(Exception):
    """The issuer said no; ``code`` is the protocol's word for it (:rfc:`8628` §3.5)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Codes:
    """What a person has to do, and what the program asks with."""

    device_code: str
    user_code: str
    address: str
    complete_address: str | None
    expires_in: float
    interval: float


def ask(issuer: Issuer, client_id: str, scope: str) -> Codes:
    """Begins: asks for both codes. Raises ``Refused`` and ``IssuerUnavailable``."""
    answer = _post(issuer, "device_authorization_endpoint", {"client_id": client_id, "scope": scope})
    if answer.status_code != 200:
        raise Refused(_error(answer))
    found = json_answer(answer)
    complete = found.get("verification_uri_complete")
    return Codes(
        device_code=_text(found, "device_code"),
        user_code=_text(found, "user_code"),
        address=_text(found, "verification_uri"),
        complete_address=_text(found, "verification_uri_complete") if complete is not None else None,
        expires_in=_seconds(found, "expires_in"),
        interval=_seconds(found, "interval", INTERVAL),
    )


def wait(
    issuer: Issuer, client_id: str, codes: Codes, pause: Pause = time.sleep, clock: Clock = time.monotonic
) -> dict[str, Any]:
    """Polls until the person has decided, or the code has expired, and returns the token answer.

    Raises ``Refused`` (``access_denied``, ``expired_token``) and ``IssuerUnavailable``.
    """
    interval, until = codes.interval, clock() + codes.expires_in
    form = {"grant_type": GRANT_TYPE, "device_code": codes.device_code, "client_id": client_id}
    address = issuer.endpoint("token_endpoint")
    while clock() < until:
        pause(interval)
        answer = _poll(issuer, address, form)
        if answer is None:  # §3.5: whoever gets no answer asks less often
            interval = max(interval, min(2 * interval, LONGEST_PAUSE))
            continue
        if answer.status_code == 200:
            return json_answer(answer)
        match _error(answer):
            case "authorization_pending":
                pass
            case "slow_down":
                interval += INTERVAL
            case error:
                raise Refused(error)
    raise Refused("expired_token")


def read(issuer: Issuer, client_id: str, tokens: Mapping[str, Any], now: float) -> Claims:
    """The claims of the ID token, signed with ES256 and with nothing else. Raises ``TokenRefused``."""
    id_token = rules.text(tokens, "id_token")
    claims = issuer.verify(id_token, rules.ID_TOKEN_TYPES)
    rules.check_common(claims, issuer=issuer.url, audience=client_id, now=now)
    access_token = rules.text(tokens, "access_token")
    rules.check_id_token(claims, client_id=client_id, nonce=None, access_token=access_token, sub=None)
    return claims


def main(arguments: list[str] | None = None, pause: Pause = time.sleep) -> int:
    """The command line; returns the exit code: 0 with claims, 1 without."""
    parser = argparse.ArgumentParser(prog="python -m clients.device_cli", description=__doc__)
    parser.add_argument("--issuer", required=True, metavar="URL", help="the provider's address")
    parser.add_argument("--client-id", default="device-cli", metavar="ID", help="default: device-cli")
    parser.add_argument("--scope", default=SCOPE, help=f"default: {SCOPE}")
    parser.add_argument("--trust-ca", metavar="FILE", help="a CA, in PEM, trusted besides the usual ones")
    options = parser.parse_args(arguments)
    try:
        issuer = Issuer(options.issuer, options.trust_ca)
        codes = ask(issuer, options.client_id, options.scope)
        print(f"Open {codes.address} in a browser and type this code:\n\n    {codes.user_code}\n")
        if codes.complete_address:
            print(f"Or open {codes.complete_address}\n")
        print("Waiting …", flush=True)
        tokens = wait(issuer, options.client_id, codes, pause)
        claims = read(issuer, options.client_id, tokens, time.time())
    except Refused as refused:
        print(f"device_cli: not connected ({refused.code})", file=sys.stderr)
    except TokenRefused as refused:
        print(f"device_cli: the ID token is not to be trusted: {refused}", file=sys.stderr)
    except (IssuerUnavailable, httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError) as error:
        print(f"device_cli: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("device_cli: given up", file=sys.stderr)
    else:
        print(json.dumps(claims, indent=2, sort_keys=True))
        return 0
    return 1


def _poll(issuer: Issuer, address: str, form: Mapping[str, str]) -> httpx.Response | None:
    """Asks once; None where there was no answer of the protocol: away, starting again, or too busy."""
    try:
        answer = issuer.http.post(address, data=dict(form))
    except httpx.TransportError:
        return None
    return None if answer.status_code == 429 or answer.status_code >= 500 else answer


def _post(issuer: Issuer, endpoint: str, form: Mapping[str, str]) -> httpx.Response:
    return issuer.http.post(issuer.endpoint(endpoint), data=dict(form))


def _error(answer: httpx.Response) -> str:
    """The error code of an answer; one without is no answer of the protocol."""
    try:
        found = answer.json() if len(answer.content) <= LARGEST_ANSWER else None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise IssuerUnavailable(f"{answer.request.url.path} answered {answer.status_code}")
    return _text(found, "error")


def _text(found: Mapping[str, Any], name: str) -> str:
    """A text of an answer, fit for a terminal."""
    value = found.get(name)
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 2048:
        raise IssuerUnavailable(f"{name} is missing in the answer")
    return value


def _seconds(found: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = found.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST:
        raise IssuerUnavailable(f"{name} is no number of seconds")
    return float(value)


if __name__ == "__main__":
    sys.exit(main())
