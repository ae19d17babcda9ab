"""What a person lets a client have: the rules, and what is stored (OIDC Core §3.1.2.4, §11)."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from idp.audit.models import AuditEvent
from idp.authentication import live_sessions
from idp.context import Services
from idp.db import new_id
from idp.errors import Refusal
from idp.management import consents
from idp.oidc import consent
from idp.oidc.authorization import issue
from idp.oidc.authorization_request import AuthorizationRequest
from idp.oidc.claims import limited
from idp.oidc.clients import RegisteredClient, load_clients
from idp.oidc.consent import Decision, Extent, Granted
from idp.oidc.models import Consent
from tests import cast
from tests.builders import OPERATOR, make_account, sign_in
from tests.installation import unit_of_work
from tests.lock_waits import wait_until_it_waits

SCOPE = "openid profile email phone offline_access"
CLAIMS = {
    "userinfo": {"gender": None, "email": None},
    "id_token": {"acr": {"essential": True}, "birthdate": None},
}


def extent(scopes: str = "", claims: str = "") -> Extent:
    return Extent(frozenset(scopes.split()), frozenset(claims.split()))


@pytest.fixture
def third(services: Services) -> RegisteredClient:
    """A client of somebody else, beside one of the operator's own."""
    with unit_of_work(services) as ctx:
        cast.register(ctx, "own", scope=SCOPE)
        cast.register(
            ctx, "once", scope="openid email", grant_types=["authorization_code"], first_party=False
        )
        cast.register(ctx, "third", scope=SCOPE, first_party=False)
        return load_clients(ctx.db)["third"]


@pytest.fixture
def own(services: Services, third: RegisteredClient) -> RegisteredClient:
    """A client of the operator's own."""
    with unit_of_work(services) as ctx:
        return load_clients(ctx.db)["own"]


@pytest.fixture
def ben(services: Services) -> str:
    with unit_of_work(services) as ctx:
        return make_account(ctx)


def test_what_is_asked(third: RegisteredClient) -> None:
    """Registered scopes, and personal claims that no asked scope brings; ``acr`` is none."""
    assert consent.asked(third, "openid email orders", CLAIMS) == extent("openid email", "gender birthdate")
    assert consent.asked(third, "", {}) == extent()
    assert not extent()
    assert extent(claims="gender")


def test_a_company_asked_for_by_name_is_asked_as_its_scope(third: RegisteredClient) -> None:
    """``organization`` and ``permissions`` come by the tick of their scope alone (OIDC Core §5.5)."""
    claims = {"userinfo": {"organization": None}, "id_token": {"permissions": None, "acr": None}}
    assert consent.asked(third, "openid", claims) == extent("openid organization permissions")
    nothing = consent.granted(third, "openid", claims, None)
    assert nothing == Granted("openid", {"id_token": {"acr": None}})
    ticked = consent.granted(third, "openid", claims, Decision(extent("organization")))
    assert ticked == Granted("openid", {"userinfo": {"organization": None}, "id_token": {"acr": None}})


def test_offline_access_needs_the_refresh_grant(services: Services, third: RegisteredClient) -> None:
    """Ignored at a client without it, whatever its registration says (OIDC Core §11)."""
    assert third.get_allowed_scope("offline_access email") == "offline_access email"
    with unit_of_work(services) as ctx:
        once = load_clients(ctx.db)["once"]
    registered = replace(once, scopes=once.scopes | {"offline_access"})
    assert registered.get_allowed_scope("offline_access email") == "email"


def test_what_is_no_choice(third: RegisteredClient, own: RegisteredClient) -> None:
    """``openid`` at third parties; at the operator's own all but access while the person is away."""
    wanted = extent("openid email offline_access", "gender")
    assert consent.fixed(third, wanted) == extent("openid")
    assert consent.fixed(own, wanted) == extent("openid email", "gender")


GRANTED: list[tuple[str, Decision | None, Granted]] = [
    (
        "nothing ticked",
        Decision(extent("openid")),
        Granted("openid", {"id_token": {"acr": {"essential": True}}}),
    ),
    (
        "a claim",
        Decision(extent("openid", "gender")),
        Granted("openid", {"userinfo": {"gender": None}, "id_token": {"acr": {"essential": True}}}),
    ),
    (
        "a scope brings its claims by name too",
        Decision(extent("openid email phone")),
        Granted("openid email", {"userinfo": {"email": None}, "id_token": {"acr": {"essential": True}}}),
    ),
    (
        "everything, and access while away",
        Decision(extent("openid email offline_access", "gender birthdate")),
        Granted("openid email offline_access", CLAIMS),
    ),
]


@pytest.mark.parametrize(
    ("decision", "granted"), [row[1:] for row in GRANTED], ids=[row[0] for row in GRANTED]
)
def test_what_is_granted(third: RegisteredClient, decision: Decision, granted: Granted) -> None:
    """What was asked for and allowed, in the order of the request (RFC 6749 §3.3)."""
    found = consent.granted(third, "openid email offline_access", CLAIMS, decision)
    assert found == granted
    assert found.offline == ("offline_access" in granted.scope)


def test_what_is_granted_to_the_operators_own(own: RegisteredClient) -> None:
    """Everything but offline access, which needs its tick."""
    wish = ("openid email offline_access", CLAIMS)
    assert consent.granted(own, *wish, None) == Granted("openid email", CLAIMS)
    allowed = Decision(extent("offline_access"))
    assert consent.granted(own, *wish, allowed) == Granted("openid email offline_access", CLAIMS)


def test_a_scope_that_is_allowed_answers_for_its_claims(third: RegisteredClient) -> None:
    """A claim by name is not more than the scope that brings it; the scope is more than the claim."""
    by_scope, by_name = Decision(extent("openid email")), Decision(extent("openid", "email"))
    claims = {"userinfo": {"email": None}}
    assert not consent.must_ask(third, "openid", claims, by_scope, organization_id="o1")
    assert consent.must_ask(third, "openid email", {}, by_name, organization_id="o1")
    assert consent.granted(third, "openid", claims, by_scope).claims == claims


def test_a_scope_of_an_api_is_no_claim_of_that_name(third: RegisteredClient) -> None:
    """Each has its tick."""
    client = replace(third, scopes=third.scopes | {"gender"})
    claims = {"userinfo": {"gender": None}}
    decision = Decision(extent("openid gender"), extent("", "gender"))
    assert not consent.must_ask(client, "openid gender", claims, decision, organization_id=None)
    assert consent.granted(client, "openid gender", claims, decision) == Granted("openid gender", {})


def test_a_claim_allowed_by_name_is_not_had_by_a_scope_that_was_declined(third: RegisteredClient) -> None:
    """The later no counts: the request asks for the scope, which brings the claim (req 16)."""
    claims = {"userinfo": {"email": None}}
    decision = Decision(extent("openid", "email"), extent("email"))
    assert not consent.must_ask(third, "openid email", claims, decision, organization_id=None)
    assert consent.granted(third, "openid email", claims, decision) == Granted("openid", {})


def test_a_limited_request_has_no_empty_parts() -> None:
    """What is left of ``claims`` is what the parameter would have said."""
    assert limited({"userinfo": {"gender": None}, "id_token": {"sub": None}}, ()) == {
        "id_token": {"sub": None}
    }


def test_a_decision_is_kept_beside_earlier_ones(
    services: Services, third: RegisteredClient, ben: str
) -> None:
    """One row a person and client; what was not asked now stays as it was; events tell both."""
    steps: list[tuple[Extent, Extent, Decision]] = [
        (
            extent("openid email", "gender"),
            extent("email phone"),  # of which phone was not asked
            Decision(extent("openid email"), extent(claims="gender")),
        ),
        (
            extent("openid phone"),
            extent("phone"),
            Decision(extent("openid email phone"), extent(claims="gender")),
        ),
        (
            extent("email", "gender"),
            extent("", "gender"),
            Decision(extent("openid phone", "gender"), extent("email")),
        ),
    ]
    for wanted, ticked, stored in steps:
        with unit_of_work(services) as ctx:
            consent.decide(ctx, ben, third, wanted, ticked)
            assert consent.find(ctx, ben, third.row_id) == stored
    with unit_of_work(services) as ctx:
        assert ctx.db.scalar(select(func.count()).select_from(Consent)) == 1
        events = ctx.db.scalars(
            select(AuditEvent).where(AuditEvent.event == "consent.given").order_by(AuditEvent.id)
        )
        facts = [(event.old, event.new) for event in events]
    assert [json.loads(new or "")["scope"] for _, new in facts] == [
        "email openid",
        "email openid phone",
        "openid phone",
    ]
    assert [old is None for old, _ in facts] == [True, False, False]


def test_a_decision_is_about_one_client_and_person(
    services: Services, third: RegisteredClient, ben: str
) -> None:
    """What others may have, and what others decided, stays as it was (req 16)."""
    with unit_of_work(services) as ctx:
        once, clara = load_clients(ctx.db)["once"], make_account(ctx, "clara")
        whole = extent("openid email")
        for person, client in ((ben, once), (clara, third), (ben, third)):
            consent.decide(ctx, person, client, whole, whole)
        consent.decide(ctx, ben, third, whole, extent())
        assert consent.find(ctx, ben, third.row_id) == Decision(extent("openid"), extent("email"))
        assert consent.find(ctx, ben, once.row_id) == Decision(whole)
        assert consent.find(ctx, clara, third.row_id) == Decision(whole)


def test_nobody_decides_for_an_account_that_is_gone(services: Services, third: RegisteredClient) -> None:
    """It was removed while the page was open."""
    with unit_of_work(services) as ctx, pytest.raises(Refusal) as caught:
        consent.decide(ctx, new_id(), third, extent("openid"), extent())
    assert caught.value.code == "principal.may_not_act"


def test_parallel_answers_are_one_row(services: Services, third: RegisteredClient, ben: str) -> None:
    """Eight tabs at once: no error, one row, each answer kept (req 22)."""
    names = ["profile", "email", "phone", "offline_access"]
    barrier = threading.Barrier(8)

    def answer(number: int) -> None:
        name = names[number % 4]
        barrier.wait()
        with unit_of_work(services) as ctx:
            consent.decide(ctx, ben, third, extent(f"openid {name}"), extent(name))

    with ThreadPoolExecutor(8) as pool:
        for running in [pool.submit(answer, number) for number in range(8)]:
            running.result()
    with unit_of_work(services) as ctx:
        assert ctx.db.scalar(select(func.count()).select_from(Consent)) == 1
        assert consent.find(ctx, ben, third.row_id) == Decision(extent(f"openid {' '.join(names)}"))


def test_nothing_is_issued_without_a_consent(services: Services, third: RegisteredClient, ben: str) -> None:
    """Whatever the hub thought: the decision is read again under the lock (req 16)."""
    request = AuthorizationRequest("third", cast.REDIRECT, "openid email")
    with unit_of_work(services) as ctx:
        held = live_sessions.hold(ctx, sign_in(ctx, ben, "third").session, third.row_id)
        assert held is not None
        with pytest.raises(Refusal) as caught:
            issue(ctx, request, third, held, None)
    assert caught.value.code == "principal.may_not_act"


def test_an_answer_under_way_waits_for_the_withdrawal_and_is_refused(
    services: Services, third: RegisteredClient, ben: str
) -> None:
    """The hub holds the person while the withdrawal commits, and reads the consent after (req 23, C7)."""
    with unit_of_work(services, actor=OPERATOR) as ctx:
        consent.decide(ctx, ben, third, extent("openid email"), extent("email"))
        session_id = sign_in(ctx, ben, "third").session
    request = AuthorizationRequest("third", cast.REDIRECT, "openid email")
    asking = threading.Event()
    outcome: list[str] = []

    def answer() -> None:
        asking.set()
        try:
            with unit_of_work(services) as ctx:
                held = live_sessions.hold(ctx, session_id, third.row_id)
                issue(ctx, request, third, held, None)
            outcome.append("issued")
        except Refusal as refusal:
            outcome.append(refusal.code)

    thread = threading.Thread(target=answer)
    with unit_of_work(services, actor=OPERATOR) as ctx:
        consents.withdraw(ctx, ben, "third")
        thread.start()
        assert asking.wait(10)
        wait_until_it_waits(services, outcome)
        assert outcome == []
    thread.join()
    assert outcome == ["principal.may_not_act"]
