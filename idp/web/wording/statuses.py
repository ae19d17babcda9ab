"""What error pages say: a heading, what happened, and what a person can do."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

_ = lazy_gettext


@dataclass(frozen=True, slots=True)
class StatusWords:
    """What an error page says: its heading, what happened, and what a person can do."""

    title: LazyString
    happened: LazyString
    advice: LazyString


#: what stands on a page of its own instead of what a link would have opened
REFUSALS_OF_LINKS: Mapping[str, StatusWords] = {
    "token.expired": StatusWords(
        _("Dieser Link ist abgelaufen."),
        _("Er galt nur kurze Zeit, oder Sie haben einen neueren bekommen."),
        _("Beginnen Sie noch einmal von vorn. Dann senden wir Ihnen einen neuen."),
    ),
    "token.used": StatusWords(
        _("Dieser Link wurde schon benutzt."),
        _("Er gilt nur einmal."),
        _("Melden Sie sich an. Geht das nicht, beginnen Sie noch einmal von vorn."),
    ),
    "link.undone": StatusWords(
        _("Diese Verknüpfung ist schon gelöst."),
        _("Für das alte Portal gilt wieder das alte Passwort."),
        _("Sie müssen nichts tun."),
    ),
}

#: what to do instead, where nobody can ask for another such link
_NOTHING_TO_UNDO = _(
    "Hier lässt sich nichts mehr zurücknehmen. Waren Sie es nicht, wenden Sie sich an unsere Hilfe."
)
ADVICE_OF_LINKS: Mapping[str, LazyString] = {
    "/account/email/link": _(
        "Sehen Sie in Ihrem Konto unter „Profil“ nach, welche Adresse gilt. Dort können Sie sie auch ändern."
    ),
    "/account/email/undo": _NOTHING_TO_UNDO,
    "/account/delete/undo": _NOTHING_TO_UNDO,
    "/link/undo": _NOTHING_TO_UNDO,
}

_GO_BACK = _("Gehen Sie zurück und versuchen Sie es noch einmal.")

STATUSES: Mapping[int, StatusWords] = {
    400: StatusWords(
        _("Die Anfrage passt nicht"),
        _("Ihr Browser hat etwas geschickt, das wir nicht verstehen."),
        _GO_BACK,
    ),
    403: StatusWords(
        _("Hier haben Sie keinen Zutritt"),
        _("Diese Seite oder Handlung ist für Sie nicht freigegeben."),
        _("Wenn Sie den Zutritt brauchen, fragen Sie Ihren Administrator."),
    ),
    404: StatusWords(
        _("Diese Seite gibt es nicht"),
        _("Unter dieser Adresse ist nichts zu finden."),
        _("Prüfen Sie die Adresse oder beginnen Sie im Portal neu."),
    ),
    405: StatusWords(
        _("So lässt sich diese Seite nicht öffnen"),
        _("Die Seite nimmt diese Art von Anfrage nicht an."),
        _("Öffnen Sie das Portal und beginnen Sie dort neu."),
    ),
    410: StatusWords(
        _("Diese Seite gibt es nicht mehr"),
        _("Der Link ist abgelaufen oder wurde schon benutzt."),
        _("Öffnen Sie das Portal und beginnen Sie dort neu."),
    ),
    413: StatusWords(
        _("Das war zu viel auf einmal"),
        _("Die gesendeten Daten sind größer, als diese Seite annimmt."),
        _("Kürzen Sie Ihre Eingaben und senden Sie sie noch einmal."),
    ),
    421: StatusWords(
        _("Diese Adresse gehört nicht zu uns"),
        _("Der Dienst ist unter dem Namen, den Ihr Browser nennt, nicht eingerichtet."),
        _("Öffnen Sie das Portal über seine gewohnte Adresse."),
    ),
    429: StatusWords(
        _("Zu viele Versuche"),
        _("Von Ihrem Anschluss kamen in kurzer Zeit sehr viele Anfragen."),
        _("Warten Sie einen Moment. Es geht nichts verloren."),
    ),
    500: StatusWords(
        _("Bei uns ist ein Fehler passiert"),
        _("Wir haben den Fehler aufgezeichnet. Ihre Daten sind sicher."),
        _GO_BACK,
    ),
    503: StatusWords(
        _("Der Dienst ist gerade nicht erreichbar"),
        _("Wir arbeiten daran oder haben im Moment sehr viele Anfragen."),
        _("Warten Sie einen Moment und versuchen Sie es noch einmal."),
    ),
}

#: a form came with an old token or none, on a page that does not show it again
STALE_FORM = StatusWords(
    _("Die Seite war zu lange offen"),
    _("Zu Ihrer Sicherheit nehmen wir sie nicht mehr an. Es wurde nichts geändert."),
    _("Gehen Sie zurück, laden Sie die Seite neu und senden Sie sie noch einmal."),
)

#: a form of somebody's own account came after somebody else had signed in
OTHER_PERSON = StatusWords(
    _("Hier ist jetzt jemand anderes angemeldet"),
    _("In diesem Browser hat sich inzwischen jemand anderes angemeldet. Es wurde nichts geändert."),
    _("Prüfen Sie, mit welchem Konto Sie angemeldet sind, und öffnen Sie die Seite dann neu."),
)

#: a sign-in came while too many others waited: it was not looked at
OVERLOAD = StatusWords(
    _("Im Moment melden sich sehr viele Menschen an"),
    _("Ihre Anmeldung konnten wir deshalb noch nicht prüfen. Es ist nichts verloren."),
    _(
        "Warten Sie ein paar Sekunden und laden Sie dann diese Seite neu. Fragt Ihr Browser, ob er Ihre "
        "Eingaben noch einmal senden soll, stimmen Sie zu."
    ),
)


def status_words(status: int) -> StatusWords:
    """Return the words of an HTTP *status*; of 400 or 500 where it has none of its own."""
    return STATUSES.get(status) or STATUSES[500 if status >= 500 else 400]
