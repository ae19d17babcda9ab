"""The demo's people and companies as data: fixed passwords and app secrets exist only here (design §5)."""

from dataclasses import dataclass, field
from typing import Any

MUSTER = "100200300"
BEISPIEL = "100200400"


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who can sign in, or is not allowed to yet or any more."""

    username: str
    email: str
    given_name: str
    family_name: str
    password: str | None
    story: str
    totp_secret: str | None = None
    customer_number: str | None = MUSTER
    role: str = "member"
    #: status of the membership
    status: str = "active"
    permissions: tuple[str, ...] = ()
    claims: dict[str, Any] = field(default_factory=dict)
    phone: str | None = None


EVERYTHING = (
    "cloud_orders",
    "cancellations",
    "payroll_tickets",
    "documents",
    "licences",
    "master_data",
    "shop",
    "payment_methods",
    "support_requests",
    "contracts",
)

PEOPLE = (
    Person(
        "anna",
        "anna@muster.example",
        "Anna",
        "Albrecht",
        "Sieben Kraniche ziehen 11",
        "looks after the people of Muster GmbH; authenticator app",
        totp_secret="LOTSE2ANNA3MUSTER4HAFEN5WINDE6AB",  # noqa: S106  (made up, demo only)
        role="administrator",
        permissions=EVERYTHING,
    ),
    Person(
        "ben",
        "ben@muster.example",
        "Ben",
        "Brandt",
        "Kaffee ohne Zucker 42",
        "may see support requests; no second factor",
        permissions=("support_requests",),
    ),
    Person(
        "clara",
        "clara@muster.example",
        "Clara",
        "Conrad",
        "Drei Segel im Nebel 7",
        "payroll tickets; authenticator app",
        totp_secret="LOTSE3CLARA4MUSTER5SEGEL6NEBEL7C",  # noqa: S106
        permissions=("payroll_tickets", "documents", "support_requests"),
    ),
    Person(
        "dora",
        "dora@muster.example",
        "Dora",
        "Dietz",
        "Graue Steine am Ufer 3",
        "is blocked",
        status="blocked",
        permissions=("documents",),
    ),
    Person(
        "emil",
        "emil@muster.example",
        "Emil",
        "Ernst",
        "Warten auf die Ebbe 19",
        "waits for activation",
        status="pending",
    ),
    Person(
        "inga",
        "inga@muster.example",
        "Inga",
        "Ihle",
        None,
        "is invited and has no password yet",
        status="invited",
    ),
    Person(
        "paul",
        "paul@muster.example",
        "Paul",
        "Petersen",
        "Leuchtturm mit Garten 5",
        "has every standard claim; no second factor",
        permissions=("documents", "contracts"),
        phone="+493411234567",
        claims={
            "middle_name": "Peter",
            "nickname": "Paule",
            "profile": "https://muster.example/team/paul",
            "picture": "https://muster.example/team/paul.png",
            "website": "https://paul.muster.example",
            "gender": "male",
            "birthdate": "1984-05-17",
            "zoneinfo": "Europe/Berlin",
            "locale": "de-DE",
            "address": {
                "formatted": "Hafenstraße 12\n04109 Leipzig\nDeutschland",
                "street_address": "Hafenstraße 12",
                "locality": "Leipzig",
                "region": "Sachsen",
                "postal_code": "04109",
                "country": "DE",
            },
        },
    ),
    Person(
        "felix",
        "felix@beispiel.example",
        "Felix",
        "Franke",
        "Rote Boje im Strom 27",
        "works where nobody is administrator",
        customer_number=BEISPIEL,
        permissions=("documents", "support_requests"),
    ),
    Person(
        "olga",
        "olga@lotse.example",
        "Olga",
        "Ott",
        "Maschinenraum an Deck 1",
        "operates the provider; authenticator app",
        totp_secret="LOTSE4OLGA5BETRIEB6DECK7RUDER2MN",  # noqa: S106
        customer_number=None,
        role="staff",
    ),
)
