"""The example relying parties against a foreign issuer on this machine."""

import threading
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from clients.__main__ import QuietHandler
from clients.customer_portal import app as customer_portal
from clients.orders_api import app as orders_api
from clients.shared.relying_party import Registration
from clients.support_portal import app as support_portal
from tests.clients.foreign_issuer import ForeignIssuer, serve

CUSTOMER = "http://localhost:8001"
SUPPORT = "http://localhost:8002"


@pytest.fixture
def issuer() -> Iterator[ForeignIssuer]:
    """The foreign issuer, running."""
    made = ForeignIssuer()
    server = serve(made)
    yield made
    server.shutdown()
    server.server_close()


@pytest.fixture
def api(issuer: ForeignIssuer) -> FlaskClient:
    """The orders API."""
    return orders_api.create_app(orders_api.Config(issuer.url, "orders-api")).test_client()


@pytest.fixture
def api_url(issuer: ForeignIssuer) -> Iterator[str]:
    """The address of an orders API that is served over HTTP."""
    app = orders_api.create_app(orders_api.Config(issuer.url, "orders-api"))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def registration(issuer: ForeignIssuer, base_url: str, scope: str) -> Registration:
    """The portals' registration at the foreign issuer, which knows one client only."""
    return Registration(
        issuer=issuer.url, client_id="customer-portal", client_secret="secret", base_url=base_url, scope=scope
    )


@pytest.fixture
def portal(issuer: ForeignIssuer, api_url: str) -> FlaskClient:
    """A browser at the customer portal."""
    config = customer_portal.Config(
        registration(issuer, CUSTOMER, customer_portal.SCOPE), orders_url=api_url, support_url=SUPPORT
    )
    return customer_portal.create_app(config).test_client()


@pytest.fixture
def support(issuer: ForeignIssuer) -> FlaskClient:
    """A browser at the support portal."""
    config = support_portal.Config(registration(issuer, SUPPORT, support_portal.SCOPE), customer_url=CUSTOMER)
    return support_portal.create_app(config).test_client()
