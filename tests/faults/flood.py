"""Wrong passwords, one after the other or two hundred a second."""

import html
import re
from dataclasses import dataclass
from urllib.parse import urljoin

from tests.faults.load import Caller, Lost


@dataclass
class Guesser(Caller):
    """Holds one sign-in page open and sends it again and again, from many addresses."""

    fields: dict[str, str] | None = None
    action: str = ""

    def guess(self, username: str, address: str) -> int:
        """Send a wrong password and return the status; 0 where no answer came."""
        if self.fields is None:
            page = self.ask("page", "GET", "/login")
            token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', page.text)
            action = re.search(r'<form[^>]* action="([^"]*login[^"]*)"', page.text)
            assert token is not None
            assert action is not None
            self.fields = {"csrf_token": token[1], "password": "Falsche Kraniche im Sturm"}
            self.action = urljoin(str(page.url), html.unescape(action[1]))
        self.address = address
        form = {**self.fields, "username": username}
        try:
            origin = {"Origin": self.installation.issuer}
            return self.ask("guess", "POST", self.action, data=form, headers=origin).status_code
        except Lost as lost:
            found = re.search(r"\d+$", str(lost))
            return int(found[0]) if found else 0
