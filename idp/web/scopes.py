"""Scopes in words: what a program gets that a person lets in (OIDC Core §5.4; design §5, Claims)."""

from collections.abc import Mapping

from flask_babel import gettext, lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

SCOPES: Mapping[str, LazyString] = {
    "openid": _("Ihre Kennung bei uns"),
    "profile": _("Ihr Name und Ihre Angaben zur Person"),
    "email": _("Ihre E-Mail-Adresse"),
    "phone": _("Ihre Telefonnummer"),
    "address": _("Ihre Anschrift"),
    "organization": _("Ihr Unternehmen und Ihre Rolle dort"),
    "permissions": _("Ihre Berechtigungen"),
    "offline_access": _("Zugang auch dann, wenn Sie sich abgemeldet haben"),
}


def in_words(scope: str) -> list[str]:
    """Return what each scope gives, in the request's language; those of resource servers by their name."""
    return [
        str(SCOPES[name]) if name in SCOPES else gettext("Zugriff auf „%(name)s“", name=name)
        for name in scope.split()
    ]
