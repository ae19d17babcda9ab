"""The life of signing keys: next → active → retired → removed (OIDC Core §10.1.1, req 33, 34).

A next key stands in the JWKS before it signs, a retired key stands there until what it signed has expired.
ES256 and RS256 are always there; keys of other algorithms are made when a registration asks for them first.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import ECKey, OKPKey, RSAKey
from sqlalchemy import select, update

from idp.audit.events import Event
from idp.audit.log import record
from idp.context import Context
from idp.crypto import b64url
from idp.db import new_id
from idp.errors import Refusal
from idp.installation import insert_once, snapshot_changed
from idp.oidc.models import Client, SigningKey
from idp.oidc.models.signing_key import ACTIVE, NEXT, REMOVED, RETIRED
from idp.oidc.signing import ALGORITHMS, KeyRing, SigningKeyPair, public_key

ALWAYS: Final = ("ES256", "RS256")
RSA_BITS = 3072
JWKS_MAX_AGE = 3600
"""Seconds a relying party may cache the JWKS; a next key waits at least this long before it signs."""

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def ensure(ctx: Context) -> None:
    """Make the missing active and next keys; one set, however many workers start at once.

    An algorithm that a client is registered for, or that has keys already, is kept like those always there.
    """
    begun = ctx.db.scalars(select(SigningKey.alg).where(SigningKey.state.in_((ACTIVE, NEXT))))
    asked = select(Client.id_token_signed_response_alg, Client.userinfo_signed_response_alg).distinct()
    _complete(ctx, {*ALWAYS, *begun, *(alg for row in ctx.db.execute(asked) for alg in row if alg)})


def provide(ctx: Context, algorithms: Collection[str]) -> None:
    """Make the keys of algorithms that a registration asks for, in its own transaction."""
    if set(algorithms) - set(ALWAYS):
        _complete(ctx, algorithms)


def rotate(ctx: Context, *, force: bool = False) -> list[str]:
    """Promote next keys whose active key is old enough; returns the promoted key ids.

    :param force: all next keys that relying parties know by now, see :func:`too_young`.
    :raises Refusal: ``keys.too_young`` with *force* while they know none.
    """
    promoted, held = [], select(SigningKey).where(SigningKey.state == NEXT).with_for_update()
    successors = ctx.db.scalars(held).all()
    waiting = too_young(ctx)  # once the keys are held: who was first has just made them
    for key in successors:
        ready = key.kid not in waiting if force else _due(ctx, key)
        if ready:
            _promote(ctx, key)
            promoted.append(key.kid)
    if force and waiting and not promoted:
        kid, until = min(waiting.items(), key=lambda each: each[1])
        raise Refusal("keys.too_young", kid=kid, until=until)
    _remove_expired(ctx)
    ensure(ctx)
    return promoted


def too_young(ctx: Context) -> dict[str, datetime]:
    """Return the next keys that relying parties with a cached JWKS may not know, and until when."""
    cached = timedelta(seconds=JWKS_MAX_AGE)
    waiting = select(SigningKey.kid, SigningKey.created_at).where(
        SigningKey.state == NEXT, SigningKey.created_at > ctx.now - cached
    )
    return {kid: created_at + cached for kid, created_at in ctx.db.execute(waiting)}


def retire(ctx: Context, kid: str) -> None:
    """Take a key out of the JWKS at once: the emergency brake.  What it signed no longer verifies.

    :raises Refusal: ``keys.unknown``.
    """
    key = ctx.db.get(SigningKey, kid)
    if key is None or key.state == REMOVED:
        raise Refusal("keys.unknown", kid=kid)
    successor = None
    if key.state == ACTIVE:
        following = select(SigningKey).where(SigningKey.alg == key.alg, SigningKey.state == NEXT)
        successor = ctx.db.scalars(following).first()
    _remove(ctx, key)
    if successor is not None:
        _promote(ctx, successor)
    ensure(ctx)


def listing(ctx: Context) -> list[SigningKey]:
    """Return all keys, newest first; none of their private parts is opened."""
    return list(ctx.db.scalars(select(SigningKey).order_by(SigningKey.created_at.desc(), SigningKey.kid)))


def load_ring(ctx: Context) -> tuple[KeyRing, list[dict[str, Any]]]:
    """Return the key ring of this moment and the public keys of the JWKS document."""
    active: dict[str, SigningKeyPair] = {}
    verifying = {}
    published = []
    stored = select(SigningKey).where(SigningKey.state != REMOVED).order_by(SigningKey.created_at)
    for row in ctx.db.scalars(stored):
        published.append(row.public_jwk)
        verifying[row.kid] = (row.alg, public_key(row.public_jwk))
        if row.state == ACTIVE and row.sealed is not None:
            pkcs8 = ctx.vault.open(row.sealed, table="signing_key", row=row.kid)
            active[row.alg] = SigningKeyPair(row.kid, row.alg, pkcs8)
    return KeyRing(active, verifying), published


def _due(ctx: Context, successor: SigningKey) -> bool:
    settings = ctx.settings.keys
    published = successor.created_at + timedelta(hours=settings.publish_before_hours)
    current = ctx.db.scalars(
        select(SigningKey).where(SigningKey.alg == successor.alg, SigningKey.state == ACTIVE)
    ).first()
    if current is None or current.activated_at is None:
        return True
    worn = current.activated_at + timedelta(days=settings.signing_rotation_days)
    return ctx.now >= max(published, worn)


def _promote(ctx: Context, successor: SigningKey) -> None:
    retiring = update(SigningKey).where(SigningKey.alg == successor.alg, SigningKey.state == ACTIVE)
    retired = ctx.db.execute(
        retiring.values(state=RETIRED, retired_at=ctx.now).returning(SigningKey.kid),
        execution_options={"synchronize_session": "fetch"},
    )
    for (kid,) in retired.all():
        record(ctx, Event.SIGNING_KEY_RETIRED, target=("signing_key", kid))
    successor.state, successor.activated_at = ACTIVE, ctx.now
    ctx.db.flush()
    record(ctx, Event.SIGNING_KEY_ACTIVATED, target=("signing_key", successor.kid))
    snapshot_changed(ctx.db)


def _remove_expired(ctx: Context) -> None:
    limit = ctx.now - timedelta(days=ctx.settings.keys.keep_days)
    for key in ctx.db.scalars(
        select(SigningKey).where(SigningKey.state == RETIRED, SigningKey.retired_at < limit)
    ):
        _remove(ctx, key)


def _remove(ctx: Context, key: SigningKey) -> None:
    # the row stays: a key id is never used again; its private part goes
    key.state, key.removed_at, key.sealed = REMOVED, ctx.now, None
    ctx.db.flush()
    record(ctx, Event.SIGNING_KEY_REMOVED, target=("signing_key", key.kid))
    snapshot_changed(ctx.db)


def _complete(ctx: Context, algorithms: Collection[str]) -> None:
    known = select(SigningKey.alg, SigningKey.state).where(SigningKey.state.in_((ACTIVE, NEXT)))
    present = {(alg, state) for alg, state in ctx.db.execute(known)}
    wanted = [(alg, state) for alg in ALGORITHMS if alg in algorithms for state in (ACTIVE, NEXT)]
    # all are made before the first is written: RSA keys take seconds, and SQLite has one writer
    for values in [_new_key(ctx, alg, state) for alg, state in wanted if (alg, state) not in present]:
        _insert(ctx, values)


def _private_key(alg: str) -> tuple[PrivateKey, type[ECKey | OKPKey | RSAKey]]:
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1()), ECKey
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate(), OKPKey
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS), RSAKey


def _new_key(ctx: Context, alg: str, state: str) -> dict[str, Any]:
    private, kind = _private_key(alg)
    kid = b64url(bytes.fromhex(new_id()))
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = kind.import_key(pem).as_dict(private=False) | {"kid": kid, "alg": alg, "use": "sig"}
    pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return {
        "kid": kid,
        "alg": alg,
        "state": state,
        "public_jwk": jwk,
        "sealed": ctx.vault.seal(pkcs8, table="signing_key", row=kid),
        "created_at": ctx.now,
        "activated_at": ctx.now if state == ACTIVE else None,
    }


def _insert(ctx: Context, values: dict[str, Any]) -> None:
    """Write a key, unless another worker was first."""
    if insert_once(ctx.db, SigningKey.metadata.tables["signing_key"], values):
        facts = {"alg": values["alg"], "state": values["state"]}
        record(ctx, Event.SIGNING_KEY_CREATED, target=("signing_key", values["kid"]), new=facts)
        snapshot_changed(ctx.db)
