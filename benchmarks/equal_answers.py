"""``python -m benchmarks.equal_answers``: do times tell who has an account (req 59; C11, C14)?

Signs in with wrong passwords, registers, asks for new passwords and links old accounts as people in every
state and as nobody, in turns and by chance, over HTTP at one server process on PostgreSQL.  A hash costs next
to nothing, so that it hides nothing.  Ends with 0 where the medians of a question lie within five
milliseconds, with 1 where they do not, with 2 and a sentence where it cannot run.
"""

import argparse
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import product
from benchmarks.machine import Unable, cpus
from benchmarks.page_client import PageClient
from idp.accounts.models import Account
from idp.app import build_services
from idp.authentication import totp
from idp.context import Actor, Context
from idp.crypto import b64url, random_token
from idp.management import accounts, erasure
from idp.settings import load_settings
from tests.attacks.forged import KIDS
from tests.infrastructure import ProgramMissing, start_postgresql
from tests.legacy import import_rows, make_directory, old_account

LIMIT_MS = 5.0
TRIES = 5
"""Wrong passwords for a name that are free; what comes at once thereafter is refused by the throttle."""
MAILS = 5
"""How many mails go to one address in an hour."""
NOBODY, AGAIN = "nobody", "nobody, once more"
PASSWORD = "Möwen über dem Hafen 7"  # noqa: S105  (exists only on the bench)
GONE = timedelta(days=60)


@dataclass
class Question:
    """The times of several kinds of requests whose answers must be alike."""

    name: str
    #: kind → milliseconds; the first is what the others are compared with
    times: dict[str, list[float]] = field(default_factory=dict)

    def add(self, kind: str, milliseconds: float) -> None:
        """Note one answer."""
        self.times.setdefault(kind, []).append(milliseconds)

    def in_order(self, kinds: Iterable[str]) -> "Question":
        """Return the question with its kinds in this order."""
        return Question(self.name, {kind: self.times[kind] for kind in kinds})

    def medians(self) -> dict[str, float]:
        """Return the median of each kind."""
        return {kind: statistics.median(times) for kind, times in self.times.items()}

    @property
    def widest(self) -> float:
        """The largest difference of two medians."""
        return max(self.medians().values()) - min(self.medians().values())

    @property
    def holds(self) -> bool:
        """Whether nobody can tell the kinds apart by a median."""
        return self.widest < LIMIT_MS

    def markdown(self) -> str:
        """Return the table of this question with its verdict."""
        medians = self.medians()
        first = next(iter(medians.values()))
        lines = [f"| {self.name} | samples | median ms | difference ms |", "|---|---:|---:|---:|"]
        for kind, median in medians.items():
            lines.append(f"| {kind} | {len(self.times[kind])} | {median:.2f} | {median - first:+.2f} |")
        verdict = "alike" if self.holds else "NOT ALIKE"
        return "\n".join(
            [*lines, "", f"{verdict}: at most {self.widest:.2f} ms apart, {LIMIT_MS:g} allowed."]
        )


def _person(ctx: Context, name: str, *, password: str | None = product.PASSWORD) -> str:
    emails = [f"{name}@bench.example"]
    profile = {"name": name.title()}
    return accounts.create(ctx, username=name, password=password, emails=emails, profile=profile)


def _gone(ctx: Context, name: str) -> str:
    account_id = _person(ctx, name)
    accounts.delete(ctx, account_id)
    return account_id


def _with_app(ctx: Context, name: str) -> None:
    account = ctx.db.get_one(Account, _person(ctx, name))
    totp.enroll(ctx, account, totp.new_secret(), "Lotse")


def _blocked(ctx: Context, name: str) -> None:
    accounts.block(ctx, _person(ctx, name))


#: state → how somebody comes to be in it; names are of one length
STATES: dict[str, tuple[str, Callable[[Context, str], object] | None]] = {
    NOBODY: ("nobody", None),
    AGAIN: ("noones", None),
    "nobody, by address": ("nobods", None),
    "known": ("person", _person),
    "known, by address": ("posted", _person),
    "blocked": ("blockd", _blocked),
    "deleted": ("delete", _gone),
    "erased": ("erased", _gone),
    "with an app": ("appled", _with_app),
    "without a password": ("nopass", lambda ctx, name: _person(ctx, name, password=None)),
}


#: kind of an old portal's user name → how it begins
OLD_ACCOUNTS = {"nobody there": "nobod", "nobody there, once more": "nobud", "an old account": "oldie"}


def _name(state: str, number: int) -> str:
    stem, _ = STATES[state]
    return f"{stem}{number:05d}" + ("@bench.example" if "address" in state else "")


def _populate(settings_file: Path, names: int) -> None:
    services = build_services(load_settings(settings_file, environ={}))
    actor = Actor(kind="operator", id="benchmarks")
    with services.database.session() as db:
        ctx = services.context(db, actor=actor)
        erased = []
        for state, (stem, make) in STATES.items():
            made = [make(ctx, f"{stem}{number:05d}") for number in range(names) if make]
            erased += made if state == "erased" else []
        db.commit()
    with services.database.session() as db:
        later = services.context(db, actor=actor, now=datetime.now(UTC) + GONE)
        for account_id in erased:
            erasure.erase(later, str(account_id))
        make_directory(later)
        db.commit()
    known = OLD_ACCOUNTS["an old account"]
    import_rows(services, [old_account(f"{known}{number:05d}") for number in range(product.PEOPLE)])
    services.database.dispose()


@contextmanager
def _issuer(names: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="lotse-equal-") as folder:
        database = start_postgresql(durable=True)
        try:
            secret = product.prepare(Path(folder), database.create_database("lotse"))
            with product.running(Path(folder), cpus(), secret) as running:
                _populate(Path(folder) / "lotse.toml", names)
                yield running.issuer
        finally:
            database.stop()


def _sign_ins(issuer: str, names: int) -> tuple[Question, Question]:
    """Give each name wrong passwords until it is refused, the states in turns and by chance."""
    wrong, throttled = Question("a wrong password"), Question("too many tries")
    visitors = {state: PageClient(issuer) for state in STATES}
    for visitor in visitors.values():
        visitor.open("/login", "password")
    for number in range(names):
        for question, status in ((wrong, 200), (throttled, 429)):
            for _ in range(TRIES):
                for state in random.sample(list(STATES), len(STATES)):
                    answer, took = visitors[state].submit(
                        username=_name(state, number),
                        password="a wrong password",  # noqa: S106  (nobody's)
                    )
                    if answer == status:
                        question.add(state, took)
                    elif question is wrong:
                        raise Unable(f"{state}: a wrong password was answered with {answer}")
    return wrong.in_order(STATES), throttled.in_order(STATES)


def _addresses(issuer: str, names: int, path: str, question: str, **typed: str) -> Question:
    """Send a form with each address twice, the states in turns and by chance; two questions use up its mails.

    Where nobody has an account, the address is new: the mail goes out all the same, or is never written.
    """
    asked = Question(question)
    states = [state for state in STATES if state not in (AGAIN, "nobody, by address", "known, by address")]
    asking = {state: PageClient(issuer) for state in states}
    for visitor in asking.values():
        visitor.open(path, "email")
    for number in range(names):
        for _ in range(MAILS // 2):
            for state in random.sample(states, len(states)):
                stem, _way = STATES[state]
                answer, took = asking[state].submit(email=f"{stem}{number:05d}@bench.example", **typed)
                if answer != 303:
                    raise Unable(f"{path}, {state}: {answer}")
                asked.add(state, took)
    return asked.in_order(states)


def _registrations(issuer: str, names: int) -> Question:
    """Register addresses; a person's own gets another mail and the same page (R-01)."""
    typed = {"given_name": "Jörg", "family_name": "Petersen"}
    chosen = {"password": PASSWORD, "confirm_password": PASSWORD}
    return _addresses(issuer, names, "/register", "an address that is registered", **typed, **chosen)


def _resets(issuer: str, names: int) -> Question:
    """Ask for new passwords (P-01)."""
    return _addresses(issuer, names, "/password/forgot", "an address whose password is forgotten")


def _old_accounts(issuer: str) -> Question:
    """Link with wrong passwords of old accounts and of none, each few tries as another person (R-04)."""
    asked = Question("a wrong password of an old account")
    for first in range(0, product.PEOPLE - len(OLD_ACCOUNTS), len(OLD_ACCOUNTS)):
        asking = {}
        for at, state in enumerate(OLD_ACCOUNTS):
            asking[state] = visitor = PageClient(issuer)
            visitor.open("/login", "password")
            visitor.submit(username=f"person{first + at}", password=product.PASSWORD)
            visitor.open("/link", "legacy_password")
        for _ in range(TRIES):
            for state in random.sample(list(OLD_ACCOUNTS), len(OLD_ACCOUNTS)):
                name = f"{OLD_ACCOUNTS[state]}{first:05d}"
                typed = {"legacy_username": name, "legacy_password": "wrong"}
                answer, took = asking[state].submit(**typed)
                if answer != 200:
                    raise Unable(f"/link, {state}: {answer}")
                asked.add(state, took)
    return asked.in_order(OLD_ACCOUNTS)


def _key_ids(issuer: str, samples: int) -> Question:
    """Ask userinfo with tokens whose kid is made up by chance, or hostile."""
    question = Question("a token with this kid")
    asking = PageClient(issuer)
    kids = {"random": random_token()} | {repr(kid[:24]): kid for kid in KIDS if 0 < len(kid) < 100}
    for _ in range(samples):
        for name in random.sample(list(kids), len(kids)):
            kid = kids[name] if name != "random" else random_token()
            header = b64url(f'{{"typ":"at+jwt","alg":"ES256","kid":{_quoted(kid)}}}'.encode())
            answer, took = asking.userinfo(f"{header}.e30.{'A' * 86}")
            if answer != 401:
                raise Unable(f"userinfo answered {answer}")
            question.add(name, took)
    return question.in_order(kids)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(sign):04x}" for sign in text) + '"'


def main() -> int:
    """Return 0 where all answers are alike, 1 where they are not, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equal_answers", description=__doc__)
    parser.add_argument("--samples", type=int, default=1000, help="answers of each kind (default: 1000)")
    samples = parser.parse_args().samples
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    names = -(-samples // TRIES)
    try:
        with _issuer(names) as issuer:
            began = time.monotonic()
            questions = [
                *_sign_ins(issuer, names),
                _registrations(issuer, names),
                _resets(issuer, names),
                _old_accounts(issuer),
                _key_ids(issuer, samples),
            ]
            took = time.monotonic() - began
    except (Unable, ProgramMissing) as missing:
        print(missing, file=sys.stderr)
        return 2
    print("\n\n".join(question.markdown() for question in questions))
    print(f"\n{took:.0f} s")
    return 0 if all(question.holds for question in questions) else 1


if __name__ == "__main__":
    sys.exit(main())
