"""A prepared installation for tests below the web: services, contexts, a clock that is handed in."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.accounts.passwords import Costs, LocalPasswordHasher
from idp.context import Actor, Context, Origin, Services
from idp.crypto import MasterKey, Sealer
from idp.db import Database, new_id
from idp.installation import PEPPER, prepare, snapshot_changed
from idp.oidc.models import SigningKey
from idp.oidc.models.signing_key import ACTIVE, NEXT
from idp.oidc.signing_keys import ALWAYS, PrivateKey
from idp.settings import Settings
from idp.throttling import make_throttle

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_services(
    settings: Settings, database: Database, *, now: datetime = NOW, key: MasterKey | None = None
) -> Services:
    """Return the services of a freshly prepared installation; *key*: of one that was prepared with it."""
    with database.session() as db, db.begin():
        vault = prepare(db, Sealer([key or MasterKey.generate()]), now)
    return Services(
        settings=settings,
        database=database,
        vault=vault,
        throttle=make_throttle(settings, database, vault),
        passwords=LocalPasswordHasher(vault.secrets[PEPPER], Costs(memory_kib=8, time_cost=1)),
    )


@cache
def _key_material(alg: str, _state: str) -> tuple[bytes, dict[str, Any]]:
    """Return private key and public JWK, made once a process: an RSA key takes a second."""
    private: PrivateKey
    kind: type[ECKey | OKPKey | RSAKey]
    if alg == "ES256":
        private, kind = ec.generate_private_key(ec.SECP256R1()), ECKey
    elif alg == "EdDSA":
        private, kind = ed25519.Ed25519PrivateKey.generate(), OKPKey
    else:
        private, kind = rsa.generate_private_key(public_exponent=65537, key_size=2048), RSAKey
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pkcs8 = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return pkcs8, kind.import_key(pem).as_dict(private=False)


def install_signing_keys(
    services: Services, now: datetime = NOW, *, algorithms: Collection[str] = ALWAYS
) -> None:
    """Give an installation an active and a next key per algorithm without making new ones."""
    with services.database.session() as db:
        for alg, state in ((alg, state) for alg in algorithms for state in (ACTIVE, NEXT)):
            pkcs8, jwk = _key_material(alg, state)
            kid = new_id()
            db.add(
                SigningKey(
                    kid=kid,
                    alg=alg,
                    state=state,
                    public_jwk=jwk | {"kid": kid, "alg": alg, "use": "sig"},
                    sealed=services.vault.seal(pkcs8, table="signing_key", row=kid),
                    created_at=now,
                    activated_at=now if state == ACTIVE else None,
                )
            )
        snapshot_changed(db)
        db.commit()


@contextmanager
def unit_of_work(
    services: Services, now: datetime = NOW, *, origin: Origin | None = None, actor: Actor | None = None
) -> Iterator[Context]:
    """A context whose work is committed at the end of the block."""
    with services.database.session() as db, db.begin():
        yield services.context(db, now=now, origin=origin, actor=actor)
