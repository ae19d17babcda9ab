"""Bad input is answered with a clear 4xx; nothing breaks and no row changes (issue; req 11, 29)."""

from urllib.parse import urlencode

import pytest

from tests import cast
from tests.attacks import bad_input
from tests.attacks.bad_input import NAMES, VALUES, places
from tests.attacks.conftest import register_portal
from tests.attacks.live import FORM, Answer, Live
from tests.attacks.parties import Party, parsed
from tests.attacks.visitor import SAME_ORIGIN, Visitor
from tests.installation import unit_of_work
from tests.plain_browser import basic
from tests.world import forget_snapshot

# on the stricter engine: it refuses NUL in a text
pytestmark = [pytest.mark.enable_socket, pytest.mark.alone_on("postgresql")]

ODD_METHODS = ("TRACE", "PROPFIND", "CONNECT", "POST1", "X" * 200, "PUT", "PATCH", "DELETE", "OPTIONS")


class Watch:
    """Collects answers that are not what a bad request deserves, and what they changed."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.before = live.rows()
        self.wrong: list[tuple[str, int]] = []
        self.accepted = 0
        self.seen = 0

    def see(self, name: str, answer: Answer, *, refused: bool = False) -> None:
        """Note an answer; *refused*: it has to be a 4xx."""
        self.seen += 1
        self.accepted += answer.status < 400
        if answer.status >= 500 or (refused and answer.status < 400):
            self.wrong.append((name, answer.status))
        if b"Traceback" in answer.body:
            self.wrong.append((f"{name}: a trace", answer.status))

    def done(self) -> int:
        """Compare: a request that was accepted may begin a flow or wait for one, nothing else happens.

        Return how many answers were seen.
        """
        assert not self.wrong, self.wrong[:20]
        after = self.live.rows()
        begun = sum(len(after.pop(name)) - len(self.before.pop(name)) for name in ("flow", "pushed_request"))
        assert after == self.before
        assert 0 <= begun <= self.accepted
        return self.seen


@pytest.fixture
def party(live_on_each: Live) -> Party:
    return register_portal(live_on_each)


@pytest.fixture
def watched(party: Party) -> tuple[Watch, Visitor, list[str]]:
    """A watch, somebody in the middle of a sign-in, and all paths with that sign-in's flow."""
    visitor = Visitor(party.live)
    page = visitor.get("/authorize", **party.parameters())
    flow_id = page.url.partition("flow=")[2]
    return Watch(party.live), visitor, places(party.live, flow_id)


def _get(visitor: Visitor, target: str) -> Answer:
    return Visitor(visitor.live, dict(visitor.cookies)).once("GET", target)


def test_odd_methods(watched: tuple[Watch, Visitor, list[str]]) -> None:
    """A method that a path does not have is 405 everywhere, 400 where it is no method at all."""
    watch, _, paths = watched
    for path in paths:
        for method in ODD_METHODS:
            answer = watch.live.send(method, path, headers=SAME_ORIGIN)
            refused = method not in ("OPTIONS", "PUT", "PATCH", "DELETE")
            watch.see(f"{method[:20]} {path}", answer, refused=refused)
    assert watch.done() == len(paths) * len(ODD_METHODS)


def test_broken_queries(watched: tuple[Watch, Visitor, list[str]]) -> None:
    """Every path with 1,000 parameters, broken UTF-8, NUL, duplicates, arrays."""
    watch, visitor, paths = watched
    for at, path in enumerate(paths):
        broken = bad_input.parsed_once(watch.live, path, bad_input.broken_queries(), at)
        for name, query in [*broken, *bad_input.queries()]:
            watch.see(f"{path}: {name}", _get(visitor, f"{path}?{query}"), refused=name.startswith("1,000"))
    assert watch.done() > len(paths) * len(list(bad_input.queries()))


def test_broken_bodies(watched: tuple[Watch, Visitor, list[str]]) -> None:
    """Every path with bodies of wrong types and sizes, as our own page would send them."""
    watch, visitor, paths = watched
    # the token may come as a header too: without it most bodies would not be looked at
    token = {"X-CSRFToken": visitor.form("/login").fields["csrf_token"]}
    for at, path in enumerate(paths):
        for name, body, headers in bad_input.parsed_once(watch.live, path, bad_input.bodies(), at):
            sent = {**SAME_ORIGIN, **token, **dict(headers)}
            holder = Visitor(watch.live, dict(visitor.cookies))
            answer = holder.once("POST", path, body, sent)
            watch.see(f"{path}: {name}", answer)
        broken = bad_input.parsed_once(watch.live, path, bad_input.broken_queries(), at)
        for name, query in [*broken, *bad_input.queries()]:
            holder = Visitor(watch.live, dict(visitor.cookies))
            answer = holder.once("POST", path, query.encode(), SAME_ORIGIN | FORM)
            watch.see(f"{path}: {name}", answer, refused=name.startswith("1,000"))
    assert watch.done() > len(paths) * len(list(bad_input.queries()))


def test_broken_headers(watched: tuple[Watch, Visitor, list[str]]) -> None:
    """Every path with headers that cannot be read, or are longer than 16 KiB."""
    watch, _, paths = watched
    for at, path in enumerate(paths):
        for name, headers in bad_input.turn(bad_input.headers(), at):
            for method in ("GET", "POST"):
                body = b"token=x" if method == "POST" else None
                answer = watch.live.send(method, path, body=body, headers=[*FORM.items(), *headers])
                watch.see(f"{method} {path}: {name}", answer, refused=name.startswith("X-Long"))
    assert watch.done() > len(paths) // 2 * len(list(bad_input.headers())) // 2


def test_each_value_in_each_parameter_of_the_authorization_request(party: Party) -> None:
    """One broken value in a right request: an error page, or an error at the portal (req 29; C21, C23)."""
    watch, visitor = Watch(party.live), Visitor(party.live)
    for name in NAMES:
        others = {key: value for key, value in party.parameters().items() if key != name}
        for what, value in VALUES.items():
            query = f"{urlencode(others)}&{bad_input.encoded(name, value)}"
            answer = visitor.once("GET", f"/authorize?{query}")
            watch.see(f"{name}: {what}", answer)
            pushed = _machine(party, "/par", f"{urlencode(others)}&{bad_input.encoded(name, value)}")
            watch.see(f"/par: {name}: {what}", pushed)
            read = name in party.parameters() and name not in ("state", "nonce", "scope")
            if read and "error" not in answer.arrived and answer.status != 400:
                watch.wrong.append((f"{name}: {what}: accepted", answer.status))
    assert watch.done() == 2 * len(NAMES) * len(VALUES)


def test_each_value_in_each_field_of_the_sign_in_page(party: Party) -> None:
    """With the right token, so that the value is looked at: no 5xx, nobody signed in (req 29, 104; C23)."""
    visitor = Visitor(party.live)
    visitor.get("/authorize", **party.parameters())
    form = visitor.form("/login")
    watch = Watch(party.live)
    for name in ("username", "password", "csrf_token"):
        others = {"username": "nobody", "password": "x"} | form.fields
        others.pop(name, None)
        for what, value in VALUES.items():
            body = f"{urlencode(others)}&{name}={value}".encode()
            holder = Visitor(party.live, dict(visitor.cookies))
            answer = holder.once("POST", form.action, body, SAME_ORIGIN | FORM)
            watch.see(f"{name}: {what}", answer)
            assert "__Host-sid" not in answer.cookies()
    assert watch.done() == 3 * len(VALUES)


def test_each_value_in_each_field_of_the_machine_endpoints(party: Party) -> None:
    """A JSON error with a word of RFC 6749, never a 5xx (RFC 6749 §5.2, req 29)."""
    watch = Watch(party.live)
    grants = {
        "authorization_code": {"code": "x", "redirect_uri": "https://portal.example/callback"},
        "refresh_token": {"refresh_token": "x"},
        "client_credentials": {"scope": "openid", "resource": "https://orders.example/"},
    }
    for grant, fields in grants.items():
        for name in ("grant_type", *fields, "code_verifier", "scope", "client_id"):
            others = {"grant_type": grant} | fields
            others.pop(name, None)
            for what, value in VALUES.items():
                body = f"{urlencode(others)}&{name}={value}"
                answer = _machine(party, "/token", body)
                watch.see(f"{grant}: {name}: {what}", answer, refused=grant != "client_credentials")
                if answer.status >= 400:
                    assert parsed(answer)["error"].isascii()
    for path in ("/introspect", "/revoke"):
        for what, value in VALUES.items():
            watch.see(f"{path}: {what}", _machine(party, path, f"token={value}"))
            watch.see(f"{path}: hint {what}", _machine(party, path, f"token=x&token_type_hint={value}"))
    for what, value in VALUES.items():
        body = f"access_token={value}".encode()
        watch.see(f"/userinfo: {what}", party.live.send("POST", "/userinfo", body=body, headers=FORM))
    assert watch.done() == 22 * len(VALUES)


def test_each_value_in_each_field_of_a_poll(live_on_each: Live) -> None:
    """By a device that is registered for it, with a code that nobody gave out (RFC 8628 §3.4, req 29)."""
    with unit_of_work(live_on_each.services) as ctx:
        device = cast.register_device(ctx)
    forget_snapshot(live_on_each.gateway)
    usual = {"grant_type": cast.DEVICE_GRANT, "client_id": device.client_id, "device_code": "x"}
    watch = Watch(live_on_each)
    for name in (*usual, "scope", "resource"):
        others = {key: word for key, word in usual.items() if key != name}
        for what, value in VALUES.items():
            body = f"{urlencode(others)}&{name}={value}".encode()
            answer = live_on_each.send("POST", "/token", body=body, headers=FORM)
            watch.see(f"{name}: {what}", answer, refused=True)
            assert parsed(answer)["error"].isascii()
    usual_answer = live_on_each.send("POST", "/token", body=urlencode(usual).encode(), headers=FORM)
    assert parsed(usual_answer)["error"] == "invalid_grant", "it gets as far as the code"
    assert watch.done() == 5 * len(VALUES)


def test_duplicated_parameters_are_an_error(party: Party) -> None:
    """Each one, at each endpoint, whatever the two values are (RFC 6749 §3.1, §3.2, req 11)."""
    visitor = Visitor(party.live)
    watch = Watch(party.live)
    wanted = party.parameters()
    for name, value in wanted.items():
        for second in (value, "", "x"):
            pairs = [*wanted.items(), (name, second)]
            for order in (pairs, pairs[::-1]):
                answer = visitor.once("GET", f"/authorize?{urlencode(order)}")
                refused = answer.arrived.get("error") == "invalid_request" or answer.status == 400
                assert refused, (name, second)
    for name, value in {"grant_type": "client_credentials", "scope": "openid"}.items():
        form = [("grant_type", "client_credentials"), ("scope", "openid"), (name, value)]
        answer = _machine(party, "/token", urlencode(form))
        assert (answer.status, parsed(answer)["error"]) == (400, "invalid_request")
    for path in ("/introspect", "/revoke"):
        assert _machine(party, path, "token=x&token=y").status == 400
    pairs = [("client_id", "portal"), ("state", "a"), ("state", "b")]
    assert visitor.once("GET", f"/logout?{urlencode(pairs)}").status == 400
    watch.done()


def _machine(party: Party, path: str, body: str) -> Answer:
    credentials = basic(party.registered.client_id, str(party.registered.secret))
    return party.live.send("POST", path, body=body.encode(), headers=FORM | {"Authorization": credentials})
