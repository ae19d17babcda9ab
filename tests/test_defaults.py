"""Defaults that were decided, not found: a change of one is a decision (design §2, security reference §4)."""

from functools import reduce
from typing import Any

from idp.settings import Settings, load_settings

#: design §2 (Lifetimes, Session levels, Refresh tokens, Remember this device) and security reference §4
DECIDED = {
    "flow.minutes": 60,
    "tokens.code_seconds": 60,
    "tokens.access_token_seconds": 300,
    "tokens.id_token_seconds": 300,
    "tokens.refresh_idle_days": 14,
    "tokens.refresh_days": 30,
    "tokens.offline_days": 90,
    "session.aal1_idle_hours": 12,
    "session.aal1_days": 30,
    "session.aal2_idle_minutes": 60,
    "session.aal2_hours": 24,
    "session.max_sessions": 20,
    "remember_device.days": 30,
    "password.memory_kib": 19 * 1024,
    "password.time_cost": 2,
    "password.parallelism": 1,
    "password.pool_processes": 2,
    "password.pool_queue": 20,
    "throttle.account_free": 5,
    "throttle.account_max_delay_seconds": 900,
    "throttle.account_hard_stop": 100,
    "throttle.login_per_minute": 20,
    "throttle.login_per_hour": 200,
    "throttle.second_factor_per_transaction": 5,
    "throttle.second_factor_per_hour": 10,
    "keys.signing_rotation_days": 90,
    "keys.publish_before_hours": 24,
    "keys.keep_days": 30,
    "database.statement_timeout_ms": 2000,
    "database.pool_wait_seconds": 1.0,
    "retention.expired_token_days": 7,
    "retention.audit_days": 365,
    "retention.audit_origin_days": 90,
    "retention.failed_sign_in_days": 30,
    "retention.sent_message_days": 30,
}


def test_the_defaults_are_those_that_were_decided() -> None:
    """Whoever sets nothing has them (req 6, 21, 43, 52, 54, 64, 111)."""
    default = load_settings(None, {})
    assert {key: _value(default, key) for key in DECIDED} == DECIDED


def _value(settings: Settings, key: str) -> Any:
    return reduce(getattr, key.split("."), settings)
