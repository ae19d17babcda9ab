"""What the demo prints when it is ready: what to open, who can sign in, what to try (screens §4.3)."""

from idp.cli.demo.old_portal import OLD_ACCOUNTS
from idp.cli.demo.people import PEOPLE, Person
from idp.cli.demo.plan import Plan
from idp.cli.output import bold, dim


def announcement(plan: Plan, *, seconds: float) -> str:
    """Return the text.

    :param seconds: how long the start took.
    """
    lines = [
        bold(f"Lotse is ready after {seconds:.1f} s.") + f"  Data: {plan.folder} (delete it to start over)",
        "",
        *_places(plan),
        "",
        bold("Who can sign in"),
        *_table([_row(person) for person in PEOPLE]),
        "",
        "App codes: type the app secret into an authenticator app, or let Python make one:",
        dim("  python -c \"import pyotp; print(pyotp.TOTP('SECRET').now())\""),
        "Try: open the customer portal, sign in as ben, then open the support portal in the same browser.",
        "Or create an account there, and bring one of the old portal Servicewelt along:",
        *_aligned([(old.username, old.password) for old in OLD_ACCOUNTS]),
        "A device without a browser:",
        dim(f"  python -m clients.device_cli --issuer {plan.issuer}"),
        "Stop with Ctrl-C.",
    ]
    return "\n".join(lines)


def _places(plan: Plan) -> list[str]:
    places = (
        ("Customer portal", plan.customer_portal),
        ("Support portal", plan.support_portal),
        ("Orders API", plan.orders_api),
        ("Sign-in", plan.issuer),
        ("Outbox (mail, SMS, calls)", f"{plan.issuer}/dev/outbox"),
        ("All secrets as JSON", str(plan.path("demo.json"))),
    )
    return [f"  {name.ljust(26)}{address}" for name, address in places]


def _aligned(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [f"  {name.ljust(width)}  {secret}" for name, secret in rows]


def _row(person: Person) -> tuple[str, str, str, str]:
    return (person.username, person.password or "-", person.totp_secret or "-", person.story)


def _table(rows: list[tuple[str, str, str, str]]) -> list[str]:
    heads = ("USER NAME", "PASSWORD", "APP SECRET", "WHO")
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    lines = ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    head = "  " + "  ".join(c.ljust(w) for c, w in zip(heads, widths, strict=True)).rstrip()
    return [dim(head), *lines]
