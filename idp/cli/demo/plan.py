"""Where the demo's parts listen and what they are told: one plan, made from the flags (design §5)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PORTS = 4
"""Provider, customer portal, support portal, orders API: neighbours in this order."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run of the demo is made of."""

    folder: str
    host: str
    port: int
    #: the issuer's address where a TLS proxy stands in front, else None
    public_url: str | None = None
    client_redirects: tuple[str, ...] = ()
    client_logout_redirects: tuple[str, ...] = ()
    trust_ca: str | None = None

    @property
    def issuer(self) -> str:
        """The address people and portals know the provider by."""
        return self.public_url or f"http://localhost:{self.port}".removesuffix(":80")  # as browsers write it

    @property
    def customer_portal(self) -> str:
        """Address of the customer portal."""
        return f"http://localhost:{self.port + 1}"

    @property
    def support_portal(self) -> str:
        """Address of the support portal."""
        return f"http://localhost:{self.port + 2}"

    @property
    def orders_api(self) -> str:
        """Address of the orders API."""
        return f"http://localhost:{self.port + 3}"

    @property
    def own_address(self) -> str:
        """The provider's address on this machine, past any proxy."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104  (compared)
        return f"http://{f'[{host}]' if ':' in host and '[' not in host else host}:{self.port}"

    def path(self, name: str) -> Path:
        """Return the path of a file in the demo's folder."""
        return Path(self.folder) / name

    @property
    def settings_file(self) -> Path:
        """The settings this run is started with; other commands can use it too."""
        return self.path("lotse.toml")

    def settings(self) -> str:
        """Return the settings file's text."""
        proxies = '["127.0.0.0/8", "::1/128"]'
        trust_ca = f"trust_ca_file = {_toml(self.trust_ca)}\n" if self.trust_ca else ""
        return (
            "# Written by idp demo at each start.\n"
            'mode = "demo"\n'
            f"public_url = {_toml(self.issuer)}\n\n"
            f"[server]\nhost = {_toml(self.host)}\nport = {self.port}\nworkers = 1\nthreads = 4\n"
            f"trusted_proxies = {proxies if self.public_url else '[]'}\n\n"
            '[database]\nurl = "sqlite:///lotse.db"\n\n'
            '[keys]\ndirectory = "keys"\n\n'
            '[support]\nmail = "hilfe@lotse.example"\n\n'
            f"[throttle]\nexempt_networks = {proxies}\n\n"
            f"[egress]\nallow_loopback = true\n{trust_ca}\n"
            '[logging]\nlevel = "warning"\nformat = "text"\n'
        )

    def portals(self, secrets: Mapping[str, str]) -> dict[str, Any]:
        """Return the configuration of ``python -m clients``.

        :param secrets: client id to secret.
        """
        programs = {
            "customer_portal": (self.customer_portal, "customer-portal", 1),
            "support_portal": (self.support_portal, "support-portal", 2),
            "orders_api": (self.orders_api, "orders-api", 3),
        }
        parts = {
            name: {
                "port": self.port + offset,
                "base_url": address,
                "client_id": client,
                "client_secret": secrets[client],
            }
            for name, (address, client, offset) in programs.items()
        }
        return {"issuer": self.issuer, "host": self.host, "trust_ca": self.trust_ca, **parts}

    def to_json(self) -> str:
        """Return the plan as text for the process that prepares the data."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        """Return the plan that :meth:`to_json` wrote."""
        values: dict[str, Any] = json.loads(text)
        for name in ("client_redirects", "client_logout_redirects"):
            values[name] = tuple(values[name])
        return cls(**values)


def _toml(text: str) -> str:
    """Return a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
