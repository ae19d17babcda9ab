"""Throttling of guesses (NIST SP 800-63B-4 §3.2.2, OWASP ASVS 5.0 6.3.1; design §2).

:class:`Throttle` says what is counted and when; ``limits`` holds the pure rules, ``counters`` the table and
its atomic statements, ``redis_windows`` the optional fast copy of the short-lived counts.
"""

from idp.throttling.counters import ThrottleRow, purge
from idp.throttling.throttle import Reservation, Throttle, make_throttle

__all__ = ["Reservation", "Throttle", "ThrottleRow", "make_throttle", "purge"]
