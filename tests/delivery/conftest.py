"""Mail servers for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import make_authority
from tests.mail_servers import Faulty, faulty_server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``ca.pem`` and ``server.pem``."""
    return make_authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    """A mail server that does what it is told."""
    with faulty_server() as server:
        yield server
