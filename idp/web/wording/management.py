"""Sentences for refusals about companies, their people and permissions (screens §1.0)."""

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext

REFUSALS: dict[str, LazyString] = {
    "admin.last": _("Sie sind der einzige Administrator. Bestimmen Sie zuerst einen zweiten."),
    "actor.not_allowed": _("Dafür haben Sie keine Berechtigung."),
    "account.status": _("Das geht nicht: Das Konto hat den Status „%(status)s“."),
    "account.unknown": _("Dieses Konto gibt es nicht."),
    "customer.format": _("Die Kundennummer hat neun Ziffern, ohne das D."),
    "customer.unlike": _("So sieht keine Kundennummer aus. Sie steht auf jeder Rechnung und jedem Brief."),
    "customer.taken": _("Diese Kundennummer hat schon ein anderes Unternehmen."),
    "join.code_wrong": _("Der Code stimmt nicht, gilt nicht mehr oder gehört zu einem anderen Konto."),
    "join.code_used_up": _("Das waren zu viele falsche Codes. Lassen Sie sich einen neuen Brief schicken."),
    "join.throttled": _("Zu viele Versuche. Versuchen Sie es ab %(until)s wieder."),
    "membership.status": _("Das geht nicht: Der Zugang hat den Status „%(status)s“."),
    "membership.unknown": _("Diese Person gehört nicht zu diesem Unternehmen."),
    "organization.address": _("Die Anschrift hat höchstens vier Zeilen mit höchstens 40 Zeichen."),
    "organization.join_policy": _("Diese Art des Beitritts gibt es nicht."),
    "organization.name": _("Geben Sie den Namen des Unternehmens ein."),
    "organization.status": _("Das geht nicht: Das Unternehmen hat den Status „%(status)s“."),
    "organization.unknown": _("Dieses Unternehmen gibt es nicht."),
    "permission.not_held": _("Ihr Unternehmen hat diese Berechtigung selbst nicht."),
    "permission.unknown": _("Diese Berechtigung gibt es nicht."),
    "profile.unknown": _("Diese Angabe kennen wir nicht."),
    "role.unknown": _("Diese Rolle gibt es nicht."),
}
