"""The hashes old portals keep: reading each form, and computing what it makes of a password.

A hash becomes a *configuration* (form, cost, salt) and a *digest*.  The configuration alone says how to
compute a digest from a password, so the digest can be kept bare, or wrapped in Argon2id, or left out: then
the configuration is a decoy that costs what a real one costs.

Forms: bcrypt; PBKDF2 as Django, passlib and Werkzeug write it; MD5, SHA-1, SHA-256 and SHA-512, plain or with
a salt, as LDAP (RFC 2307), Django or plain hexadecimal; phpass; md5-crypt.
"""

import binascii
import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import bcrypt

LONGEST_HASH: Final = 512
LONGEST_SALT: Final = 128
HIGHEST_BCRYPT_COST: Final = 13
HIGHEST_PBKDF2_ITERATIONS: Final = 2_000_000
HIGHEST_PHPASS_ROUNDS: Final = 16
"""Costs above these are refused at import: one check would keep the hash pool busy for seconds."""
STRONG_BCRYPT_COST: Final = 10
STRONG_PBKDF2_ITERATIONS: Final = 100_000
"""From here on a hash is as slow to guess at as ours, and is not wrapped."""

_BCRYPT_INPUT: Final = 72  # bcrypt looks at no more bytes, and portals cut there
_ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha512")
_SIZES: Final = {hashlib.new(name, usedforsecurity=False).digest_size: name for name in _ALGORITHMS}
_CRYPT: Final = "./A-Za-z0-9"


class UnknownHash(Exception):
    """A hash that cannot be taken; the text says why and never holds any part of it."""


@dataclass(frozen=True, slots=True)
class ImportedHash:
    """A hash taken apart.

    :param form: what it is and what it costs, such as ``bcrypt 2b 12`` or ``sha1(password+salt)``.
    """

    form: str
    salt: bytes = field(repr=False)
    digest: str = field(repr=False)

    @property
    def config(self) -> str:
        """All it takes to compute a digest from a password."""
        return f"{self.form}|{self.salt.hex()}"

    @property
    def strong(self) -> bool:
        """Whether it may stay as it is."""
        return is_strong(self.form)


def is_strong(form: str) -> bool:
    """Tell whether hashes of this form and cost are slow enough to stay as they are."""
    name, _, cost = form.partition(" ")
    if name == "bcrypt":
        return int(cost.partition(" ")[2]) >= STRONG_BCRYPT_COST
    return name.startswith("pbkdf2-") and int(cost) >= STRONG_PBKDF2_ITERATIONS


def decoy(form: str) -> str:
    """Return a configuration of a form that belongs to no account."""
    lengths = {"bcrypt": 22, "phpass": 8, "md5-crypt": 8}
    salt = b"." * lengths.get(form.partition(" ")[0], 8)
    return f"{form}|{salt.hex()}"


def compute(config: str, password: str) -> str:
    """Return the digest that a form, with its cost and salt, makes of a password.

    A password that the old portal's form cannot take (a NUL sign for some) makes an empty one, which equals
    no digest.

    :raises ValueError: the configuration is not one of ours.
    """
    form, separator, salt_text = config.partition("|")
    if not separator:
        raise ValueError("no configuration of an imported hash")
    salt = bytes.fromhex(salt_text)
    typed = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    name, _, cost = form.partition(" ")
    if name == "bcrypt":
        return _bcrypt(cost, salt, typed)
    if name.startswith("pbkdf2-"):
        return hashlib.pbkdf2_hmac(name.removeprefix("pbkdf2-"), typed, salt, int(cost)).hex()
    if name in ("phpass", "md5-crypt"):
        return _of_library(name, cost, salt, typed)
    algorithm, _, order = form.partition("(")
    if algorithm not in _ALGORITHMS:
        raise ValueError("no form of an imported hash")
    text = salt + typed if order.startswith("salt") else typed + salt
    return hashlib.new(algorithm, text, usedforsecurity=False).hexdigest()


def parse(text: str, declared: str = "") -> ImportedHash:
    """Take a hash apart.

    :param declared: says what a plain hexadecimal ``HEX:SALT`` is: ``sha1(salt+password)`` and the like; all
        other forms say it themselves.
    :raises UnknownHash: its form is unknown, damaged, or costs too much.
    """
    if len(text) > LONGEST_HASH or not text.isascii() or not text.isprintable():
        raise UnknownHash(f"the hash is not up to {LONGEST_HASH} printable ASCII characters")
    found = _declared(text, declared) if declared else _recognised(text)
    if len(found.salt) > LONGEST_SALT:
        raise UnknownHash(f"the salt has more than {LONGEST_SALT} bytes")
    return found


def _declared(text: str, declared: str) -> ImportedHash:
    known = re.fullmatch(r"(md5|sha1|sha256|sha512)\((password|password\+salt|salt\+password)\)", declared)
    if known is None:
        raise UnknownHash("hash_format is not like sha1(salt+password)")
    digest, colon, salt = text.partition(":")
    if bool(colon) != ("salt" in declared):
        raise UnknownHash("the hash is not HEX:SALT as its hash_format says")
    return _plain(known[1], known[2], salt.encode(), _hexadecimal(digest, known[1]))


def _recognised(text: str) -> ImportedHash:
    for pattern, read in _FORMS:
        found = pattern.fullmatch(text)
        if found is not None:
            return read(found)
    raise UnknownHash("the form of the hash is not known")


def _read_bcrypt(found: re.Match[str]) -> ImportedHash:
    if not 4 <= int(found[2]) <= HIGHEST_BCRYPT_COST:
        raise UnknownHash(f"the cost of bcrypt is not 4 to {HIGHEST_BCRYPT_COST}")
    return ImportedHash(f"bcrypt {found[1]} {int(found[2])}", found[3].encode(), found[4])


def _read_django_pbkdf2(found: re.Match[str]) -> ImportedHash:
    return _pbkdf2(found[1], found[2], found[3].encode(), _base64(found[4]))


def _read_passlib_pbkdf2(found: re.Match[str]) -> ImportedHash:
    salt, digest = (_base64(part.replace(".", "+")) for part in (found[3], found[4]))
    return _pbkdf2(found[1] or "sha1", found[2], salt, digest)


def _read_werkzeug_pbkdf2(found: re.Match[str]) -> ImportedHash:
    return _pbkdf2(found[1], found[2], found[3].encode(), _hexadecimal(found[4], found[1]))


def _read_phpass(found: re.Match[str]) -> ImportedHash:
    rounds = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(found[2])
    if not 7 <= rounds <= HIGHEST_PHPASS_ROUNDS:
        raise UnknownHash(f"the rounds of phpass are not 2^7 to 2^{HIGHEST_PHPASS_ROUNDS}")
    return ImportedHash(f"phpass {found[1]} {rounds}", found[3].encode(), found[4])


def _read_md5_crypt(found: re.Match[str]) -> ImportedHash:
    return ImportedHash("md5-crypt", found[1].encode(), found[2])


def _read_ldap(found: re.Match[str]) -> ImportedHash:
    named = found[1].upper()
    salted = named in ("SMD5", "SSHA", "SSHA256", "SSHA512")
    algorithm = {"SMD5": "md5", "SHA": "sha1", "SSHA": "sha1"}.get(named, named.removeprefix("S" * salted))
    algorithm = algorithm.lower()
    value = _base64(found[2])
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if len(value) < size or bool(value[size:]) != salted:
        raise UnknownHash("the hash has the wrong length")
    order = "password+salt" if salted else "password"
    return _plain(algorithm, order, value[size:], value[:size])


def _read_django_digest(found: re.Match[str]) -> ImportedHash:
    order = "salt+password" if found[2] else "password"
    return _plain(found[1], order, found[2].encode(), _hexadecimal(found[3], found[1]))


def _read_hexadecimal(found: re.Match[str]) -> ImportedHash:
    digest = bytes.fromhex(found[0])
    if len(digest) not in _SIZES:
        raise UnknownHash("the hash has the wrong length")
    return _plain(_SIZES[len(digest)], "password", b"", digest)


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ImportedHash]], ...]] = (
    (re.compile(rf"\$(2[aby])\$(\d\d)\$([{_CRYPT}]{{22}})([{_CRYPT}]{{31}})"), _read_bcrypt),
    (re.compile(r"pbkdf2_(sha1|sha256|sha512)\$(\d{1,9})\$([^$]+)\$([A-Za-z0-9+/=]+)"), _read_django_pbkdf2),
    (
        re.compile(r"\$pbkdf2(?:-(sha256|sha512))?\$(\d{1,9})\$([A-Za-z0-9./+]*)\$([A-Za-z0-9./+]+)"),
        _read_passlib_pbkdf2,
    ),
    (re.compile(r"pbkdf2:(sha1|sha256|sha512):(\d{1,9})\$([^$]+)\$([0-9a-fA-F]+)"), _read_werkzeug_pbkdf2),
    (re.compile(rf"\$([PH])\$([{_CRYPT}])([{_CRYPT}]{{8}})([{_CRYPT}]{{22}})"), _read_phpass),
    (re.compile(rf"\$1\$([{_CRYPT}]{{0,8}})\$([{_CRYPT}]{{22}})"), _read_md5_crypt),
    (
        re.compile(r"(?i)\{(MD5|SMD5|SHA|SSHA|SHA256|SSHA256|SHA512|SSHA512)\}([A-Za-z0-9+/=]+)"),
        _read_ldap,
    ),
    (re.compile(r"(md5|sha1)\$([^$]*)\$([0-9a-fA-F]+)"), _read_django_digest),
    (re.compile(r"(?:[0-9a-fA-F]{2})+"), _read_hexadecimal),
)


def _pbkdf2(algorithm: str, iterations: str, salt: bytes, digest: bytes) -> ImportedHash:
    if not 1 <= int(iterations) <= HIGHEST_PBKDF2_ITERATIONS:
        raise UnknownHash(f"the iterations of PBKDF2 are not 1 to {HIGHEST_PBKDF2_ITERATIONS}")
    _require_size(digest, algorithm)
    return ImportedHash(f"pbkdf2-{algorithm} {int(iterations)}", salt, digest.hex())


def _plain(algorithm: str, order: str, salt: bytes, digest: bytes) -> ImportedHash:
    return ImportedHash(f"{algorithm}({order})", salt, digest.hex())


def _hexadecimal(text: str, algorithm: str) -> bytes:
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        raise UnknownHash("the hash is not hexadecimal") from None
    _require_size(digest, algorithm)
    return digest


def _base64(text: str) -> bytes:
    try:
        bare = text.rstrip("=")
        return binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except binascii.Error:
        raise UnknownHash("the hash is not base64") from None


def _require_size(digest: bytes, algorithm: str) -> None:
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise UnknownHash("the hash has the wrong length")


def _bcrypt(cost: str, salt: bytes, typed: bytes) -> str:
    ident, _, rounds = cost.partition(" ")
    setting = f"${ident}${int(rounds):02d}$".encode() + salt
    return bcrypt.hashpw(typed[:_BCRYPT_INPUT], setting)[len(setting) :].decode("ascii")


def _of_library(name: str, cost: str, salt: bytes, typed: bytes) -> str:
    # Imported here: the library takes 0.1 s, and most processes never see such a hash.
    from passlib.exc import PasswordValueError
    from passlib.handlers.md5_crypt import md5_crypt
    from passlib.handlers.phpass import phpass

    try:
        if name == "md5-crypt":
            made = md5_crypt.using(salt=salt.decode("ascii")).hash(typed)
        else:
            ident, _, rounds = cost.partition(" ")
            made = phpass.using(ident=ident, rounds=int(rounds), salt=salt.decode("ascii")).hash(typed)
    except PasswordValueError:
        return ""
    return str(made)[-22:]
