"""Forms of hash: known vectors, each right and wrong; what is damaged or too dear is refused (req 51, C4)."""

import hashlib

import bcrypt
import pytest

from idp.accounts.legacy.hash_formats import (
    HIGHEST_BCRYPT_COST,
    HIGHEST_PBKDF2_ITERATIONS,
    UnknownHash,
    compute,
    decoy,
    is_strong,
    parse,
)
from tests.legacy import HASHES, OLD_PASSWORD

#: from the documentation of the programs that made them
PUBLISHED = [
    ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
    ("$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"),
    ("$H$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0", "test12345"),
    ("$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0", "password"),
    (
        "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdAw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M",
        "password",
    ),
    ("5f4dcc3b5aa765d61d8327deb882cf99", "password"),
    ("5F4DCC3B5AA765D61D8327DEB882CF99", "password"),
    ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "password"),
    ("5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8", "password"),
    ("5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8", "password"),
]


@pytest.mark.parametrize(("text", "password"), [*PUBLISHED, *((h, OLD_PASSWORD) for h in HASHES.values())])
def test_known_vectors(text: str, password: str) -> None:
    """The right password gives the stored digest; near ones and nothing do not."""
    found = parse(text)

    assert compute(found.config, password) == found.digest
    for wrong in (password + " ", password.upper() + "x", "", password[:-1]):
        assert compute(found.config, wrong) != found.digest
    assert found.digest not in repr(found)


@pytest.mark.parametrize("version", ["2a", "2b", "2y"])
def test_bcrypt_of_each_version(version: str) -> None:
    """Versions differ in name only; what stands behind byte 72 never counted."""
    made = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode().replace("$2b$", f"${version}$")
    found = parse(made)

    assert found.form == f"bcrypt {version} 4"
    assert compute(found.config, "x" * 72) == compute(found.config, "x" * 90) == found.digest
    assert compute(found.config, "x" * 71) != found.digest


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_plain_digests_with_salt_before_or_behind(algorithm: str) -> None:
    """``HEX:SALT`` says by its ``hash_format`` where the salt stands."""
    before = hashlib.new(algorithm, b"salzgeheim").hexdigest()
    behind = hashlib.new(algorithm, b"geheimsalz").hexdigest()
    bare = hashlib.new(algorithm, b"geheim").hexdigest()

    for text, order in (
        (f"{before}:salz", "salt+password"),
        (f"{behind}:salz", "password+salt"),
        (bare, "password"),
    ):
        found = parse(text, f"{algorithm}({order})")
        assert compute(found.config, "geheim") == found.digest
        assert found.form == f"{algorithm}({order})"
        assert not found.strong


@pytest.mark.parametrize(
    ("text", "declared", "reason"),
    [
        ("", "", "form of the hash is not known"),
        ("geheim", "", "form of the hash is not known"),
        ("abc123", "", "wrong length"),
        ("ä" * 32, "", "printable ASCII"),
        ("a" * 600, "", "printable ASCII"),
        ("$2b$14$" + "." * 53, "", f"not 4 to {HIGHEST_BCRYPT_COST}"),
        ("$2b$03$" + "." * 53, "", "not 4 to"),
        ("$2x$05$" + "." * 53, "", "not known"),
        (f"pbkdf2_sha256${HIGHEST_PBKDF2_ITERATIONS + 1}$s$" + "A" * 43 + "=", "", "iterations"),
        ("pbkdf2_sha256$0$s$" + "A" * 43 + "=", "", "iterations"),
        ("pbkdf2_sha256$1000$s$AAAA", "", "wrong length"),
        ("pbkdf2_sha256$1000$s$" + "A" * 45, "", "not base64"),
        ("pbkdf2:sha256:1000$s$abc", "", "not hexadecimal"),
        ("$P$T" + "." * 30, "", "rounds of phpass"),
        ("$P$4" + "." * 30, "", "rounds of phpass"),
        ("{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "", "wrong length"),
        ("{MD5}AAAA", "", "wrong length"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9hhYmM=", "", "wrong length"),
        ("sha1$salz$abcd", "", "wrong length"),
        ("ab" * 16, "sha1(password)", "wrong length"),
        ("ab" * 16 + ":salz", "md5(password)", "HEX:SALT"),
        ("ab" * 16, "md5(salt+password)", "HEX:SALT"),
        ("zz" * 16, "md5(password)", "not hexadecimal"),
        ("ab" * 16, "md5(pepper+password)", "hash_format"),
        ("ab" * 16 + ":" + "s" * 129, "md5(salt+password)", "salt has more"),
    ],
)
def test_what_is_damaged_or_too_dear_is_refused(text: str, declared: str, reason: str) -> None:
    """The reason says what is wrong, and holds nothing of the hash."""
    with pytest.raises(UnknownHash, match=reason.replace("(", r"\(").replace("+", r"\+")) as refused:
        parse(text, declared)
    assert len(text) < 6 or text[:12] not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "strong"),
    [
        ("bcrypt 2b 9", False),
        ("bcrypt 2y 10", True),
        ("pbkdf2-sha256 99999", False),
        ("pbkdf2-sha256 100000", True),
        ("phpass P 13", False),
        ("md5-crypt", False),
        ("sha512(password+salt)", False),
    ],
)
def test_what_stays_as_it_is(form: str, strong: bool) -> None:
    assert is_strong(form) is strong


@pytest.mark.parametrize(
    "form", ["bcrypt 2b 4", "phpass P 7", "md5-crypt", "sha1(salt+password)", "pbkdf2-sha1 9"]
)
def test_a_decoy_costs_and_matches_nothing(form: str) -> None:
    """What an unknown name costs is computed, whatever is typed."""
    for typed in ("geheim", "a\0b", "", "\ud800", "x" * 1024):
        compute(decoy(form), typed)
    assert compute(decoy(form), "geheim") != compute(decoy(form), "geheim ")


@pytest.mark.parametrize("config", ["", "nothing", "rot13|00", "md5(password)|xx", "bcrypt 2b|00"])
def test_a_configuration_that_is_none(config: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (of hexadecimal, of numbers, of ours)
        compute(config, "geheim")


@pytest.mark.parametrize("text", ["$1$5pZSV9va$azfrPr6af3Fc7dLblQXVa0", "$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0"])
def test_a_password_that_the_form_cannot_take_is_wrong(text: str) -> None:
    found = parse(text)

    assert compute(found.config, "pass\0word") != found.digest


def test_composed_and_decomposed_letters_are_one_password() -> None:
    found = parse(HASHES["{SSHA}"])

    assert compute(found.config, "Mo\u0308we 1998") == found.digest
