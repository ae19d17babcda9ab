"""Dynamic OP: what a registration is taken for and refused for (conformance reference §5)."""

import pytest

from idp.management import clients
from idp.oidc.metadata_reader import InvalidMetadata
from tests import cast
from tests.builders import OPERATOR
from tests.conformance.conftest import Op
from tests.installation import unit_of_work
from tests.key_site import KeySite
from tests.plain_browser import Portal
from tests.world import forget_snapshot, verified

pytestmark = [pytest.mark.enable_socket, pytest.mark.alone_on("postgresql")]
SECOND = "https://other.example/callback"


def test_oidcc_registration_sector_uri(op: Op, site: KeySite) -> None:
    """A pairwise client whose redirect URIs all stand in the document of its sector signs in."""
    site.content = [cast.REDIRECT, SECOND]
    fields = {"subject_type": "pairwise", "sector_identifier_uri": site.uri}
    with unit_of_work(op.services) as ctx:
        made = cast.register(ctx, "sector", redirect_uris=[cast.REDIRECT, SECOND], **fields)
    forget_snapshot(op.gateway)
    public = verified(op.gateway, op.log_in(op.browser())["id_token"])[1]
    op.client = Portal(op.gateway, made)
    pairwise = op.id_token(op.log_in(op.browser()))
    assert pairwise["sub"] != public["sub"]


def test_oidcc_registration_sector_bad(op: Op, site: KeySite) -> None:
    """A document without one of the redirect URIs refuses the registration, whatever the subject type."""
    site.content = [SECOND]
    for subject_type in ("pairwise", "public"):
        fields = {"subject_type": subject_type, "sector_identifier_uri": site.uri}
        with unit_of_work(op.services) as ctx, pytest.raises(InvalidMetadata) as refused:
            cast.register(ctx, "sector", redirect_uris=[cast.REDIRECT, SECOND], **fields)
        (problem,) = refused.value.problems
        assert problem.field == "sector_identifier_uri"
        assert f"{cast.REDIRECT} is not in it" in problem.expected


def test_oidcc_redirect_uri_regfrag(op: Op) -> None:
    """A redirect URI with a fragment is refused at registration."""
    with unit_of_work(op.services) as ctx, pytest.raises(InvalidMetadata) as refused:
        cast.register(ctx, "fragment", redirect_uris=[f"{cast.REDIRECT}#part"])
    assert [problem.field for problem in refused.value.problems] == ["redirect_uris"]


def test_the_document_is_read_once_a_registration(op: Op, site: KeySite) -> None:
    """Not again for the same redirect URIs; for others it is, and then they must be in it."""
    site.content = [cast.REDIRECT]
    registration = {
        "client_id": "sector",
        "redirect_uris": [cast.REDIRECT],
        "subject_type": "pairwise",
        "sector_identifier_uri": site.uri,
    }
    with unit_of_work(op.services, actor=OPERATOR) as ctx:
        clients.create(ctx, registration)
        assert clients.change(ctx, registration | {"first_party": True}) == ["first_party"]
        assert len(site.hits) == 1
        with pytest.raises(InvalidMetadata):
            clients.change(ctx, registration | {"redirect_uris": [cast.REDIRECT, SECOND]})
        assert len(site.hits) == 2
        site.content = [cast.REDIRECT, SECOND]
        assert clients.change(ctx, registration | {"redirect_uris": [SECOND]}) == [
            "first_party",
            "redirect_uris",
        ]
