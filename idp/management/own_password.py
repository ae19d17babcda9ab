"""K-02: a person changes their own password (screens §1.4; req 44, 53, 72, 76).

Whoever calls has compared the current password and seen the strongest proof the account has.
"""

from idp.audit.events import Event
from idp.audit.log import record
from idp.authentication import devices, notices, sessions
from idp.authentication.live_sessions import LiveSession
from idp.context import Actor, Context
from idp.delivery import mails
from idp.management.accounts import locked
from idp.management.ending import end_others, keep_what_is_left
from idp.management.password_reset import void_links


def change(
    ctx: Context, live: LiveSession, password_hash: str, *, end_elsewhere: bool
) -> tuple[LiveSession, str] | None:
    """Give the person's account a new password; the session goes on under a new cookie, which is returned.

    Half a sign-in with the old password, open links to a new one and remembered browsers end in any case.

    :param end_elsewhere: every other session ends too, with all that was issued outside of this one.
    :returns: None, and nothing is changed, where the session ended or its cookie changed meanwhile.
    """
    acting = ctx.acting(Actor("account", live.account.id))
    account = locked(acting, live.account.id)
    renewed = sessions.prove(acting, live, ())
    if renewed is None:
        return None
    before = account.epoch
    account.password_hash = password_hash
    account.password_changed_at = account.updated_at = ctx.now
    account.epoch += 1
    record(
        acting,
        Event.PASSWORD_CHANGED,
        target=("account", account.id),
        session=live.session.id,
        new={"ended_elsewhere": end_elsewhere},
    )
    ctx.db.flush()
    if end_elsewhere:
        end_others(acting, account.id, live.session.id, "password changed")
    keep_what_is_left(acting, account.id, epoch=before)
    devices.forget(acting, account.id)
    devices.knows_new_password(acting, live.session.device_id)
    void_links(acting, account.id)
    notices.tell(acting, account.id, mails.PasswordChanged(means="password", signed_out=end_elsewhere))
    return renewed
