"""The name of this installation towards mail servers: in EHLO and Message-ID (RFC 5321 §4.1.3)."""

from urllib.parse import urlsplit

from idp.settings import Settings


def mail_domain(settings: Settings) -> str:
    """Return the host of the public address; an IPv6 address as mail writes it."""
    host = urlsplit(settings.public_url).hostname or ""
    return f"[IPv6:{host}]" if ":" in host else host
