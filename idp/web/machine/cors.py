"""Which answers scripts of registered origins may read (Fetch §3.2, RFC 9700 §2.6, req 17).

Credentials in the sense of Fetch, cookies that is, are never allowed; these endpoints read none.
"""

from collections.abc import Collection
from typing import Final

from idp.oidc import discovery
from idp.oidc.server import Answer
from idp.web.machine.http import plain

#: introspection is for clients with a secret, which is safe in no page
PATHS: Final = frozenset(
    {
        discovery.TOKEN_PATH,
        discovery.USERINFO_PATH,
        discovery.REVOCATION_PATH,
        discovery.PAR_PATH,
        discovery.JWKS_PATH,
        *discovery.METADATA_PATHS,
    }
)
#: no cache gives one origin what was answered to another
VARY: Final = ("Vary", "Origin")
_MAX_AGE: Final = "3600"
_REQUEST_HEADERS: Final = "authorization, content-type, dpop"
_ANSWER_HEADERS: Final = "WWW-Authenticate, DPoP-Nonce, Retry-After"


def preflight(origin: str, registered: Collection[str], methods: str) -> Answer:
    """Answer a browser that asks what a script may send."""
    if origin not in registered:
        text = "this origin is registered for no client; name it in the allowed_origins of one\n"
        return plain(403, text, [VARY])
    return Answer(
        204,
        b"",
        [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", _REQUEST_HEADERS),
            ("Access-Control-Max-Age", _MAX_AGE),
            VARY,
        ],
    )


def readable(answer: Answer, origin: str, registered: Collection[str]) -> Answer:
    """Return an answer that scripts of a registered origin may read, errors too."""
    headers = [*answer.headers, *([] if VARY in answer.headers else [VARY])]
    if origin in registered:
        headers += [
            ("Access-Control-Allow-Origin", origin),
            ("Access-Control-Expose-Headers", _ANSWER_HEADERS),
        ]
    return answer._replace(headers=headers)
