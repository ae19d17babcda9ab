"""Memory of the whole demo: all its processes, after somebody looked at it."""

import tempfile
import urllib.request
from pathlib import Path

from benchmarks.machine import pss_mib
from tests import demo_process


def measure() -> float:
    """Return the MiB of a demo's processes once its sign-in page was shown."""
    with tempfile.TemporaryDirectory(prefix="lotse-bench-demo-") as folder:
        demo = demo_process.start(Path(folder) / "demo")
        try:
            for page in ("/login", "/.well-known/openid-configuration"):
                address = demo.facts["issuer"] + page
                with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310  (the demo's own)
                    answer.read()
            return pss_mib(demo.tree())
        finally:
            demo.stop()
