"""The support portal's pages; the restricted ones demand two factors (OpenID Connect Core 1.0 §5.5.1.1)."""

from dataclasses import dataclass

from flask import Flask, g, render_template

from clients.shared.portal import Answer, Portal
from clients.shared.relying_party import Registration
from clients.shared.visitor import say
from clients.shared.wording import Text

SCOPE = "openid profile email organization"
TWO_FACTORS = "urn:lotse:acr:aal2"


@dataclass(frozen=True)
class Config:
    """The portal's registration, and the address of its neighbour."""

    registration: Registration
    customer_url: str


@dataclass(frozen=True)
class Ticket:
    """One request to the support team."""

    number: str
    subject: Text
    state: Text
    open: bool


TICKETS = (
    Ticket(
        "S-20418", ("Rechnung lässt sich nicht drucken", "Invoice cannot be printed"), ("Offen", "Open"), True
    ),
    Ticket(
        "S-20397", ("Neue Lizenz für das Lager", "New licence for the warehouse"), ("Offen", "Open"), True
    ),
    Ticket(
        "S-20112", ("Umzug auf einen anderen Server", "Move to another server"), ("Erledigt", "Done"), False
    ),
)
RESTRICTED = (
    Ticket("G-00731", ("Nachzahlung im März prüfen", "Check back pay in March"), ("Offen", "Open"), True),
    Ticket(
        "G-00718", ("Steuerklasse einer Kollegin", "Tax class of a colleague"), ("Erledigt", "Done"), False
    ),
)


def create_app(config: Config) -> Flask:
    """The WSGI application of the support portal."""
    app = Flask("clients.support_portal")
    portal = Portal(app, "support_portal", config.registration)
    app.jinja_env.globals.update(
        brand=("Supportportal", "Support portal"),
        theme="support",
        menu=list,
        customer_url=config.customer_url,
        issuer_url=config.registration.issuer,
    )

    app.context_processor(lambda: {"who": who() if g.get("person") else None})

    @app.get("/")
    def home() -> Answer:
        portal.keep_fresh()
        if g.person is None:
            return portal.welcome()
        return render_template(
            "support/home.html", tickets=TICKETS, two_factors=portal.has_level(TWO_FACTORS)
        )

    @app.get("/tickets/restricted")
    @portal.signed_in
    def restricted() -> Answer:
        if not portal.has_level(TWO_FACTORS):
            return portal.demand_level(TWO_FACTORS)
        return render_template("support/restricted.html", tickets=RESTRICTED)

    return app


def who() -> dict[str, str]:
    """The name of the person of this request, for the head of a page."""
    known = {**g.person.userinfo, **g.person.claims}
    name = known.get("name") or known.get("preferred_username") or known.get("email")
    return {
        "name": str(name or say("Ihr Konto", "Your account")),
        "greeting": str(known.get("given_name") or name or ""),
    }
