"""``idp client`` (design §5: scripts outside rely on the flags of ``create``)."""

import json
from pathlib import Path

import pytest
from sqlalchemy import func, select

from idp.app import build_services
from idp.cli.client import slug
from idp.management import clients
from idp.oidc.models import Authorization
from idp.settings import load_settings
from tests.builders import OPERATOR, make_account, make_client, sign_in
from tests.cli.terminal import Terminal
from tests.signers import Signer

CALLBACK = "https://portal.example/callback"


def test_create_with_every_flag_of_the_contract(terminal: Terminal) -> None:
    """Kind, URIs, authentication, PKCE, algorithm and first-party reach the registration."""
    made = terminal.json(
        *("client", "create", "certification", "--kind", "web", "--redirect", CALLBACK),
        *("--redirect", "https://portal.example/second", "--logout-redirect", "https://portal.example/bye"),
        *("--auth-method", "client_secret_post", "--no-require-pkce", "--id-token-alg", "RS256"),
        "--first-party",
    )
    assert made["client_id"] == "certification"
    assert len(made["client_secret"]) >= 43
    shown = terminal.json("client", "show", "certification")
    assert shown["redirect_uris"] == [CALLBACK, "https://portal.example/second"]
    assert shown["post_logout_redirect_uris"] == ["https://portal.example/bye"]
    assert shown["token_endpoint_auth_method"] == "client_secret_post"
    assert shown["id_token_signed_response_alg"] == "RS256"
    assert shown["require_pkce"] is False
    assert shown["first_party"] is True


def test_create_needs_little(terminal: Terminal) -> None:
    """A name and a redirect URI make a portal with safe defaults; the name becomes the client_id."""
    made = terminal.json("client", "create", "Mein Büro-Portal", "--redirect", CALLBACK)
    assert made["client_id"] == "mein-buero-portal"
    assert made["client_name"] == "Mein Büro-Portal"
    assert made["require_pkce"] is True
    assert made["first_party"] is False
    assert made["id_token_signed_response_alg"] == "ES256"


def test_the_secret_is_shown_once(terminal: Terminal) -> None:
    """No later answer has the secret; a public client has none (req 20, 96)."""
    made = terminal.ok("client", "create", "portal", "--redirect", CALLBACK)
    secret = made.splitlines()[1].split()[1]
    assert len(secret) >= 43
    everything = terminal.ok("client", "show", "portal") + terminal.ok("client", "show", "portal", "--json")
    assert secret not in everything + terminal.ok("client", "list", "--json")
    public = terminal.json("client", "create", "app", "--kind", "native", "--redirect", "http://127.0.0.1/cb")
    assert public["client_secret"] is None
    assert "client_secret" not in terminal.ok(
        "client", "create", "app2", "--kind", "spa", "--redirect", CALLBACK
    )


def test_a_machine_with_an_audience(terminal: Terminal) -> None:
    """A service gets tokens for a resource server."""
    terminal.ok("client", "create", "orders-api", "--kind", "machine")
    made = terminal.json(
        "client", "create", "robot", "--kind", "machine", "--scope", "orders", "--audience", "orders-api"
    )
    assert made["audiences"] == ["orders-api"]
    assert made["grant_types"] == ["client_credentials"]


def test_a_registration_that_breaks_rules_is_refused_with_every_problem(terminal: Terminal) -> None:
    """All problems come at once, and nothing is registered (req 1)."""
    result = terminal.run(
        *("client", "create", "portal", "--redirect", "http://portal.example/cb"),
        *("--home", "ftp://portal.example"),
    )
    assert result.exit_code == 4
    assert "redirect_uris" in result.stderr
    assert "home_uri" in result.stderr
    assert terminal.json("client", "list") == []


def test_a_name_that_makes_no_client_id(terminal: Terminal) -> None:
    """Wrong usage, with the way out; with an id any name is one."""
    refused = terminal.run("client", "create", "東京", "--redirect", CALLBACK)
    assert (refused.exit_code, "--id" in refused.stderr) == (2, True)
    assert (
        terminal.json("client", "create", "東京", "--id", "tokyo", "--redirect", CALLBACK)["client_id"]
        == "tokyo"
    )


def test_rotate_secret(terminal: Terminal) -> None:
    """The old secret works beside the new one for a while, or ends at once (req 20)."""
    first = terminal.json("client", "create", "portal", "--redirect", CALLBACK)["client_secret"]
    second = terminal.json("client", "rotate-secret", "portal")
    assert second["client_secret"] != first
    secrets = terminal.json("client", "show", "portal")["secrets"]
    assert [bool(secret["expires_at"]) for secret in secrets] == [True, False]
    assert "24 more hours" in terminal.ok("client", "rotate-secret", "portal")
    assert "has ended" in terminal.ok("client", "rotate-secret", "portal", "--overlap-hours", "0")
    assert len(terminal.json("client", "show", "portal")["secrets"]) == 1


def test_a_client_that_signs(terminal: Terminal, tmp_path: Path) -> None:
    """Keys from a file or an address; no secret, now or later; a private key is refused and not repeated."""
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(Signer().jwks))
    create = ("client", "create", "portal", "--redirect", CALLBACK, "--auth-method", "private_key_jwt")
    made = terminal.json(*create, "--jwks", str(keys), "--require-par", "--dpop")
    assert made["client_secret"] is None
    assert made["jwks"] == Signer().jwks
    assert made["require_pushed_authorization_requests"] is True
    assert made["dpop_bound_access_tokens"] is True
    refused = terminal.run("client", "rotate-secret", "portal")
    assert (refused.exit_code, "has no secret" in refused.stderr) == (4, True)
    elsewhere = terminal.json(*create, "--id", "b", "--jwks-uri", "https://portal.example/jwks")
    assert (elsewhere["jwks"], elsewhere["jwks_uri"]) == (None, "https://portal.example/jwks")
    private = Signer().private_jwk
    for text, words in (
        (json.dumps({"keys": [private]}), "public keys only"),
        ("{", "cannot be read as JSON"),
    ):
        keys.write_text(text)
        refused = terminal.run(*create, "--id", "c", "--jwks", str(keys))
        assert (refused.exit_code, words in refused.stderr) == (4, True)
        assert private["d"] not in refused.output


def test_what_its_tokens_are(terminal: Terminal) -> None:
    """Algorithms, whose keys then are there; format; subjects; and the API they are asked for by."""
    api = terminal.json("client", "create", "api", "--kind", "machine", "--resource", "https://api.example/")
    assert api["resource_uri"] == "https://api.example/"
    create = ("client", "create", "portal", "--redirect", CALLBACK, "--audience", "api")
    signed = ("--id-token-alg", "EdDSA", "--userinfo-alg", "EdDSA")
    made = terminal.json(*create, *signed, "--access-token", "opaque", "--pairwise", "--strict-revocation")
    assert made["id_token_signed_response_alg"] == made["userinfo_signed_response_alg"] == "EdDSA"
    assert (made["access_token_format"], made["strict_revocation"]) == ("opaque", True)
    assert (made["subject_type"], made["sector_identifier_uri"]) == ("pairwise", None)
    keys = [key["state"] for key in terminal.json("keys", "list") if key["alg"] == "EdDSA"]
    assert sorted(keys) == ["active", "next"]
    sector = ("--id", "b", "--pairwise", "--sector", "https://127.0.0.1:1/sector.json")
    refused = terminal.run(*create, *sector)
    assert (refused.exit_code, "could not be read" in refused.stderr) == (4, True)
    plain = terminal.json("client", "create", "plain", "--redirect", CALLBACK)
    assert (plain["subject_type"], plain["access_token_format"]) == ("public", "jwt")


def test_disable_enable_delete(terminal: Terminal) -> None:
    """A client can be switched off and on, and deleted when somebody confirms it."""
    terminal.ok("client", "create", "portal", "--redirect", CALLBACK)
    assert "is disabled" in terminal.ok("client", "disable", "portal", "--reason", "Vertrag beendet")
    assert "disabled" in terminal.ok("client", "list")
    assert terminal.run("client", "disable", "portal").exit_code == 4
    assert "is enabled" in terminal.ok("client", "enable", "portal")
    refused = terminal.run("client", "delete", "portal")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert "is deleted" in terminal.ok("client", "delete", "portal", "--yes")
    assert "No clients" in terminal.ok("client", "list")


def test_enable_ends_in_parts_what_an_interrupted_disable_left(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large client is not switched on in one long transaction, either."""
    monkeypatch.setattr(clients, "BATCH", 2)
    services = build_services(load_settings(environ=terminal.environment))
    with services.database.session() as db, db.begin():
        ctx = services.context(db).acting(OPERATOR)
        make_client(ctx)
        ben = make_account(ctx)
        for _ in range(5):
            sign_in(ctx, ben)
        clients.disable(ctx, "portal")
    terminal.ok("client", "enable", "portal")
    with services.database.session() as db:
        together = select(func.count()).select_from(Authorization).group_by(Authorization.revoked_at)
        assert sorted(db.scalars(together)) == [1, 2, 2]
    services.database.dispose()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Mein Portal", "mein-portal"),
        ("Größe & Maß", "groesse-mass"),
        ("a.b_c-d", "a.b_c-d"),
        (" Ü ", "ue"),
        ("--x--", "x"),
    ],
)
def test_slug(name: str, expected: str) -> None:
    """A name becomes a readable client_id."""
    assert slug(name) == expected
