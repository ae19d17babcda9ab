"""``idp demo``: provider, two portals and an API with made-up people, in one folder (design §5)."""

from idp.cli.demo.command import demo

__all__ = ["demo"]
