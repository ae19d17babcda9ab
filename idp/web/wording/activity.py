"""What each event of one's own log says, and who did it (K-15; screens §1.4)."""

from collections.abc import Mapping

from flask_babel import lazy_gettext
from flask_babel.speaklater import LazyString

from idp.audit.events import Event
from idp.management import activity

_ = lazy_gettext

SENTENCES: Mapping[Event, LazyString] = {
    Event.SIGN_IN_SUCCEEDED: _("Sie haben sich angemeldet."),
    Event.SIGN_IN_FAILED: _("Eine Anmeldung ist am Passwort gescheitert."),
    Event.SIGN_IN_REFUSED: _("Das Passwort stimmte, aber die Anmeldung wurde nicht zugelassen."),
    Event.SIGN_IN_THROTTLED: _("Nach zu vielen Versuchen haben wir eine Anmeldung nicht mehr geprüft."),
    Event.SECOND_FACTOR_SUCCEEDED: _("Die zweite Stufe wurde bestätigt."),
    Event.SECOND_FACTOR_FAILED: _("Ein Code der zweiten Stufe war falsch."),
    Event.SECOND_FACTOR_LOCKED: _("Nach zu vielen falschen Codes haben wir keinen mehr geprüft."),
    Event.SECOND_PROOF_REQUESTED: _(
        "Nach dem Wiederherstellungspasswort haben wir einen Code gesendet, "
        "der die zweistufige Anmeldung ausschaltet."
    ),
    Event.SECOND_PROOF_FAILED: _(
        "Ein Code, der die zweistufige Anmeldung ausschaltet, war falsch oder abgelaufen."
    ),
    Event.DEVICE_REMEMBERED: _("Ein Gerät wurde gemerkt."),
    Event.DEVICE_FORGOTTEN: _("Ein gemerktes Gerät wurde vergessen."),
    Event.SESSION_STARTED: _("Eine Anmeldung hat begonnen."),
    Event.SESSION_STEPPED_UP: _("Sie haben Ihre Identität noch einmal bestätigt."),
    Event.SESSION_ORGANIZATION_CHOSEN: _("Sie haben gewählt, für welches Unternehmen Sie handeln."),
    Event.SESSION_ENDED: _("Eine Anmeldung wurde beendet."),
    Event.SESSIONS_ENDED: _("Alle anderen Anmeldungen wurden beendet."),
    Event.CODE_ISSUED: _("Ein Portal hat Ihre Anmeldung erhalten."),
    Event.REFRESH_TOKEN_REUSED: _(
        "Ein Schlüssel eines Portals wurde zweimal benutzt. Wir haben ihn gesperrt."
    ),
    Event.DEVICE_REQUEST_CONNECTED: _("Sie haben ein Gerät verbunden."),
    Event.DEVICE_REQUEST_DENIED: _("Sie haben abgelehnt, ein Gerät zu verbinden."),
    Event.DEVICE_DISCONNECTED: _("Ein verbundenes Gerät wurde getrennt."),
    Event.CONSENT_GIVEN: _("Sie haben einem Portal Angaben erlaubt."),
    Event.CONSENT_DECLINED: _("Sie haben einem Portal keine Angaben erlaubt."),
    Event.CONSENT_WITHDRAWN: _("Einem Portal wurde der Zugriff entzogen."),
    Event.ACCOUNT_CREATED: _("Ihr Konto wurde angelegt."),
    Event.ACCOUNT_CHANGED: _("Ihr Konto wurde geändert."),
    Event.ACCOUNT_BLOCKED: _("Ihr Konto wurde gesperrt."),
    Event.ACCOUNT_UNBLOCKED: _("Ihr Konto wurde entsperrt."),
    Event.ACCOUNT_TRIES_CLEARED: _("Nach zu vielen Versuchen wurde Ihre Anmeldung wieder freigegeben."),
    Event.ACCOUNT_DELETED: _("Die Löschung Ihres Kontos wurde eingeleitet."),
    Event.ACCOUNT_RESTORED: _("Die Löschung Ihres Kontos wurde zurückgenommen."),
    Event.ACCOUNT_ERASED: _("Die Daten Ihres Kontos wurden gelöscht."),
    Event.ACCOUNT_EXPORTED: _("Ihre Daten wurden heruntergeladen."),
    Event.IDENTIFIER_ADDED: _("Eine Adresse oder Nummer kam hinzu."),
    Event.IDENTIFIER_VERIFIED: _("Eine Adresse oder Nummer wurde bestätigt."),
    Event.IDENTIFIER_REMOVED: _("Eine Adresse oder Nummer wurde entfernt."),
    Event.PASSWORD_CHANGED: _("Ihr Passwort wurde geändert."),
    Event.PASSWORD_RESET: _("Ihr Passwort wurde zurückgesetzt."),
    Event.PASSWORD_REHASHED: _("Ihr Passwort wird jetzt nach einem neueren Verfahren geprüft."),
    Event.AUTHENTICATOR_ADDED: _("Eine zweite Stufe kam hinzu."),
    Event.AUTHENTICATOR_CHANGED: _("Eine zweite Stufe wurde geändert."),
    Event.AUTHENTICATOR_REMOVED: _("Eine zweite Stufe wurde entfernt."),
    Event.RECOVERY_CODES_CREATED: _("Neue Wiederherstellungscodes wurden erzeugt."),
    Event.RECOVERY_CODE_USED: _("Ein Wiederherstellungscode wurde benutzt."),
    Event.RECOVERY_PASSWORD_CREATED: _("Ein Wiederherstellungspasswort wurde gespeichert."),
    Event.RECOVERY_PASSWORD_REFUSED: _("Ein falsches Wiederherstellungspasswort wurde eingegeben."),
    Event.RECOVERY_PASSWORD_USED: _("Ihr Wiederherstellungspasswort wurde benutzt."),
    Event.RECOVERY_PASSWORD_REMOVED: _("Ihr Wiederherstellungspasswort wurde entfernt."),
    Event.ACCOUNT_AFFILIATION_CHOSEN: _("Sie haben Ihre Zugehörigkeit gewählt."),
    Event.LEGACY_ACCOUNT_LINKED: _("Ein Konto eines alten Portals wurde verknüpft."),
    Event.LEGACY_ACCOUNT_UNLINKED: _("Die Verknüpfung mit einem alten Portal wurde gelöst."),
    Event.LEGACY_LINK_REFUSED: _("Ein Konto eines alten Portals wurde nicht verknüpft."),
    Event.MEMBERSHIP_INVITED: _("Ein Unternehmen hat Sie eingeladen."),
    Event.MEMBERSHIP_REQUESTED: _("Sie haben den Zugang zu einem Unternehmen beantragt."),
    Event.MEMBERSHIP_REQUEST_WITHDRAWN: _("Sie haben einen Antrag auf Zugang zurückgezogen."),
    Event.MEMBERSHIP_CREATED: _("Sie gehören jetzt zu einem Unternehmen."),
    Event.MEMBERSHIP_ACTIVATED: _("Ein Unternehmen hat Sie freigeschaltet."),
    Event.MEMBERSHIP_BLOCKED: _("Ein Unternehmen hat Ihren Zugang gesperrt."),
    Event.MEMBERSHIP_UNBLOCKED: _("Ein Unternehmen hat Ihren Zugang entsperrt."),
    Event.MEMBERSHIP_ENDED: _("Ihr Zugang zu einem Unternehmen wurde beendet."),
    Event.MEMBERSHIP_RESTORED: _("Ihr Zugang zu einem Unternehmen wurde wiederhergestellt."),
    Event.MEMBERSHIP_ROLE_CHANGED: _("Ihre Rolle in einem Unternehmen wurde geändert."),
    Event.PERMISSION_GRANTED: _("Sie haben eine Berechtigung erhalten."),
    Event.PERMISSION_WITHDRAWN: _("Ihnen wurde eine Berechtigung entzogen."),
    Event.STAFF_ROLE_GRANTED: _("Sie haben eine Aufgabe beim Betreiber erhalten."),
    Event.STAFF_ROLE_WITHDRAWN: _("Ihre Aufgabe beim Betreiber wurde beendet."),
}

#: where it was neither the owner nor somebody who tried to be the owner
ACTORS: Mapping[str, LazyString] = {
    activity.ADMIN: _("ein Administrator des Unternehmens"),
    activity.PERSON: _("eine andere Person"),
    activity.OPERATOR: _("der Betreiber"),
    activity.SYSTEM: _("das System, von selbst"),
    activity.PORTAL: _("das Portal"),
}
