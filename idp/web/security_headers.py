"""The headers of every page, and what a view lets its page reach (design §2, CSP; req 10, 99, 103)."""

import base64
import hashlib
from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, g

from idp.settings import Settings
from idp.web.page_headers import PRIVATE, answer_headers, page_headers


def allow_form_target(*addresses: str | None) -> None:
    """Let this page's forms end at a portal: browsers apply form-action to the redirects after a POST too.

    :param addresses: registered values; None counts as none.
    """
    g.form_targets = _sources(addresses)


def allow_any_form_target() -> None:
    """Let this page's form end anywhere: the directive holds for wherever a portal sends people on to.

    For the page that posts a portal's answer alone (Form Post Response Mode §2).  Its one form goes to a
    registered address and takes no input; behind it may come other sites, and apps, that nobody registered.
    """
    g.form_targets = None


def allow_image(address: str | None) -> None:
    """Let this page show an image of a portal; its registered address, None counts as none."""
    part = urlsplit(address or "")
    g.image_sources = (f"{part.scheme}://{part.netloc}",) if part.netloc else ()


def allow_frames(*origins: str) -> None:
    """Let this page frame pages of these origins; without, it frames none (req 48)."""
    g.framed = _sources(origins)


def _sources(addresses: Iterable[str | None]) -> tuple[str, ...]:
    """Return what addresses are called in a policy: a native app's scheme alone, a web address's origin."""
    parts = [urlsplit(address) for address in addresses if address]
    # a policy has no words for IPv6 hosts (CSP Level 3 §2.3.1, host-part)
    named = [part for part in parts if not part.netloc.startswith("[")]
    sources = [f"{part.scheme}://{part.netloc}" if part.netloc else f"{part.scheme}:" for part in named]
    return tuple(dict.fromkeys(sources))


def allow_style(content: str) -> None:
    """Let this page have one inline style, this very text: a mail, which the demo shows, brings its own."""
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    g.inline_styles = (f"'sha256-{digest}'",)


def init_app(app: Flask, settings: Settings) -> None:
    """Set the headers on every answer of the pages."""

    always = answer_headers(secure=settings.secure)

    @app.after_request
    def protect(response: Response) -> Response:
        headers = response.headers
        headers.extend(always)
        headers.extend(
            page_headers(
                forms=g.get("form_targets", ()),
                images=g.get("image_sources", ()),
                frames=g.get("framed", ()),
                styles=g.get("inline_styles", ()),
            )
        )
        if "public" not in headers.get("Cache-Control", ""):
            (name, no_store), (vary, cookie) = PRIVATE
            headers[name] = no_store
            headers.add(vary, cookie)
        return response
