"""How the installation names itself towards mail servers (RFC 5321 §4.1.3)."""

import pytest

from idp.delivery.mail_domain import mail_domain
from idp.settings import Settings


@pytest.mark.parametrize(
    ("public_url", "domain"),
    [
        ("https://login.example.de", "login.example.de"),
        ("https://login.example.de:8443", "login.example.de"),
        ("https://192.0.2.1", "192.0.2.1"),
        ("https://[2001:db8::1]", "[IPv6:2001:db8::1]"),
        ("https://[2001:db8::1]:8443", "[IPv6:2001:db8::1]"),
    ],
)
def test_the_host_without_its_port(public_url: str, domain: str) -> None:
    assert mail_domain(Settings(public_url=public_url)) == domain
