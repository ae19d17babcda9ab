"""What must hold, whoever does what in whatever order: one function an invariant (C4, C5; security §5)."""

from datetime import timedelta
from typing import TYPE_CHECKING

from idp.authentication.recovery_password import plain
from idp.crypto import same
from idp.throttling.throttle import NOTICES_A_DAY

if TYPE_CHECKING:
    from tests.walker.visitors import Visitor
    from tests.walker.world import Step, World

LINK_LIVES = timedelta(minutes=30)
CODE_LIVES = timedelta(minutes=10)
FRESH = timedelta(minutes=15)


def password_changes_only_with_a_right(world: "World", step: "Step") -> None:
    """By a mailed link or the recovery password that counts now, and a second proof (req 71)."""
    if not step.changed:
        return
    proof = step.proof
    assert proof is not None, "the password changed without any proof"
    assert proof.kind in ("link", "recovery"), f"a {proof.kind} changed the password"
    assert _is_current(world, proof.kind, proof.secret, proof.changes), f"an old {proof.kind} changed it"
    second = step.proved_code or _proved_twice(world, step) or not world.factor
    assert second, "the password changed without the second factor"
    kept = world.house.services.passwords.verify(step.after.password_hash, proof.new_password)
    assert kept.valid, "the password is another one than the one that was chosen"


def sessions_begin_with_proofs(world: "World", step: "Step") -> None:
    """No browser gets the account's session, or its next cookie, without all factors (req 12, 40, 71)."""
    if not step.gained:
        return
    path, proof = step.sent.path, step.proof
    if path == "/account/confirm":
        assert step.old_cookie in world.cookies, "stepped up without a session"
        right = step.proved_code if world.factor else step.sent.data.get("password") == world.password
        assert right, "stepped up without a proof"
        return
    if path == "/login/totp" and proof is None:
        assert step.old_cookie in world.cookies, "a code alone opened the account"
        assert step.proved_code, "the second factor was skipped"
        return
    assert proof is not None, f"{path} opened the account without a proof"
    if world.factor:
        spared = path == "/login" and step.visitor.remembered
        assert step.proved_code or spared or _proved_twice(world, step), "the code was skipped"
    if proof.kind == "password":
        assert proof.secret == world.password, "a password that does not count opened the account (req 76)"
    else:
        assert step.changed, f"a {proof.kind} opened the account without a new password (req 76)"


def attackers_never_have_the_code(world: "World", step: "Step") -> None:
    """Whoever has one thing gets nothing where there is a second factor (req 71, 73; C4)."""
    if step.party.is_owner or not world.factor:
        return
    assert not step.changed, "one thing changed the password"
    assert not step.gained, "one thing opened the account"
    assert step.after.recovery_hash == step.before.recovery_hash, "one thing changed the recovery password"


def recovery_changes_only_with_a_right(world: "World", step: "Step") -> None:
    """It is saved with the password, and after a code; it goes by its own use, or with a reset by mail.

    That takes one that is young (req 53, 72, 73).
    """
    before, after = step.before.recovery_hash, step.after.recovery_hash
    if before == after:
        return
    if after is None:
        assert step.changed, "the recovery password went without a reset"
        proof = step.proof
        assert proof is not None, "the recovery password went without a proof"
        assert proof.kind in ("recovery", "link"), f"the recovery password went by {proof.kind}"
        return
    new_account = step.party.is_owner and world.house.clock.now - world.registered_at < FRESH
    right = step.sent.data.get("password") == world.password
    assert right or new_account, "a recovery password was saved without the account's password"
    if world.factor and step.sent.path.startswith("/account/") and not new_account:
        at = world.code_at.get(world.session_of(step.old_cookie or "") or "")
        assert at is not None, "a recovery password was saved in a session without a code"
        assert world.house.clock.now - at <= FRESH, "a recovery password was saved long after the code"


def used_recovery_is_gone(world: "World", step: "Step") -> None:
    """The recovery password works once (req 22, 70)."""
    proof = step.proof
    if step.changed and proof is not None and proof.kind == "recovery":
        assert step.after.recovery_hash is None, "the recovery password was used and is still there"
        assert ("recovery", plain(proof.secret)) not in world.spent, "a recovery password worked twice"


def links_work_once(world: "World", step: "Step") -> None:
    """A mailed link is taken once, for thirty minutes, and not after another change (req 22, 68, 76)."""
    if step.sent.path != "/password/reset" or step.proof is None:
        return
    token = step.proof.secret
    assert token in world.links, "a link worked that was never mailed"
    assert ("link", token) not in world.spent, "a link worked twice"
    at, changes = world.links[token]
    assert world.house.clock.now - at < LINK_LIVES, "a link worked after its time"
    assert changes == world.changes, "a link outlived another change of the password"


def codes_work_once(world: "World", step: "Step") -> None:
    """A code of the app is accepted once (req 62)."""
    if step.proved_code:
        shown = world.step_of(step.sent.data.get("code", ""))
        assert shown, "a code was right that the app does not show"
        assert ("code", shown) not in world.spent, "a code of the app worked twice"


def one_session_a_secret(world: "World", step: "Step") -> None:
    """One form begins one session at most (req 22)."""
    assert step.events.count("session.started") <= 1, "one form began two sessions"
    assert len(step.after.sessions - step.before.sessions) <= 1, "one form began two sessions"


def factors_and_addresses_stay(world: "World", step: "Step") -> None:
    """Two proofs take all factors; nothing else changes them, and nothing an address (req 69, 71, 73)."""
    gone = step.lost_factors and step.changed and _proved_twice(world, step)
    assert gone or step.after.factors == step.before.factors, "the factors changed"
    assert step.lost_factors or not _proved_twice(world, step), "two proofs left the factors"
    assert step.after.addresses == step.before.addresses, "the addresses changed"


def an_address_has_one_owner(world: "World", step: "Step") -> None:
    """Whoever registers a proven address again gets no account under it (req 88; C5)."""
    assert step.after.owners == {world.account_id}, "another account has the owner's address"


def sessions_end_at_a_change(world: "World", step: "Step") -> None:
    """After a new password every cookie from before is dead, stolen ones too (req 44, 76)."""
    if step.changed:
        fresh = step.visitor.sid if step.gained else None
        old = [cookie for cookie in sorted(world.cookies) if cookie != fresh]
        assert not any(world.lives(cookie) for cookie in old), "a session outlived the change of the password"


def old_cookie_is_dead(world: "World", step: "Step") -> None:
    """A cookie changes with every proof; the old value is dead, as after signing out (req 40, 45)."""
    signed_out = step.sent.path.startswith("/logout/") and step.status == 303
    left = signed_out and step.sent.data.get("choice") != "stay"
    if step.old_cookie and (step.gained or left) and step.old_cookie in world.cookies:
        assert not world.lives(step.old_cookie), "an old cookie still opens the account"


def old_password_is_dead(world: "World", step: "Step") -> None:
    """After a change only the new password is right (req 76)."""
    if step.changed:
        verify = world.house.services.passwords.verify
        assert not verify(step.after.password_hash, world.password).valid, "the old password still counts"


def changes_are_told(world: "World", step: "Step") -> None:
    """Every change of a secret has its audit event and a mail to each proven address (req 72, 106).

    Of recovery data five of a kind a day: more would fill the queue of everybody's mails.
    """
    wanted = []
    if step.changed:
        wanted.append(("password.reset_completed", "PasswordChanged"))
    if step.lost_factors:
        wanted.append(("authenticator.removed", "PasswordChanged"))
    if step.after.recovery_hash != step.before.recovery_hash:
        by_link = step.proof is not None and step.proof.kind == "link"
        gone = "removed" if by_link else "used"
        verb = gone if step.after.recovery_hash is None else "created"
        wanted.append((f"recovery_password.{verb}", "RecoveryData"))
    for event, kind in wanted:
        assert event in step.events, f"no {event} in the audit log"
        if kind == "RecoveryData" and _today(world, event) > NOTICES_A_DAY:
            continue
        told = {mail.to for mail in step.mails if mail.kind == kind}
        assert told == world.to, f"{kind} went to {sorted(told)} only"


def _today(world: "World", event: str) -> int:
    since = world.house.clock.now - timedelta(days=1)
    return sum(found.at > since for found in world.house.events(event))


def sign_ins_are_audited(world: "World", step: "Step") -> None:
    """Each session of the account has its event (req 106)."""
    if step.after.sessions - step.before.sessions:
        assert "session.started" in step.events, "a session began without an event"
        assert "sign_in.succeeded" in step.events, "a sign-in without an event"


def secrets_stay_in_mails(world: "World", step: "Step") -> None:
    """No page shows a link or code that this form had mailed (req 67)."""
    text = step.visitor.text
    shown = [
        mail.kind for mail in step.mails if any(word and word in text for word in (mail.link, mail.code))
    ]
    assert not shown, f"a page shows what {shown} tell"


def no_server_error(world: "World") -> None:
    """No step is answered with 5xx (req 29)."""
    failed = [answer for answer in world.answers if answer[1] >= 500]
    world.answers.clear()
    assert not failed, f"answers: {failed}"


def opening_changes_nothing(world: "World") -> None:
    """What no form did, no page did (req 68, 98)."""
    assert world.look() == world.truth, "opening a page changed the account"
    events, _ = world.news()
    assert not {event for event in events if event.startswith(("password.", "recovery_password.created"))}


def attackers_hold_what_they_were_given(world: "World") -> None:
    """An attacker's browser has no session but one that their means sufficed for (req 40, 44; C6)."""
    for visitor in world.attacker.visitors:
        if visitor.sid and world.lives(visitor.sid):
            session = world.session_of(visitor.sid)
            assert session in world.granted, "an attacker holds a session of the account"
            assert _may_hold(world, visitor, session), "an attacker holds the session of somebody else"


def two_factors_are_two(world: "World", methods: frozenset[str]) -> None:
    """A portal that demands two factors gets its answer after two (req 13)."""
    assert "otp" in methods, f"two factors were demanded, proven was {sorted(methods)}"


OF_A_STEP = (
    password_changes_only_with_a_right,
    sessions_begin_with_proofs,
    attackers_never_have_the_code,
    recovery_changes_only_with_a_right,
    used_recovery_is_gone,
    links_work_once,
    codes_work_once,
    one_session_a_secret,
    factors_and_addresses_stay,
    an_address_has_one_owner,
    sessions_end_at_a_change,
    old_cookie_is_dead,
    old_password_is_dead,
    changes_are_told,
    sign_ins_are_audited,
    secrets_stay_in_mails,
)
BETWEEN = (no_server_error, opening_changes_nothing, attackers_hold_what_they_were_given)


def _is_current(world: "World", kind: str, secret: str, changes: int) -> bool:
    if kind == "link":
        return changes == world.changes
    return world.recovery is not None and same(plain(secret).encode(), plain(world.recovery).encode())


def _proved_twice(world: "World", step: "Step") -> bool:
    """Tell whether a mailed code of the last ten minutes was given after the recovery password."""
    at = world.mailed.get("".join(step.sent.data.get("code", "").split()))
    recovery = step.proof is not None and step.proof.kind == "recovery"
    on = step.sent.path == "/password/recovery/factor/code" and step.changed
    return on and recovery and at is not None and world.house.clock.now - at < CODE_LIVES


def _may_hold(world: "World", visitor: "Visitor", session: str) -> bool:
    return world.granted[session] == visitor.party.name or session in world.stolen
