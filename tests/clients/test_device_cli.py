"""The program without a browser, against a foreign issuer (RFC 8628 §3.2-3.5; OIDC Core §3.1.3.7)."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import httpx
import pytest

from clients.device_cli.__main__ import Codes, Refused, main, wait
from clients.shared.issuer import Issuer
from tests.clients.foreign_issuer import ForeignIssuer, serve

Reply = tuple[int, dict[str, Any]]


@dataclass
class DeviceIssuer(ForeignIssuer):
    """Says what a test tells it, one answer for each request."""

    replies: list[Reply] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)

    def exchange(self, form: dict[str, str], authorization: str) -> Reply:
        """Answer both endpoints of the device grant."""
        self.forms.append(form)
        return self.replies.pop(0)

    def device_codes(self, **changes: Any) -> Reply:
        """An answer of the device authorization endpoint."""
        found = {
            "device_code": "d" * 43,
            "user_code": "BCDF-GHJK",
            "verification_uri": f"{self.url}/device",
            "verification_uri_complete": f"{self.url}/device?user_code=BCDF-GHJK",
            "expires_in": 600,
            "interval": 5,
        }
        return 200, {name: value for name, value in {**found, **changes}.items() if value is not None}

    def done(self, typ: str = "JWT", alg: str = "ES256", **claims: Any) -> Reply:
        """The tokens."""
        id_token = self.sign(self.claims(**{"aud": "device-cli", **claims}), typ, alg=alg)
        return 200, self.tokens(id_token)


PENDING: Reply = (400, {"error": "authorization_pending"})
SLOWER: Reply = (400, {"error": "slow_down"})
SHORT = {"device_code": "d", "user_code": "B", "verification_uri": "u", "expires_in": 600}


@pytest.fixture
def issuer() -> Iterator[DeviceIssuer]:
    made = DeviceIssuer()
    server = serve(made)
    made.metadata["device_authorization_endpoint"] = made.url + "/device_authorization"
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def call(issuer: DeviceIssuer, pauses: list[float]) -> Callable[..., int]:
    def run(*replies: Reply) -> int:
        issuer.replies = list(replies)
        return main(["--issuer", issuer.url], pauses.append)

    return run


def test_it_waits_and_prints_the_claims(
    issuer: DeviceIssuer, call: Callable[..., int], pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """The pace is the issuer's: its interval, and five seconds more after each slow_down."""
    assert call(issuer.device_codes(), PENDING, SLOWER, PENDING, SLOWER, issuer.done()) == 0
    said = capsys.readouterr().out
    assert "BCDF-GHJK" in said
    assert f"{issuer.url}/device?user_code=BCDF-GHJK" in said
    assert json.loads(said[said.index("{") :])["aud"] == "device-cli"
    assert pauses == [5, 5, 10, 10, 15]
    assert issuer.forms[0] == {"client_id": "device-cli", "scope": "openid profile email organization"}
    assert issuer.forms[1] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "d" * 43,
        "client_id": "device-cli",
    }


def test_without_an_interval_it_waits_five_seconds(
    issuer: DeviceIssuer, call: Callable[..., int], pauses: list[float]
) -> None:
    """RFC 8628 §3.2; and without a whole address it names none."""
    assert call(issuer.device_codes(interval=None, verification_uri_complete=None), issuer.done()) == 0
    assert pauses == [5]


@pytest.mark.parametrize("error", ["access_denied", "expired_token", "invalid_grant"])
def test_a_no_is_the_end(
    issuer: DeviceIssuer, call: Callable[..., int], capsys: pytest.CaptureFixture[str], error: str
) -> None:
    """No further poll."""
    assert call(issuer.device_codes(), (400, {"error": error})) == 1
    assert error in capsys.readouterr().err
    assert len(issuer.forms) == 2


def test_no_codes(issuer: DeviceIssuer, call: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """The client is not registered for it."""
    assert call((400, {"error": "unauthorized_client"})) == 1
    assert "unauthorized_client" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another"},
        {"iss": "https://elsewhere.example"},
        {"exp": 1},
        {"typ": "at+jwt"},
        {"azp": "another"},
        {"at_hash": "x"},
        {"sub": None},
    ],
)
def test_an_id_token_of_another_kind_is_refused(
    issuer: DeviceIssuer,
    call: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
) -> None:
    """Nothing of it is printed."""
    assert call(issuer.device_codes(), issuer.done(**changes)) == 1
    found = capsys.readouterr()
    assert "{" not in found.out
    assert "not to be trusted" in found.err


def test_another_algorithm_is_refused(
    issuer: DeviceIssuer, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The program names ES256; what the token says does not count."""
    status, tokens = issuer.done()
    head, rest = tokens["id_token"].split(".", 1)
    forged = "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ" + "." + rest
    assert head != forged.split(".")[0]
    assert call(issuer.device_codes(), (status, tokens | {"id_token": forged})) == 1
    assert "algorithm" in capsys.readouterr().err


@pytest.mark.parametrize(
    "reply",
    [
        (200, {}),
        (200, SHORT | {"user_code": "\x1b[2J"}),
        (200, SHORT | {"interval": "5"}),
        (200, SHORT | {"interval": 0}),
        (200, SHORT | {"expires_in": None}),
        (200, SHORT | {"expires_in": True}),
        (503, {}),
    ],
)
def test_an_answer_that_is_none(
    call: Callable[..., int], capsys: pytest.CaptureFixture[str], reply: Reply
) -> None:
    """Nothing of it reaches the terminal."""
    assert call(reply) == 1
    assert "device_cli: " in capsys.readouterr().err


def test_a_broken_issuer(issuer: DeviceIssuer, call: Callable[..., int]) -> None:
    """It does not answer with the protocol."""
    issuer.metadata = {"issuer": "https://elsewhere.example"}
    assert call() == 1


def test_given_up(issuer: DeviceIssuer, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends it without a trace."""

    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    issuer.replies = [issuer.device_codes()]
    assert main(["--issuer", issuer.url], interrupt) == 1
    assert "given up" in capsys.readouterr().err


def _waits(issuer: DeviceIssuer, pauses: list[float], answers: Iterator[httpx.Response | Exception]) -> str:
    """Poll with these answers, by a clock that the pauses move, and return why it ended."""

    def answer(_request: httpx.Request) -> httpx.Response:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    asking = Issuer(issuer.url)
    asking.metadata()
    asking.http = httpx.Client(transport=httpx.MockTransport(answer))
    codes = Codes("d", "B", "u", None, 600.0, 5.0)
    with pytest.raises(Refused) as refused:
        wait(asking, "device-cli", codes, pauses.append, lambda: sum(pauses))
    return refused.value.code


@pytest.mark.parametrize(
    "nothing",
    [
        httpx.ReadTimeout("late"),
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("closed"),
        httpx.Response(502, text="<html>"),
        httpx.Response(503, json={"error": "temporarily_unavailable"}),
        httpx.Response(429, json={"error": "temporarily_unavailable"}),
    ],
)
def test_who_gets_no_answer_asks_less_often(
    issuer: DeviceIssuer, pauses: list[float], nothing: httpx.Response | Exception
) -> None:
    """RFC 8628 §3.5: a time-out doubles the interval; so does an issuer that starts again or has too much."""
    no = httpx.Response(400, json={"error": "access_denied"})
    assert _waits(issuer, pauses, iter([nothing, nothing, no])) == "access_denied"
    assert pauses == [5, 10, 20]


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        (httpx.ConnectError("refused"), 60),
        (httpx.Response(400, json={"error": "authorization_pending"}), 5),
    ],
)
def test_it_stops_when_its_code_has_expired(
    issuer: DeviceIssuer, pauses: list[float], answer: httpx.Response | Exception, last: float
) -> None:
    """RFC 8628 §3.2: with the first poll that is late, whether the issuer is away or goes on waiting."""
    assert _waits(issuer, pauses, repeat(answer)) == "expired_token"
    assert 600 <= sum(pauses) < 600 + last
    assert pauses[-1] == last
