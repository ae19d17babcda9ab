"""Plain words, German and English, for what the protocol can answer (OpenID Connect Core 1.0 §3.1.2.6)."""

from dataclasses import dataclass

Text = tuple[str, str]
"""German, English."""
LANGUAGES = ("de", "en")


@dataclass(frozen=True)
class Message:
    """A page that explains why something did not happen."""

    title: Text
    text: Text
    status: int
    #: whether to sign in once more can end otherwise
    worth_another_try: bool = True


UNKNOWN_ANSWER = Message(
    ("Diese Anmeldung kennen wir nicht", "We do not know this sign-in"),
    (
        "Sie wurde in einem anderen Fenster abgeschlossen, ist älter als eine Stunde "
        "oder kam nicht aus diesem Browser.",
        "It was completed in another window, is older than an hour or did not come from this browser.",
    ),
    400,
)
UNTRUSTED_ANSWER = Message(
    ("Die Anmeldung ist fehlgeschlagen", "The sign-in failed"),
    (
        "Die Antwort des Anmeldedienstes hat unsere Prüfung nicht bestanden. Wir haben sie verworfen.",
        "The answer of the sign-in service did not pass our checks. We have discarded it.",
    ),
    400,
)
UNAVAILABLE = Message(
    ("Der Anmeldedienst antwortet nicht", "The sign-in service does not answer"),
    (
        "Versuchen Sie es in einer Minute noch einmal. Ihre Daten sind sicher.",
        "Try again in a minute. Your data is safe.",
    ),
    503,
)
FOREIGN_ISSUER = Message(
    ("Dieser Anmeldedienst ist uns fremd", "We do not know this sign-in service"),
    (
        "Der Link, dem Sie gefolgt sind, nennt einen anderen Anmeldedienst als den unseren.",
        "The link you followed names a sign-in service that is not ours.",
    ),
    400,
)
NO_SECOND_FACTOR = Message(
    ("Hier ist eine zweite Bestätigung nötig", "A second confirmation is needed here"),
    (
        "Dieser Bereich ist besonders geschützt. Er öffnet sich nur, wenn Sie sich in zwei Stufen anmelden: "
        "mit Ihrem Passwort und zusätzlich zum Beispiel mit einem Code aus einer App. "
        "Für Ihr Konto ist noch keine zweite Stufe eingerichtet.",
        "This area has special protection. It opens only when you sign in in two steps: with your password "
        "and, in addition, for example with a code from an app. "
        "Your account has no second step set up yet.",
    ),
    403,
    worth_another_try=False,
)
CANCELLED = Message(
    ("Die Anmeldung wurde abgebrochen", "The sign-in was cancelled"),
    (
        "Sie sind nicht angemeldet. Es wurden keine Daten übertragen.",
        "You are not signed in. No data was transmitted.",
    ),
    403,
)
SIGN_IN_AGAIN = Message(
    ("Melden Sie sich noch einmal an", "Sign in again"),
    (
        "Der Anmeldedienst braucht dafür ein paar Angaben von Ihnen.",
        "The sign-in service needs a few details from you.",
    ),
    403,
)
CODE_USED_UP = Message(
    ("Die Anmeldung ist abgelaufen", "The sign-in has expired"),
    (
        "Zwischen der Anmeldung und der Rückkehr hierher ist zu viel Zeit vergangen, "
        "oder die Seite wurde zweimal geladen.",
        "Too much time passed between signing in and returning here, or the page was loaded twice.",
    ),
    400,
)
BADLY_SET_UP = Message(
    ("Portal und Anmeldedienst verstehen sich nicht", "Portal and sign-in service disagree"),
    (
        "Das ist nicht Ihr Fehler: Das Portal ist beim Anmeldedienst anders eingetragen, als es fragt.",
        "This is not your fault: the portal asks differently from how the sign-in service has it on record.",
    ),
    502,
)
FORM_STALE = Message(
    ("Die Seite war länger offen", "The page was open for a while"),
    (
        "Wir haben nichts verändert. Gehen Sie zurück zur Startseite und versuchen Sie es noch einmal.",
        "We have changed nothing. Go back to the start page and try again.",
    ),
    400,
)
OTHER = Message(
    ("Das hat nicht geklappt", "That did not work"),
    ("Mit der Anfrage war etwas nicht in Ordnung.", "Something was wrong with the request."),
    400,
)
NOT_FOUND = Message(
    ("Diese Seite gibt es nicht", "This page does not exist"),
    (
        "Prüfen Sie die Adresse oder gehen Sie zur Startseite.",
        "Check the address or go to the start page.",
    ),
    404,
)
BROKEN = Message(
    ("Hier ist etwas schiefgegangen", "Something went wrong here"),
    (
        "Der Fehler liegt bei uns. Versuchen Sie es noch einmal.",
        "The fault is ours. Try again.",
    ),
    500,
)

ANSWERS = {
    "access_denied": CANCELLED,
    "login_required": SIGN_IN_AGAIN,
    "interaction_required": SIGN_IN_AGAIN,
    "consent_required": SIGN_IN_AGAIN,
    "account_selection_required": SIGN_IN_AGAIN,
    "unmet_authentication_requirements": NO_SECOND_FACTOR,
    "temporarily_unavailable": UNAVAILABLE,
    "server_error": UNAVAILABLE,
    "invalid_grant": CODE_USED_UP,
}


def message_for(code: str) -> Message:
    """The page for an error code of the protocol; whatever is not named is a matter of configuration."""
    return ANSWERS.get(code, BADLY_SET_UP)
