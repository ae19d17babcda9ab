"""What the samples of the pages are made of."""

from datetime import UTC, datetime
from types import SimpleNamespace as Shown
from typing import Any

PORTAL = Shown(name="Kundenportal", home_uri="http://localhost:8001/")
NOW = datetime(2023, 8, 29, 7, 10, tzinfo=UTC)
HOSTILE = '"><script>alert(1)</script>'

Page = tuple[str, dict[str, Any]]
