"""Headers of every page (design §2, CSP; security reference §4; req 10, 99, 103)."""

from urllib.parse import urlsplit

from flask import Flask, Response, g

from idp.settings import Settings

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src {images}; font-src 'self'; "
    "connect-src 'self'; form-action {forms}; {frames}frame-ancestors 'none'; base-uri 'none'"
)
_PERMISSIONS = (
    "publickey-credentials-get=(self), camera=(), microphone=(), geolocation=(), payment=(), usb=(), "
    "display-capture=(), browsing-topics=()"
)


def allow_form_target(*addresses: str | None) -> None:
    """Let this page's forms end at a portal: browsers apply form-action to the redirects after a POST too.

    :param addresses: registered values; None counts as none.
    """
    # a native app's scheme stands for itself, a web address for its origin
    parts = [urlsplit(address) for address in addresses if address]
    origins = [f"{part.scheme}://{part.netloc}" if part.netloc else f"{part.scheme}:" for part in parts]
    g.form_targets = tuple(dict.fromkeys(origins))


def allow_image(address: str | None) -> None:
    """Let this page show an image of a portal; its registered address, None counts as none."""
    part = urlsplit(address or "")
    g.image_sources = (f"{part.scheme}://{part.netloc}",) if part.netloc else ()


def allow_frames(*origins: str) -> None:
    """Let this page frame pages of these origins; without, it frames none (req 48)."""
    g.framed = tuple(dict.fromkeys(origins))


def init_app(app: Flask, settings: Settings) -> None:
    """Set the headers on every answer of the pages."""

    @app.after_request
    def protect(response: Response) -> Response:
        forms = " ".join(("'self'", *g.get("form_targets", ())))
        images = " ".join(("'self'", "data:", *g.get("image_sources", ())))
        framed = " ".join(g.get("framed", ()))
        frames = f"frame-src {framed}; " if framed else ""
        headers = response.headers
        headers["Content-Security-Policy"] = _POLICY.format(forms=forms, images=images, frames=frames)
        headers["Referrer-Policy"] = "same-origin"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["X-Frame-Options"] = "DENY"
        headers["Cross-Origin-Opener-Policy"] = "same-origin"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers["Permissions-Policy"] = _PERMISSIONS
        if not response.cache_control.public:
            headers["Cache-Control"] = "no-store"
            headers.add("Vary", "Cookie")
        if settings.secure:
            headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
        return response
