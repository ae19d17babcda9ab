"""Method and path to handler: the dictionary in front of the pages (design §3, §6)."""

from collections.abc import Callable, Mapping
from typing import Any

from idp.db import StorageError
from idp.oidc import discovery
from idp.oidc.server import Answer, ProtocolServer
from idp.web.machine import cors, documents, endpoints
from idp.web.machine.endpoints import Endpoint
from idp.web.machine.http import MachineRequest, plain

Handler = Callable[[MachineRequest], Answer]

HEALTH_PATHS = frozenset({"/health/live", "/health/ready"})
UNREMARKABLE_PATHS = HEALTH_PATHS | {discovery.JWKS_PATH, *discovery.METADATA_PATHS}
"""Paths whose answer is the same for everybody: a request for it leaves no log line where it succeeds."""


class Dispatcher:
    """Answers the machine endpoints of one process."""

    def __init__(self, server: ProtocolServer) -> None:
        self._snapshots = server.provider.snapshots
        self._routes = _routes(server)
        self._allowed: dict[str, list[str]] = {}
        for method, path in self._routes:
            self._allowed.setdefault(path, []).append(method)

    def handles(self, path: str) -> bool:
        """Tell whether a path is one of ours."""
        return path in self._allowed

    def answer(self, request: MachineRequest, path: str) -> Answer:
        """Return the answer of an endpoint; 405 for a method it does not have."""
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._routes.get((method, path))
        if handler is None:
            allowed = ", ".join(sorted(self._allowed[path]))
            origin = request.environ.get("HTTP_ORIGIN")
            if method == "OPTIONS" and origin is not None and path in cors.PATHS:
                return cors.preflight(origin, self._origins(), allowed)
            return plain(405, "method not allowed\n", [("Allow", allowed)])
        return handler(request)

    def readable(self, answer: Answer, path: str, origin: str) -> Answer:
        """Return an answer to a script of another origin, which reads it where that is registered."""
        if path not in cors.PATHS or answer.status == 204:  # a preflight has said all
            return answer
        return cors.readable(answer, origin, self._origins())

    def _origins(self) -> frozenset[str]:
        try:
            return self._snapshots.published().origins
        except StorageError:  # away since the start: the answer says so, if not to scripts
            return frozenset()


def _routes(server: ProtocolServer) -> Mapping[tuple[str, str], Handler]:
    provider = server.provider

    def calling(endpoint: Endpoint) -> Handler:
        return lambda request: endpoints.answered(endpoint, server, request)

    def showing(name: str) -> Handler:
        def show(request: MachineRequest) -> Answer:
            document: Any = getattr(provider.snapshots.published(), name)
            return documents.published(document, request.environ)

        return show

    routes: dict[tuple[str, str], Handler] = {
        ("POST", discovery.TOKEN_PATH): calling(endpoints.token),
        ("POST", discovery.PAR_PATH): calling(endpoints.pushed_authorization_request),
        ("POST", discovery.DEVICE_AUTHORIZATION_PATH): calling(endpoints.device_authorization),
        ("POST", discovery.INTROSPECTION_PATH): calling(endpoints.introspection),
        ("POST", discovery.REVOCATION_PATH): calling(endpoints.revocation),
        ("GET", discovery.USERINFO_PATH): calling(endpoints.user_info),
        ("POST", discovery.USERINFO_PATH): calling(endpoints.user_info),
        ("GET", discovery.JWKS_PATH): showing("jwks"),
        ("GET", "/health/live"): lambda _request: documents.live(),
        ("GET", "/health/ready"): lambda _request: documents.ready(provider),
    }
    routes |= {("GET", path): showing("metadata") for path in discovery.METADATA_PATHS}
    return routes
