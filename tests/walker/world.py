"""The account under attack, what the installation holds of it, and what everybody's steps did to it."""

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import pyotp
from sqlalchemy import select
from werkzeug.test import Client

from idp.accounts import identifiers
from idp.accounts.models import Account, Identifier
from idp.audit.models import AuditEvent
from idp.authentication import recovery_password, totp
from idp.authentication.models import AuthenticationEvent, Authenticator, RecoveryPassword, Session
from idp.crypto import sha256
from idp.delivery import mails, outbox
from tests.walker import invariants
from tests.walker.visitors import Party, Sent, Visitor, flow_of
from tests.web.pages.house import House

_number, _password = itertools.count(1), itertools.count(1)


class Truth(NamedTuple):
    """What the installation holds of the account."""

    password_hash: str
    recovery_hash: bytes | None
    factors: frozenset[str]
    addresses: frozenset[tuple[str, bool]]
    sessions: frozenset[str]
    #: accounts that have proven one of the account's addresses
    owners: frozenset[str]


class Mail(NamedTuple):
    """A mail that was posted."""

    kind: str
    to: str
    link: str
    code: str


@dataclass(frozen=True)
class Proof:
    """What a form proved: a right password, a mailed link, the recovery password."""

    kind: str  # password | link | recovery
    secret: str
    #: how often the password had changed by then
    changes: int
    new_password: str = ""


@dataclass(frozen=True)
class Step:
    """One form that was sent, and what it did."""

    visitor: Visitor
    sent: Sent
    status: int
    location: str
    before: Truth
    after: Truth
    events: tuple[str, ...]
    mails: tuple[Mail, ...]
    #: the session's cookie before
    old_cookie: str | None
    #: the browser has the account's session under a cookie that it had not before
    gained: bool
    proof: Proof | None

    @property
    def party(self) -> Party:
        """Who sent it."""
        return self.visitor.party

    @property
    def changed(self) -> bool:
        """Whether the password is another one now."""
        return self.before.password_hash != self.after.password_hash

    @property
    def proved_code(self) -> bool:
        """Whether a code of the second factor was right."""
        return "second_factor.succeeded" in self.events

    @property
    def lost_factors(self) -> bool:
        """Whether the second factors are gone."""
        return bool(self.before.factors) and not self.after.factors


@dataclass
class World:
    """The installation with one account, its owner, and one attacker."""

    house: House
    factor: bool
    owner: Party = field(default_factory=lambda: Party("owner", reads_mail=True))
    attacker: Party = field(default_factory=lambda: Party("attacker"))
    achieved: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.number = next(_number)
        self.house.clock.advance(days=2)  # limits of the walk before are forgotten
        self.began = self.house.clock.now
        self.email = f"vera{self.number}@muster.example"
        self.name = f"Vera Muster{self.number}x"
        self.secret = totp.new_secret()
        self.answers: list[tuple[str, int]] = []
        self.drawn: list[str] = []
        self.mail: list[Mail] = []
        self.cookies: set[str] = set()
        self.granted: dict[str, str] = {}
        self.spent: set[tuple[str, str]] = set()
        self.proofs: dict[str, Proof] = {}
        #: when a link was mailed, and how often the password had changed by then
        self.links: dict[str, tuple[datetime, int]] = {}
        #: codes that remove the second factors, and when they were mailed
        self.mailed: dict[str, datetime] = {}
        self.changes = 0
        self.recovery: str | None = None
        self.code_at: dict[str, datetime] = {}
        self.last_code = ""
        self.stolen: set[str] = set()
        self.account_id = ""
        self.registered_at = self.began
        self._seen: set[str] = set()

    # -- who is there

    def visitor(self, party: Party) -> Visitor:
        """Return another browser of a party."""
        third = {"owner": 1}.get(party.name, 2)
        return Visitor(self, party, f"10.{self.number % 250}.{third}.{len(party.visitors) + 1}")

    def choose_password(self, party: Party) -> str:
        """Return a password that nobody chose before."""
        return f"Leuchtturm der Insel {party.name} {next(_password)}"

    def own(self, account_id: str, password: str) -> None:
        """Watch over an account from now on: a second address is proven, and the factor is there."""
        self.account_id, self.password = account_id, password
        with self.house.work() as ctx:
            account = ctx.db.get_one(Account, account_id)
            identifiers.add_email(ctx, account_id, f"second.{self.email}", verified=True)
            if self.factor:
                totp.enroll(ctx, account, self.secret, "Lotse")
        self.registered_at = self.house.clock.now
        self.truth = self.look()
        self.owner.passwords.append(password)
        for visitor in self.owner.visitors:
            session = self.session_of(visitor.sid or "")
            if session:
                self.cookies.add(str(visitor.sid))
                self.granted[session] = self.owner.name
        self.news()

    @cached_property
    def to(self) -> frozenset[str]:
        """The account's proven addresses."""
        return frozenset({self.email, f"second.{self.email}"})

    # -- what the installation holds

    def look(self) -> Truth:
        """Read it."""
        mine = self.account_id
        with self.house.services.database.session() as db:
            account = db.get_one(Account, mine)
            rows = db.execute(select(Identifier).where(Identifier.account_id == mine)).scalars().all()
            lookups = [row.lookup for row in rows]
            same = select(Identifier.account_id).where(
                Identifier.lookup.in_(lookups), Identifier.verified_at.is_not(None)
            )
            return Truth(
                account.password_hash or "",
                db.scalar(select(RecoveryPassword.hash).where(RecoveryPassword.account_id == mine)),
                frozenset(db.scalars(select(Authenticator.id).where(Authenticator.account_id == mine))),
                frozenset((row.id, row.verified_at is not None) for row in rows),
                frozenset(
                    db.scalars(
                        select(Session.id).where(Session.account_id == mine, Session.ended_at.is_(None))
                    )
                ),
                frozenset(db.scalars(same)),
            )

    def news(self) -> tuple[tuple[str, ...], tuple[Mail, ...]]:
        """Return audit events of the account and mails that came since this was asked last."""
        with self.house.work() as ctx:
            asked = select(AuditEvent.id, AuditEvent.event).where(
                AuditEvent.target_id == (self.account_id or "-"), AuditEvent.at >= self.began
            )
            events = [(key, name) for key, name in ctx.db.execute(asked) if key not in self._seen]
            posted = []
            for message in outbox.list_messages(ctx, 12):
                if message.id in self._seen or message.kind != outbox.MAIL:
                    continue
                self._seen.add(message.id)
                facts = message.payload["facts"]
                kind = type(mails.read(message.payload)[0]).__name__
                link = str(facts.get("link", "")).removeprefix(self.house.settings.public_url)
                posted.append(Mail(kind, message.recipient, link, str(facts.get("code", ""))))
        self._seen |= {key for key, _ in events}
        posted.reverse()
        self.mail += posted
        for mail in posted:
            if mail.kind == "RemoveSecondFactor":
                self.mailed[mail.code] = self.house.clock.now
            if mail.kind == "ResetPassword" and mail.to in self.to:
                self.links[mail.link.partition("token=")[2]] = (self.house.clock.now, self.changes)
        return tuple(name for _, name in events), tuple(posted)

    def lives(self, cookie: str | None) -> bool:
        """Tell whether a cookie opens the account's own pages."""
        if cookie is None:
            return False
        client = Client(self.house.app)
        client.set_cookie("sid", cookie, domain="localhost")
        page = client.get("/account", base_url=self.house.settings.public_url)
        return page.status_code == 200 and self.name in page.get_data(as_text=True)

    def session_of(self, cookie: str) -> str | None:
        """Return the id of the session that a cookie has."""
        with self.house.services.database.session() as db:
            return db.scalar(select(Session.id).where(Session.cookie_hash == sha256(cookie)))

    # -- codes

    def code(self) -> str:
        """Return a code that the owner's app has not shown yet."""
        self.house.clock.advance(seconds=30)
        return pyotp.TOTP(self.secret).at(self.house.clock.now)

    def wrong_code(self) -> str:
        """Return six digits that no app of the account shows now."""
        at = self.house.clock.now
        right = {pyotp.TOTP(self.secret).at(at - timedelta(seconds=back)) for back in (0, 30)}
        return next(code for code in ("111111", "222222", "333333") if code not in right)

    def step_of(self, code: str) -> str:
        """Return the time step of a code of the owner's app, or nothing."""
        now = int(self.house.clock.now.timestamp()) // 30
        wanted = "".join(code.split())
        steps = (now, now - 1)
        return next((str(step) for step in steps if pyotp.TOTP(self.secret).at(step * 30) == wanted), "")

    # -- judging

    def judge(self, visitor: Visitor, sent: Sent, old_cookie: str | None) -> None:
        """Look at what a form did, and hold it against the invariants."""
        if not self.account_id:
            self.news()
            return
        before, self.truth = self.truth, self.look()
        events, posted = self.news()
        fresh = visitor.sid if visitor.sid != old_cookie else None
        step = Step(
            visitor=visitor,
            sent=sent,
            status=visitor.page.status_code,
            location=visitor.page.headers.get("Location", ""),
            before=before,
            after=self.truth,
            events=events,
            mails=posted,
            old_cookie=old_cookie,
            gained=self.lives(fresh),
            proof=None,
        )
        step = replace(step, proof=self._proof(step))
        for holds in invariants.OF_A_STEP:
            holds(self, step)
        self._remember(step)

    def judge_two_factors(self, visitor: Visitor) -> None:
        """Hold a portal's answer that demanded two factors against what was proven in the session."""
        session = self.session_of(visitor.sid or "")
        with self.house.services.database.session() as db:
            asked = select(AuthenticationEvent.method).where(AuthenticationEvent.session_id == session)
            invariants.two_factors_are_two(self, frozenset(db.scalars(asked)))

    def between(self) -> None:
        """Hold what must be so after every rule."""
        for holds in invariants.BETWEEN:
            holds(self)

    def _proof(self, step: Step) -> Proof | None:
        """Return what the form proved, if it went on: itself, or the one before the second factor."""
        sent, on = step.sent, step.status == 303
        kind = {"/login": "password", "/password/reset": "link", "/password/recovery": "recovery"}
        if sent.path in ("/login/totp", "/password/recovery/factor/code"):
            return self.proofs.get(sent.flow)
        if sent.path not in kind or not on:
            return None
        data = sent.data
        secret = {
            "password": data.get("password", ""),
            "link": data.get("token", ""),
            "recovery": data.get("recovery_password", ""),
        }[kind[sent.path]]
        return Proof(kind[sent.path], secret, self.changes, data.get("new_password", ""))

    def _remember(self, step: Step) -> None:
        """Note what everybody may have and know after a step that was as it should be."""
        sent, visitor, proof = step.sent, step.visitor, step.proof
        if sent.path in ("/login", "/password/reset", "/password/recovery") and proof:
            waits = flow_of(step.location) if step.location.startswith("/login/totp") else ""
            if waits:
                self.proofs[waits] = proof
            if proof.kind == "link":
                self.spent.add(("link", proof.secret))
        if step.proved_code:
            self.spent.add(("code", self.step_of(sent.data.get("code", ""))))
            session = self.session_of(visitor.sid or "") if step.gained else None
            self.code_at[session or ""] = self.house.clock.now
        if step.changed and proof:
            self._changed(step, proof)
        if step.lost_factors:
            self._lost()
        if step.gained:
            self._entered(step)
        if step.after.recovery_hash != step.before.recovery_hash:
            self.recovery = self._text_of(step.after.recovery_hash)
            if self.recovery:
                step.party.recoveries.append(self.recovery)
                self.achieved[f"{step.party.name}: recovery password saved"] += 1

    def _changed(self, step: Step, proof: Proof) -> None:
        self.password = proof.new_password
        step.party.passwords.append(self.password)
        self.changes += 1
        self.granted.clear()
        for visitor in self.visitors():
            visitor.remembered = False
        if proof.kind == "recovery":
            self.spent.add(("recovery", recovery_password.plain(proof.secret)))
        self.achieved[f"{step.party.name}: changed by {proof.kind}"] += 1

    def _lost(self) -> None:
        """The owner takes another app at once: for the rest of the walk there are two factors again."""
        self.secret, self.last_code = totp.new_secret(), ""
        with self.house.work() as ctx:
            totp.enroll(ctx, ctx.db.get_one(Account, self.account_id), self.secret, "Lotse")
        self.truth = self.look()
        self.news()
        self.achieved["owner: lost the app"] += 1

    def _entered(self, step: Step) -> None:
        cookie = str(step.visitor.sid)
        session = self.session_of(cookie)
        assert session is not None
        self.cookies.add(cookie)
        self.granted[session] = step.party.name
        if step.sent.data.get("remember_device") and step.proved_code:
            step.visitor.remembered = True
        how = "code" if step.proved_code else "remembered" if self.factor else "password"
        self.achieved[f"{step.party.name}: entered with {how}"] += 1

    def _text_of(self, hash_: bytes | None) -> str | None:
        found = (text for text in self.drawn if sha256(recovery_password.plain(text)) == hash_)
        return next(found, None)

    def visitors(self) -> list[Visitor]:
        """Return everybody's browsers."""
        return [*self.owner.visitors, *self.attacker.visitors]
