"""Headers of all that a browser is shown or led by (design §2, CSP; security reference §4; req 10, 99, 103).

Without a web framework: redirects of the authorization endpoint carry them as pages do.
"""

from functools import lru_cache
from typing import Final

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src {styles}; img-src {images}; font-src 'self'; "
    "connect-src 'self'; {forms}{frames}frame-ancestors 'none'; base-uri 'none'"
)
_PERMISSIONS: Final = (
    "publickey-credentials-get=(self), camera=(), microphone=(), geolocation=(), payment=(), usb=(), "
    "display-capture=(), browsing-topics=()"
)
_OPENER: Final = "Cross-Origin-Opener-Policy"
_NO_SNIFF: Final = ("X-Content-Type-Options", "nosniff")
_STRICT_TRANSPORT: Final = ("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
PRIVATE: Final = (("Cache-Control", "no-store"), ("Vary", "Cookie"))
"""What keeps an answer that is one person's out of caches."""


def answer_headers(*, secure: bool) -> tuple[tuple[str, str], ...]:
    """Return the headers of every answer, of machine endpoints too.

    :param secure: the installation is reached over https.
    """
    return (_NO_SNIFF, _STRICT_TRANSPORT) if secure else (_NO_SNIFF,)


def redirect_headers() -> tuple[tuple[str, str], ...]:
    """Return the headers of a redirect beside :func:`answer_headers`: a page's, but for the cut to an opener.

    There is nothing to protect yet, and a popup that is sent straight back would be lost to its portal.
    """
    return tuple((name, value) for name, value in page_headers() if name != _OPENER)


@lru_cache(maxsize=1024)
def page_headers(
    *,
    forms: tuple[str, ...] | None = (),
    images: tuple[str, ...] = (),
    frames: tuple[str, ...] = (),
    styles: tuple[str, ...] = (),
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a page beside :func:`answer_headers`.

    :param forms: origins, beside our own, that forms and what follows on them may end at; None for any.
    :param images: origins of images.
    :param frames: origins it frames.
    :param styles: hashes of inline styles, of the demo's preview of mails.
    """
    targets = " ".join(("'self'", *(forms or ())))
    policy = _POLICY.format(
        forms=f"form-action {targets}; " if forms is not None else "",
        images=" ".join(("'self'", "data:", *images)),
        styles=" ".join(("'self'", *styles)),
        frames=f"frame-src {' '.join(frames)}; " if frames else "",
    )
    return (
        ("Content-Security-Policy", policy),
        ("Referrer-Policy", "same-origin"),
        ("X-Frame-Options", "DENY"),
        (_OPENER, "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Permissions-Policy", _PERMISSIONS),
    )
