"""Limits as plain rules: how many in what time, how long after how many failures, and what one network is.

Specification: NIST SP 800-63B-4 §3.2.2; security reference, default values.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

Network = IPv4Network | IPv6Network

_IPV6_SITE = 64


@dataclass(frozen=True, slots=True)
class Limit:
    """At most *count* in a window of *period*, which begins with the first."""

    count: int
    period: timedelta


@dataclass(frozen=True, slots=True)
class Rule:
    """What one account bears without a success between.

    :param hard_stop: consecutive failures after which nothing is tried any more.
    :param delays: waits after failure ``free``, ``free + 1`` and so on; the last one stays.
    :param free: failures without any wait are those before this one.
    :param window: a limit beside all that.
    """

    hard_stop: int
    delays: tuple[timedelta, ...] = ()
    free: int = 0
    window: Limit | None = None

    def delay(self, failures: int) -> timedelta | None:
        """Return how long to wait after so many consecutive failures."""
        if not self.delays or failures < self.free:
            return None
        return self.delays[min(failures - self.free, len(self.delays) - 1)]


def doubling_delays(maximum_seconds: int) -> tuple[timedelta, ...]:
    """Return 2, 4, 8 … seconds up to *maximum_seconds*, which is the last."""
    delays = []
    seconds = 2
    while seconds < maximum_seconds:
        delays.append(timedelta(seconds=seconds))
        seconds *= 2
    return (*delays, timedelta(seconds=maximum_seconds))


def network_of(ip: str | None, exempt: Sequence[Network] = ()) -> Network | None:
    """Return what counts as one origin: an IPv4 address, or the /64 of an IPv6 address.

    None stands for what is not counted: an exempt address, and callers without one (commands, local sockets).
    """
    try:
        address = ipaddress.ip_address((ip or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in each for each in exempt):
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return IPv6Network((address, _IPV6_SITE), strict=False)
    return IPv4Network(address)
