"""What an operation says when it declines: a domain "no", a full queue, an installation that cannot start.

Protocol answers are :class:`authlib.oauth2.OAuth2Error`; everything else that is raised is a bug.
"""

from typing import Any


class Refusal(Exception):
    """A domain "no" with a stable code; the surface words it (codes: ``idp.web.wording``)."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code)
        self.code = code
        self.params = params

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refusal) and (self.code, self.params) == (other.code, other.params)

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        return f"Refusal({self.code!r}, {self.params!r})"


class Busy(Exception):
    """A bounded resource is used up; answered with 503 and ``Retry-After``."""

    def __init__(self, what: str, *, retry_after: int = 2) -> None:
        super().__init__(what)
        self.retry_after = retry_after


class NotReady(Exception):
    """The installation cannot run as it is set up; the text says the remedy."""
