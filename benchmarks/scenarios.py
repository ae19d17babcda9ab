"""What is measured, against which form of the peer, and the least ratio that holds."""

from dataclasses import dataclass, field
from typing import Any

PRODUCT, MEMORY, POSTGRESQL = "product", "peer, memory", "peer, PostgreSQL"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of load, as the generator takes it for the product and for the peer."""

    name: str
    kind: str
    peer: str
    product: dict[str, Any] = field(default_factory=dict)
    against: dict[str, Any] = field(default_factory=dict)
    #: product divided by peer must reach this; None where nothing is demanded
    least: float | None = None


_ES256 = {"client_id": "bench-es256"}

SCENARIOS = (
    Scenario(
        "client credentials, ES256 JWT",
        "cc",
        MEMORY,
        {"scope": "api"},
        {**_ES256, "params": {"resource": "urn:bench:es256", "scope": "api"}},
        least=2.0,
    ),
    Scenario("refresh, ES256 ID token", "refresh", POSTGRESQL, {}, _ES256, least=1.1),
    Scenario("single sign-on, code flow", "sso", POSTGRESQL, {}, _ES256, least=1.0),
    Scenario("sign-in with form", "login", POSTGRESQL, {}, _ES256, least=0.7),
    Scenario("userinfo", "userinfo", POSTGRESQL, {}, _ES256, least=0.9),
    Scenario("introspection, client's token", "introspect", POSTGRESQL, {"scope": "api"}, _ES256, least=0.9),
    Scenario(
        "introspection, person's token",
        "introspect",
        POSTGRESQL,
        {"token_from": "code"},
        {**_ES256, "token_from": "code"},
        least=0.9,
    ),
    Scenario("discovery", "discovery", MEMORY, least=3.0),
    Scenario("JWKS", "jwks", MEMORY, least=2.0),
)
