"""Resource indicators at every endpoint that takes them (RFC 8707)."""

from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select

from idp.management import clients
from idp.oidc import resources
from idp.oidc.clients import load_clients
from idp.oidc.metadata_reader import InvalidMetadata
from idp.oidc.models import Authorization
from tests import cast
from tests.builders import OPERATOR
from tests.device_programs import Device, connect
from tests.plain_browser import Browser, Portal, basic
from tests.signers import Signer, SigningPortal
from tests.world import Desk, forget_snapshot, machine, verified

ORDERS, STOCK, OTHERS = "https://orders.example/", "https://stock.example/api", "https://other.example/"
OWN = "client_credentials"


@pytest.fixture
def shop(desk: Desk) -> Desk:
    """A portal with two APIs, and a third that is none of its own."""
    with desk.work() as ctx:
        machine_client = {"kind": "machine", "first_party": True}
        for client_id, uri in (("orders", ORDERS), ("stock", STOCK), ("others", OTHERS)):
            api = {"client_id": client_id, "resource_uri": uri, **machine_client}
            clients.create(ctx.acting(OPERATOR), api)
        made = cast.register(ctx, "shop", audiences=["orders", "stock"])
    forget_snapshot(desk.gateway)
    return Desk(desk.services, desk.gateway, made, desk.account_id)


def _token(desk: Desk, form: dict[str, Any]) -> Any:
    """Send a token request in which a list stands for a repeated parameter."""
    headers = {"Authorization": basic(desk.registered.client_id, str(desk.registered.secret))}
    return machine(desk.gateway, "POST", "/token", data=form, headers=headers)


def _aud(desk: Desk, answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return verified(desk.gateway, answer.get_json()["access_token"])[1]["aud"]


def _refused(answer: Any) -> bool:
    found = answer.status_code, answer.get_json()["error"]
    assert found in {(400, "invalid_target"), (200, None)}, answer.text
    return found[0] == 400


WISHES: list[tuple[Any, Any]] = [
    (None, ["orders", "stock"]),
    ([], ["orders", "stock"]),
    (ORDERS, "orders"),
    ([STOCK], "stock"),
    ([STOCK, ORDERS], ["stock", "orders"]),
    ([STOCK, STOCK], "stock"),
    ("", ["orders", "stock"]),
]
REFUSED: list[Any] = [
    OTHERS,
    [ORDERS, OTHERS],
    "orders",
    "https://orders.example",
    ORDERS.upper(),
    ORDERS + "x",
    "https://orders.example/#x",
    "%",
    "ä",
    f"{ORDERS} {STOCK}",
    *(f"{ORDERS}{blank}{STOCK}" for blank in "\t\n\x1f\u00a0\u2003"),
    "nowhere",
]


@pytest.mark.parametrize(("wish", "aud"), WISHES, ids=str)
def test_a_client_for_itself(shop: Desk, wish: Any, aud: Any) -> None:
    """aud is the resource servers' client ids, in the order of the request; all without a wish."""
    form = {"grant_type": OWN} | ({} if wish is None else {"resource": wish})
    assert _aud(shop, _token(shop, form)) == aud


@pytest.mark.parametrize("wish", REFUSED, ids=str)
def test_what_is_no_resource_of_the_client(shop: Desk, wish: Any) -> None:
    """Unknown, another client's, malformed, a client_id, two in one: invalid_target, at every grant."""
    assert _refused(_token(shop, {"grant_type": OWN, "resource": wish}))
    tokens = shop.tokens()
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert _refused(_token(shop, form | {"resource": wish}))
    # the wish cost nothing
    assert _token(shop, form).status_code == 200


def test_other_parameters_still_come_once(shop: Desk) -> None:
    """RFC 6749 §3.2; resource alone may be repeated."""
    answer = _token(shop, {"grant_type": OWN, "scope": ["a", "b"]})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")


def _redeem(desk: Desk, code: str, **form: Any) -> Any:
    exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": cast.REDIRECT}
    return _token(desk, exchange | {"code_verifier": desk.portal.verifier} | form)


def test_a_token_request_narrows_what_was_authorized(shop: Desk) -> None:
    """§2.2: a part of it, for this token alone; the refresh token keeps the whole; never more."""
    first = _redeem(shop, shop.code(resources=("orders", "stock")).code, resource=ORDERS)
    assert _aud(shop, first) == "orders"
    again = shop.portal.refresh(first.get_json()["refresh_token"])
    assert _aud(shop, again) == ["orders", "stock"]
    form = {"grant_type": "refresh_token", "refresh_token": again.get_json()["refresh_token"]}
    last = _token(shop, form | {"resource": [STOCK]})
    assert _aud(shop, last) == "stock"
    narrow = shop.code(resources=("stock",)).code
    refused = _redeem(shop, narrow, resource=ORDERS)
    assert _refused(refused)
    assert "exceeds what was authorized" in refused.get_json()["error_description"]
    # a wish for too much costs no code either
    assert _aud(shop, _redeem(shop, narrow)) == "stock"


def test_without_a_wish_in_the_authorization_request(shop: Desk) -> None:
    """All of the client's, and the token request may still narrow."""
    assert _aud(shop, _redeem(shop, shop.code().code)) == ["orders", "stock"]
    assert _aud(shop, _redeem(shop, shop.code().code, resource=STOCK)) == "stock"


def test_a_resource_server_that_is_taken_away(shop: Desk) -> None:
    """What is left counts; where nothing is left, the refresh is refused, not made for something else."""
    both, one = (
        _redeem(shop, shop.code(resources=wanted).code).get_json()
        for wanted in (("orders", "stock"), ("stock",))
    )
    with shop.work() as ctx:
        facts = clients.show(ctx.acting(OPERATOR), "shop").metadata
        registration = {name: value for name, value in facts.items() if value is not None}
        clients.change(ctx.acting(OPERATOR), registration | {"audiences": ["orders"]})
    forget_snapshot(shop.gateway)
    assert _aud(shop, shop.portal.refresh(both["refresh_token"])) == "orders"
    assert _refused(shop.portal.refresh(one["refresh_token"]))


def _device(desk: Desk, *wanted: str) -> tuple[Device, Any]:
    """Have a device ask for codes with these resources."""
    with desk.work() as ctx:
        found = load_clients(ctx.db).get("till")
        made = found or cast.register_device(ctx, "till", audiences=["orders", "stock"])
    forget_snapshot(desk.gateway)
    device = Device(desk.gateway, cast.Registered(made.client_id, None))
    asked: Any = {"scope": "openid", "resource": list(wanted)}
    answer = device.call("/device_authorization", asked)
    device.codes = answer.get_json()
    return device, answer


DEVICES: list[tuple[tuple[str, ...], str | None, Any]] = [
    ((), None, ["orders", "stock"]),
    ((), ORDERS, "orders"),
    ((STOCK,), None, "stock"),
    ((STOCK, ORDERS), None, ["stock", "orders"]),
    ((STOCK, ORDERS), ORDERS, "orders"),
]


@pytest.mark.parametrize(("named", "wish", "aud"), DEVICES, ids=str)
def test_a_device(shop: Desk, named: tuple[str, ...], wish: str | None, aud: Any) -> None:
    """RFC 8628 §3.1 with RFC 8707 §2: what it names when it asks, and what it narrows when it polls."""
    device, answer = _device(shop, *named)
    assert answer.status_code == 200, answer.text
    connect(Browser(shop.gateway), device.codes["user_code"], "paul")
    tokens = device.poll(resource=wish)
    assert _aud(shop, tokens) == aud
    # the refresh token keeps the whole
    whole = [{STOCK: "stock", ORDERS: "orders"}[uri] for uri in named] or ["orders", "stock"]
    again = device.refresh(tokens.get_json()["refresh_token"])
    assert _aud(shop, again) == (whole if len(whole) > 1 else whole[0])


def test_a_device_is_refused(shop: Desk) -> None:
    """No code for what it cannot have; no token for more than it asked for, and the code is not spent."""
    for wish in REFUSED:
        device, answer = _device(shop, wish)
        assert _refused(answer), wish
        assert "device_code" not in device.codes
    device, _ = _device(shop, STOCK)
    connect(Browser(shop.gateway), device.codes["user_code"], "paul")
    for wish in (ORDERS, OTHERS):
        assert _refused(device.poll(resource=wish))
    assert _aud(shop, device.poll()) == "stock"


def test_a_resource_server_that_is_switched_off(shop: Desk) -> None:
    """The others of its client go on; it can be named no more."""
    with shop.work() as ctx:
        clients.disable(ctx.acting(OPERATOR), "orders")
    forget_snapshot(shop.gateway)
    assert _aud(shop, _token(shop, {"grant_type": OWN, "resource": STOCK})) == "stock"
    assert _refused(_token(shop, {"grant_type": OWN, "resource": ORDERS}))


def test_the_issuer_is_no_resource(desk: Desk) -> None:
    """A client without audiences has tokens for the issuer alone, and nothing to choose."""
    assert _aud(desk, _token(desk, {"grant_type": OWN})) == desk.issuer
    assert _refused(_token(desk, {"grant_type": OWN, "resource": desk.issuer}))


def _authorized(desk: Desk) -> list[str] | None:
    with desk.work() as ctx:
        newest = select(Authorization.resources).order_by(Authorization.created_at.desc()).limit(1)
        return ctx.db.scalars(newest).one()


@pytest.fixture
def browser(shop: Desk) -> Browser:
    made = Browser(shop.gateway)
    shop.portal.sign_in(made, "paul")
    assert _authorized(shop) is None
    return made


def _query(desk: Desk, *wanted: str) -> list[tuple[str, str]]:
    return [*desk.portal.parameters().items(), *(("resource", uri) for uri in wanted)]


def test_by_query(shop: Desk, browser: Browser) -> None:
    """Repeated in the address; what is stored are the servers, and the token is for them."""
    browser.get("/authorize?" + _encoded(_query(shop, STOCK, ORDERS)))
    assert _authorized(shop) == ["stock", "orders"]
    assert _aud(shop, _redeem(shop, shop.portal.answer(browser)["code"])) == ["stock", "orders"]


def test_through_a_page(shop: Desk) -> None:
    """The flow keeps it while the person signs in."""
    fresh = Browser(shop.gateway)
    fresh.get("/authorize?" + _encoded(_query(shop, STOCK)))
    fresh.sign_in("paul")
    assert _aud(shop, _redeem(shop, shop.portal.answer(fresh)["code"])) == "stock"


@pytest.mark.parametrize("wanted", [(OTHERS,), (ORDERS, OTHERS), ("orders",), (f"{ORDERS} {STOCK}",)])
def test_refused_at_the_authorization_endpoint(shop: Desk, browser: Browser, wanted: tuple[str]) -> None:
    """invalid_target goes back to the portal (§2); in a pushed request it is the answer."""
    browser.get("/authorize?" + _encoded(_query(shop, *wanted)))
    assert shop.portal.answer(browser)["error"] == "invalid_target"
    assert _refused(_push(shop, *wanted))


def _encoded(pairs: list[tuple[str, str]]) -> str:
    return urlencode(pairs)


def _push(desk: Desk, *wanted: str) -> Any:
    headers = {"Authorization": basic(desk.registered.client_id, str(desk.registered.secret))}
    form: dict[str, Any] = {**desk.portal.parameters(), "resource": list(wanted)}
    return machine(desk.gateway, "POST", "/par", data=form, headers=headers)


def test_pushed(shop: Desk, browser: Browser) -> None:
    """RFC 9126: the same parameter, the same result."""
    answer = _push(shop, ORDERS, STOCK)
    assert answer.status_code == 201, answer.text
    browser.get("/authorize", client_id="shop", request_uri=answer.get_json()["request_uri"])
    assert _authorized(shop) == ["orders", "stock"]


@pytest.mark.parametrize(
    ("value", "stored"),
    [(STOCK, ["stock"]), ([STOCK], ["stock"]), ([STOCK, ORDERS], ["stock", "orders"]), ([], None)],
    ids=str,
)
def test_in_a_request_object(shop: Desk, value: Any, stored: Any) -> None:
    """One as a text, several as an array (RFC 9101 §4 has JSON's own types)."""
    signer = Signer("signing")
    with shop.work() as ctx:
        fields = {"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks}
        made = cast.register(ctx, "signing", audiences=["orders", "stock"], **fields)
    forget_snapshot(shop.gateway)
    portal = SigningPortal(shop.gateway, made, signer=signer)
    browser = Browser(shop.gateway)
    parameters: dict[str, Any] = {**portal.parameters(), "resource": value}
    browser.get("/authorize", client_id="signing", request=signer.request_object(shop.issuer, parameters))
    browser.sign_in("paul")
    assert "code" in portal.answer(browser)
    assert _authorized(shop) == stored


@pytest.mark.parametrize("value", [[1], [None], {"a": STOCK}, 7, [[STOCK]]], ids=str)
def test_no_text_in_a_request_object(shop: Desk, value: Any) -> None:
    """Refused, not guessed; other parameters have no arrays."""
    signer = Signer("signing")
    with shop.work() as ctx:
        fields = {"token_endpoint_auth_method": "private_key_jwt", "jwks": signer.jwks}
        made = cast.register(ctx, "signing", audiences=["orders", "stock"], **fields)
    forget_snapshot(shop.gateway)
    portal = SigningPortal(shop.gateway, made, signer=signer)
    browser = Browser(shop.gateway)
    for changes in ({"resource": value}, {"resource": STOCK, "scope": ["openid"]}):
        signed = signer.request_object(shop.issuer, {**portal.parameters(), **changes})
        query = {"client_id": "signing", "redirect_uri": cast.REDIRECT, "request": signed}
        browser.get("/authorize", **query)
        assert portal.answer(browser)["error"] in {"invalid_request_object", "invalid_target"}


def test_the_named_server_alone_reads_the_token(shop: Desk) -> None:
    """Introspection follows aud (req 27)."""
    with shop.work() as ctx:
        secrets = [clients.rotate_secret(ctx.acting(OPERATOR), name) for name in ("orders", "stock")]
    forget_snapshot(shop.gateway)
    orders, stock = (Portal(shop.gateway, cast.Registered(made.client_id, made.secret)) for made in secrets)
    token = _token(shop, {"grant_type": OWN, "resource": ORDERS}).get_json()["access_token"]
    assert shop.introspect(token, orders)["active"] is True
    assert shop.introspect(token, stock) == {"active": False}


def test_a_resource_uri_belongs_to_one_client(shop: Desk) -> None:
    """Another client cannot take it; its own registration may say it again."""
    api = {"client_id": "orders", "kind": "machine", "first_party": True, "resource_uri": ORDERS}
    with shop.work() as ctx:
        acting = ctx.acting(OPERATOR)
        assert clients.change(acting, api) == []
        with pytest.raises(InvalidMetadata) as refused:
            clients.create(acting, api | {"client_id": "thief"})
    (problem,) = refused.value.problems
    assert (problem.field, problem.expected) == ("resource_uri", "must not be the one of orders")


def test_as_one_text() -> None:
    """What stands for a repeated parameter inside; everything else stays where it was."""
    pairs = [("a", "1"), ("resource", "x"), ("a", "2"), ("resource", ""), ("resource", "y z")]
    assert resources.joined(pairs) == [("a", "1"), ("a", "2"), ("resource", "x y%20z")]
    assert resources.joined(pairs[:1]) == pairs[:1]
