"""Every page a person can meet in the demo, each with the way to it."""

from tests.browser.scenes import (
    account,
    account_data,
    joining,
    linking,
    portals,
    provider,
    recovery,
    registration,
)
from tests.browser.scenes.book import SCENES

__all__ = [
    "SCENES",
    "account",
    "account_data",
    "joining",
    "linking",
    "portals",
    "provider",
    "recovery",
    "registration",
]
