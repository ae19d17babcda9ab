"""The account's own pages with made-up data: recovery, addresses, the account centre."""

from collections.abc import Callable
from types import SimpleNamespace as Shown
from typing import Any

from idp.accounts.password_policy import requirements
from idp.management.account_deletion import Company, Consequences
from idp.management.account_overview import Overview
from idp.web.account_forms import AddressForm, ProfileForm
from idp.web.disclosure import Item
from idp.web.forms import LoginForm, MailedCodeForm
from idp.web.wording import word
from idp.web.wording.own_data import FIELDS, SECTIONS
from tests.web.made_up import HOSTILE, NOW, PORTAL, Page

#: routes that these templates name themselves
ROUTES = {
    "linked_accounts.release": "/account/linked/<link_id>/release",
    "own_data.show": "/account/data",
    "own_sessions.end": "/account/sessions/<session_id>/end",
    "own_sessions.disconnect": "/account/sessions/connected/<device_id>/disconnect",
    "own_sessions.forget": "/account/sessions/devices/<device_id>/forget",
}


def _undo(**values: Any) -> dict[str, Any]:
    return {"due": NOW, "action": "/account/delete/undo", "portal": None, "errors": []} | values


def _address_link(own: bool, errors: list[tuple[str, str]] | None = None) -> Page:
    return "pages/address_link.html", {
        "token": HOSTILE,
        "action": "/account/email/link",
        "email": HOSTILE,
        "own": own,
        "errors": errors or [],
    }


def _own(name: str, errors: list[tuple[str, str]] | None = None, **values: Any) -> Callable[[], Page]:
    """Return a page of the account centre."""
    entries = [
        Shown(href="/account", name="Übersicht", current="page"),
        Shown(href="/account/profile", name=HOSTILE, current=None),
    ]
    shown = {"entries": entries, "person": HOSTILE, "action": "/account", "errors": errors or []}
    shown["portals_url"] = "/" if name == "overview" else None
    return lambda: (f"pages/account/{name}.html", {**shown, **values})


def _overview(next_step: str | None, *apps: str) -> Callable[[], Page]:
    found = Overview(
        username=HOSTILE,
        emails=(HOSTILE,) if apps else (),
        password_changed_at=NOW if apps else None,
        recovery_since=NOW if apps else None,
        apps=apps,
        sessions=3,
        portals=(HOSTILE,),
        devices=apps,
        next_step=next_step,
    )
    return _own("overview", found=found)


def _linked(*undoable: bool, **values: Any) -> Callable[[], Page]:
    links = [
        (
            f"Webshop {HOSTILE}",
            Shown(id=str(at), username=HOSTILE, organization_name=company, created_at=NOW, undo_until=NOW),
            can_undo,
        )
        for at, (can_undo, company) in enumerate(zip(undoable, (HOSTILE, None), strict=False))
    ]
    shown = {"links": links, "just_linked": False, "released": False, "home": None, "link_url": "/link"}
    return _own("linked", values.pop("errors", None), **shown | values)


def _sessions(*, others: int, done: str | None = None) -> Callable[[], Page]:
    sessions = [
        Shown(
            id=str(at),
            user_agent=HOSTILE,
            created_at=NOW,
            last_seen_at=NOW,
            portals=(HOSTILE, "Kundenportal") if at else (),
            remembered_until=NOW if at else None,
        )
        for at in range(others + 1)
    ]
    device = Shown(id="d", user_agent=HOSTILE, known_since=NOW, last_seen_at=NOW, remembered_until=NOW)
    connected = [Shown(id="c", program=HOSTILE, since=NOW, last_used_at=used) for used in (NOW, None)]
    return _own(
        "sessions",
        sessions=sessions,
        here="0",
        others=others,
        connected=connected if others else [],
        devices=[device] if others else [],
        others_url="/account/sessions/others",
        done=done,
    )


def _portals(*, any_there: bool, withdrawn: bool = False) -> Callable[[], Page]:
    items = [
        Item("scope.email", "E-Mail-Adresse", (("E-Mail-Adresse", HOSTILE),)),
        Item("scope.organization", "Unternehmen", (("Name", HOSTILE), ("Rolle", "Mitglied"))),
        Item("claim.gender", "Geschlecht", hint="Dazu ist bei uns nichts gespeichert."),
    ]
    connected = [
        Shown(name=HOSTILE, since=NOW, last_used_at=used, items=items, withdraw_url="/withdraw")
        for used in (NOW, None)
    ]
    used = [
        Shown(client_name=HOSTILE, first_party=first_party, last_used_at=NOW) for first_party in (True, False)
    ]
    return _own(
        "portals",
        connected=connected if any_there else [],
        used=used if any_there else [],
        devices_url="/account/sessions" if any_there else None,
        withdrawn=withdrawn,
    )


def _activity(*, any_there: bool) -> Callable[[], Page]:
    deeds = [
        Shown(at=NOW, event="login", by="owner", portal=HOSTILE, organization=HOSTILE, user_agent=HOSTILE),
        Shown(at=NOW, event="login", by="staff", portal=None, organization=None, user_agent=None),
    ]
    return _own(
        "activity",
        deeds=deeds if any_there else [],
        sentences={"login": HOSTILE},
        actors={"staff": HOSTILE},
        newest_url="/account/activity" if any_there else None,
        older_url="/account/activity?before=x" if any_there else None,
    )


def _delete(
    errors: list[tuple[str, str]] | None = None, *, last_administrator: bool = False
) -> Callable[[], Page]:
    company = Company(HOSTILE, "administrator", last_administrator)
    found = Consequences((HOSTILE, "Kundenportal"), (company,), 2)
    return _own("delete", errors, found=found, days=14)


def _recovery_save(**values: Any) -> Callable[[], Page]:
    shown = {
        "drawn": "34679-ACDEF",
        "drawn_at": NOW,
        "username": HOSTILE,
        "asks_password": True,
        "saved": False,
        "replaces": True,
        "reset_mfa": "immediate",
        "file_url": "/file",
        "back_url": "/account/recovery",
    }
    return _own("recovery_save", values.pop("errors", None), **shown | values)


def _export() -> Page:
    field = next(iter(FIELDS))
    sections: dict[str, list[dict[str, Any]]] = {key: [] for key in SECTIONS}
    sections[next(iter(SECTIONS))] = [
        {field: value} for value in (HOSTILE, NOW, True, 2, [HOSTILE, {"a": HOSTILE, "b": False}])
    ]
    return "pages/account/export.html", {"sections": sections, "names": SECTIONS, "fields": FIELDS, "at": NOW}


_CODE_SENT = {
    "resend_url": "/resend",
    "email": HOSTILE,
    "sent_at": NOW,
    "valid_until": NOW,
}

PAGES: dict[str, Callable[[], Page]] = {
    "account-overview": _overview("address"),
    "account-overview-with-app": _overview(None, HOSTILE),
    "account-confirm": _own("confirm", [("password", word("password.wrong"))], username=HOSTILE),
    "account-confirm-by-code": _own(
        "confirm", by_code=True, authenticators=[Shown(id="a", label=HOSTILE), Shown(id="b", label="B")]
    ),
    "account-password": _own(
        "password",
        [("password", word("password.wrong")), ("new_password", word("password.same"))],
        username=HOSTILE,
        end_elsewhere=True,
        password_rule=requirements(profile="amt24", single_factor=True),
    ),
    "account-password-changed": _own("password_changed"),
    "account-profile": lambda: _own(
        "profile",
        [("username", word("username.taken")), ("locale", word("choice.unknown"))],
        form=ProfileForm(data={"given_name": HOSTILE, "family_name": HOSTILE, "username": HOSTILE}),
        emails=[HOSTILE],
        languages=[("de", "Deutsch"), ("en", "English")],
    )(),
    "account-email": lambda: _own(
        "email", [("email", word("email.same"))], form=AddressForm(data={"email": HOSTILE}), emails=[HOSTILE]
    )(),
    "account-email-code-used-up": lambda: _own("email_code", **_CODE_SENT | {"used_up": True})(),
    "account-email-code": lambda: _own("email_code", **_CODE_SENT | {"form": MailedCodeForm()})(),
    "recovery-reset": lambda: (
        "pages/password_recovery.html",
        {
            "form": LoginForm(data={"username": HOSTILE}),
            "action": "/password/recovery",
            "link_url": "/password/forgot",
            "sign_in_url": "/login",
            "password_rule": requirements(profile="modern", single_factor=True),
            "reset_mfa": "immediate",
            "portal": PORTAL,
            "errors": [("recovery_password", word("recovery.wrong"))],
        },
    ),
    "lost-factor": lambda: (
        "pages/lost_factor.html",
        {
            "apps": [HOSTILE, "B"],
            "email": HOSTILE,
            "action": "/password/recovery/factor",
            "app_url": "/login/totp",
            "portal": PORTAL,
            "errors": [("", word("mail.throttled", until=NOW))],
        },
    ),
    "lost-factor-code": lambda: (
        "pages/lost_factor_code.html",
        _CODE_SENT
        | {
            "form": MailedCodeForm(),
            "action": "/password/recovery/factor/code",
            "app_url": "/login/totp",
            "sent_again": False,
            "portal": PORTAL,
            "errors": [("code", word("code.wrong", remaining=1))],
        },
    ),
    "recovery-due": lambda: (
        "pages/recovery_due.html",
        {"action": "/recovery", "had_question": True, "portal": PORTAL, "cancel_url": "/leave"},
    ),
    "recovery-save": lambda: (
        "pages/recovery_save.html",
        {
            "drawn": "34679-ACDEF",
            "drawn_at": NOW,
            "username": HOSTILE,
            "asks_password": True,
            "action": "/recovery",
            "file_url": "/recovery/file",
            "cancel_url": "/leave",
            "portal": PORTAL,
            "errors": [("saved", word("tick.missing", what="x"))],
        },
    ),
    "address-link": lambda: _address_link(True),
    "address-link-elsewhere": lambda: _address_link(False, [("password", word("password.wrong"))]),
    "address-undo": lambda: (
        "pages/address_undo.html",
        {"token": HOSTILE, "action": "/account/email/undo", "errors": [("", word("email.taken"))]},
    ),
    "address-changed": lambda: ("pages/address_changed.html", {"undone": False}),
    "address-undone": lambda: ("pages/address_changed.html", {"undone": True}),
    "deletion-planned": lambda: ("pages/deletion_planned.html", {"due": NOW, "portal": None}),
    "deletion-undo": lambda: ("pages/deletion_undo.html", _undo(token=HOSTILE)),
    "deletion-undo-error": lambda: (
        "pages/deletion_undo.html",
        _undo(token=None, errors=[("", word("form.stale"))]),
    ),
    "deletion-undone": lambda: ("pages/deletion_undone.html", {"onward": "/login", "portal": None}),
    "account-linked": _linked(True, False),
    "account-linked-none": _linked(released=True),
    "account-linked-just-now": _linked(
        True, just_linked=True, home=Shown(name=HOSTILE, restart_uri="/", home_uri=None)
    ),
    "account-linked-stale": _linked(False, errors=[("", word("form.stale"))]),
    "account-sessions": _sessions(others=2),
    **{
        f"account-sessions-{done}": _sessions(others=0, done=done)
        for done in ("ended", "others", "disconnected", "forgotten")
    },
    "account-portals": _portals(any_there=True),
    "account-portals-none": _portals(any_there=False, withdrawn=True),
    "account-activity": _activity(any_there=True),
    "account-activity-none": _activity(any_there=False),
    "account-data": _own("data", names=SECTIONS, delete_url="/account/delete"),
    "account-data-stale": lambda: _own(
        "data", [("", word("form.stale"))], names=SECTIONS, delete_url="/account/delete"
    )(),
    "account-export": _export,
    "account-delete": _delete(),
    "account-delete-without-the-tick": lambda: _delete([("agreed", word("deletion.tick"))])(),
    "account-delete-refused": _delete(last_administrator=True),
    "account-recovery": _own("recovery", since=None, just_saved=False, reset_mfa="two_proofs"),
    "account-recovery-saved": _own("recovery", since=NOW, just_saved=True, reset_mfa="never"),
    "account-recovery-save": _recovery_save(),
    "account-recovery-save-wrong": lambda: _recovery_save(
        errors=[("saved", word("tick.missing", what="x")), ("password", word("password.wrong"))], saved=True
    )(),
    "account-recovery-save-first": _recovery_save(replaces=False, reset_mfa="never", asks_password=False),
}
