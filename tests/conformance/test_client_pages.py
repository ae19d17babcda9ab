"""Dynamic OP: what a registration shows on the pages; third-party initiated login (conformance §5, §6)."""

import pytest

from idp.oidc.metadata_reader import InvalidMetadata
from tests import cast
from tests.conformance.conftest import Op
from tests.installation import unit_of_work
from tests.plain_browser import Browser, Portal
from tests.world import forget_snapshot

pytestmark = pytest.mark.alone_on("postgresql")

SHOWN = {
    "logo_uri": "https://portal.example/logo.png",
    "policy_uri": "https://portal.example/privacy",
    "tos_uri": "https://portal.example/terms",
}


@pytest.fixture
def page(op: Op) -> str:
    """The sign-in page of a client that registered all three."""
    with unit_of_work(op.services) as ctx:
        registered = cast.register(ctx, "shown", **SHOWN)
    forget_snapshot(op.gateway)
    return Portal(op.gateway, registered).authorize(op.browser()).text


def test_oidcc_registration_logo_uri(page: str) -> None:
    """The sign-in page shows the logo, with a name for those who do not see it."""
    assert f'src="{SHOWN["logo_uri"]}" alt="Logo von Shown"' in page


@pytest.mark.parametrize("field", ["policy_uri", "tos_uri"], ids=lambda field: f"oidcc-registration-{field}")
def test_oidcc_registration_links(page: str, field: str) -> None:
    """The sign-in page links the policy and the terms."""
    assert f'href="{SHOWN[field]}"' in page


def test_a_client_without_them_shows_none(op: Op) -> None:
    """No empty image, no dead link."""
    page = op.client.authorize(op.browser()).text
    assert "portal-logo" not in page
    assert "portal-links" not in page


def test_oidcc_3rd_party_init_login_nohttps(op: Op) -> None:
    """An http initiate_login_uri is refused."""
    with unit_of_work(op.services) as ctx, pytest.raises(InvalidMetadata) as caught:
        cast.register(ctx, "insecure", initiate_login_uri="http://portal.example/login")
    assert [problem.field for problem in caught.value.problems] == ["initiate_login_uri"]


@pytest.mark.parametrize(
    ("registered", "shown"),
    [
        ("https://portal.example/login", "https://portal.example/login?iss=http%3A%2F%2Flocalhost%3A8000"),
        (
            "https://portal.example/go?to=login",
            "https://portal.example/go?to=login&amp;iss=http%3A%2F%2Flocalhost%3A8000",
        ),
        (None, "https://portal.example/"),
    ],
    ids=["plain", "with a query", "none"],
)
def test_third_party_initiated_login(op: Op, registered: str | None, shown: str) -> None:
    """A lost sign-in begins again at the portal, which is told by whom (OIDC Core §4)."""
    with unit_of_work(op.services) as ctx:
        client = cast.register(ctx, "begins", initiate_login_uri=registered)
    forget_snapshot(op.gateway)
    browser = op.browser()
    Portal(op.gateway, client).authorize(browser)
    lost = Browser(op.gateway).get(browser.url.removeprefix(op.issuer))
    assert lost.status_code == 400
    assert f'href="{shown}"' in lost.text
