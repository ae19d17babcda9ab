"""Runs both portals and the API in one process: ``python -m clients --config FILE``."""

import argparse
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from clients.customer_portal import app as customer_portal
from clients.orders_api import app as orders_api
from clients.shared.relying_party import Registration
from clients.support_portal import app as support_portal

NAMES = ("customer_portal", "support_portal", "orders_api")


class ConfigProblem(Exception):
    """The configuration or a port cannot be used; the text says which and what to do."""


class QuietHandler(WSGIRequestHandler):
    """Serves without a line for every request, and without naming its software."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing: these programs' log is for what went wrong."""

    def version_string(self) -> str:
        """The ``Server`` header."""
        return "portal"


def read_config(path: Path) -> dict[str, Any]:
    """The configuration file; raises ``ConfigProblem`` naming what is missing."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        needed = [("issuer", content["issuer"])]
        for name in NAMES:
            needed += [(f"{name}.{key}", content[name][key]) for key in ("base_url", "client_id")]
            if not isinstance(content[name]["port"], int):
                raise ConfigProblem(f"{path}: {name}.port is not a number")
    except OSError as error:
        raise ConfigProblem(f"{path} cannot be read: {error.strerror}") from error
    except KeyError as error:
        raise ConfigProblem(f"{path}: {error.args[0]} is missing") from error
    except (ValueError, TypeError) as error:
        raise ConfigProblem(f"{path} is not the JSON this program needs: {error}") from error
    for key, value in needed:
        if not isinstance(value, str) or urlsplit(value).fragment:
            raise ConfigProblem(f"{path}: {key} is not usable")
    return dict(content)


def applications(config: Mapping[str, Any]) -> dict[str, Flask]:
    """The three WSGI applications of a configuration, by name."""
    urls = {name: str(config[name]["base_url"]).rstrip("/") for name in NAMES}

    def registration(name: str, scope: str) -> Registration:
        mine = config[name]
        return Registration(
            issuer=config["issuer"],
            client_id=mine["client_id"],
            client_secret=mine.get("client_secret", ""),
            base_url=urls[name],
            scope=mine.get("scope", scope),
            trust_ca=config.get("trust_ca"),
        )

    return {
        "customer_portal": customer_portal.create_app(
            customer_portal.Config(
                registration("customer_portal", customer_portal.SCOPE),
                orders_url=urls["orders_api"],
                support_url=urls["support_portal"],
            )
        ),
        "support_portal": support_portal.create_app(
            support_portal.Config(
                registration("support_portal", support_portal.SCOPE), customer_url=urls["customer_portal"]
            )
        ),
        "orders_api": orders_api.create_app(
            orders_api.Config(
                issuer=config["issuer"],
                client_id=config["orders_api"]["client_id"],
                trust_ca=config.get("trust_ca"),
            )
        ),
    }


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises ``ConfigProblem`` when the port is taken or not ours to have."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigProblem(
            f"port {port} on {host} cannot be used ({error.strerror}): "
            "stop what runs there or choose another port"
        ) from error
    listener.listen(128)
    return listener


def serve(config: Mapping[str, Any], stop: threading.Event, *, with_parent: bool) -> None:
    """Serves until ``stop`` is set, or, ``with_parent``, until the program that started this one is gone.

    Raises ``ConfigProblem`` before anything is served.
    """
    parent = os.getppid()  # before anybody hears that we work, and may end
    host = str(config.get("host", "127.0.0.1"))
    listeners: list[socket.socket] = []
    try:
        for name in NAMES:
            listeners.append(bind(host, config[name]["port"]))
        servers: list[BaseWSGIServer] = [
            make_server(
                host, config[name]["port"], app, True, request_handler=QuietHandler, fd=listener.fileno()
            )
            for listener, (name, app) in zip(listeners, applications(config).items(), strict=True)
        ]
    finally:
        for listener in listeners:
            listener.close()  # make_server works on a duplicate
    threads = [threading.Thread(target=server.serve_forever, args=(0.1,)) for server in servers]
    for thread in threads:
        thread.start()
    print(" ".join(f"{name}={config[name]['base_url']}" for name in NAMES), flush=True)
    while not stop.wait(1.0):
        if with_parent and os.getppid() != parent:
            break
    for server in servers:
        server.shutdown()
    for server, thread in zip(servers, threads, strict=True):
        thread.join()
        server.server_close()


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code: 0 stopped as asked, 1 could not start."""
    parser = argparse.ArgumentParser(prog="python -m clients", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file with issuer and clients")
    parser.add_argument("--stop-with-parent", action="store_true", help="end when the starting program ends")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve(read_config(options.config), stop, with_parent=options.stop_with_parent)
    except (ConfigProblem, OSError) as problem:
        print(f"clients: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
