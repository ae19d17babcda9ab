"""openid-client, the library of portals on Node.js, as a relying party (OIDC Core, RFC 9126, RFC 9449)."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.demo_process import Demo
from tests.documents import blocks
from tests.foreign.conftest import CALLBACK, SIGNED_OUT, Person

pytestmark = pytest.mark.enable_socket

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def node() -> str:
    """The path of Node.js, with the library beside this file."""
    found = shutil.which("node")
    if found is None or not (HERE / "node_modules" / "openid-client").is_dir():
        pytest.skip("needs node: Node.js 18 or newer with npm; make test installs the library")
    return found


class RelyingParty:
    """The program, as a process that is spoken to in lines of JSON."""

    def __init__(self, node: str, wanted: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [node, str(HERE / "relying_party.mjs"), json.dumps(wanted)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def hears(self, **facts: Any) -> dict[str, Any]:
        """Tell it something, and return what it says next."""
        assert self.process.stdin is not None
        if facts:
            self.process.stdin.write(json.dumps(facts) + "\n")
            self.process.stdin.flush()
        return self.says()

    def says(self) -> dict[str, Any]:
        """Return the next line."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        said: dict[str, Any] = json.loads(line)
        return said

    def ends(self) -> None:
        """Wait for the end, which is a clean one."""
        _, complaints = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, complaints


@pytest.mark.parametrize("client_id", ["probe", "probe-public"])
@pytest.mark.parametrize(
    "way", [{}, {"par": True}, {"par": True, "dpop": True}], ids=["plain", "par", "par-dpop"]
)
def test_sign_in_refresh_userinfo_sign_out(
    demo: Demo,
    ben: Person,
    secrets: dict[str, str | None],
    node: str,
    *,
    client_id: str,
    way: dict[str, bool],
) -> None:
    """A person signs in, the tokens are renewed once, and nothing is left after the sign-out."""
    wanted = {
        "issuer": demo.facts["issuer"],
        "client_id": client_id,
        "secret": secrets[client_id],
        "redirect_uri": CALLBACK,
        "signed_out": SIGNED_OUT,
        "scope": "openid profile",
        "par": False,
        "dpop": False,
        **way,
    }
    party = RelyingParty(node, wanted)
    address = party.says()["address"]
    assert ("request_uri=" in address) is wanted["par"]
    found = party.hears(address=ben.visit(address))
    assert found["claims"]["sub"] == found["person"]["sub"] == found["renewed"]["sub"]
    assert found["person"]["preferred_username"] == "ben"
    assert found["renewed"]["rotated"]
    assert found["token_type"].lower() == ("dpop" if wanted["dpop"] else "bearer")
    assert ben.visit(found["end"]) == f"{SIGNED_OUT}?state=left"
    assert party.hears(signed_out=True) == {"after": "invalid_grant"}
    party.ends()


_AS_NODE_20 = "data:text/javascript,import{webcrypto}from'node:crypto';globalThis.crypto??=webcrypto"
_AS_A_SERVER_WOULD = """
const { address, kept } = await begin()
console.log(address.href)
process.stdin.once('data', async (line) => {
  console.log(JSON.stringify(await finish(String(line).trim(), kept)))
  process.exit(0)
})
"""


def test_the_page_signs_in(demo: Demo, ben: Person, secrets: dict[str, str | None], node: str) -> None:
    """The code of docs/how-to/clients.md, as it stands, against a client registered by its defaults."""
    (text,) = (text for page, text in blocks("js") if page == "docs/how-to/clients.md")
    names = {"ISSUER": demo.facts["issuer"], "CLIENT_ID": "probe", "CALLBACK": CALLBACK}
    with subprocess.Popen(
        [node, "--import", _AS_NODE_20, "--input-type=module", "-e", text + _AS_A_SERVER_WOULD],
        cwd=HERE,
        env={**os.environ, **names, "CLIENT_SECRET": secrets["probe"] or ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        arrived = ben.visit(process.stdout.readline().strip())
        claims, _ = process.communicate(arrived + "\n", timeout=30)
    assert process.returncode == 0
    found = json.loads(claims)
    assert (found["iss"], found["aud"]) == (demo.facts["issuer"], "probe")
    assert found["sub"]
