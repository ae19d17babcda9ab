"""Encryption at rest, the master key's files, and random values (NIST SP 800-38D)."""

import multiprocessing
from pathlib import Path

import pytest

from idp import crypto
from idp.crypto import MasterKey, SealBroken, Sealer, add_master_key, load_master_keys
from idp.errors import NotReady

OLD, NEW = MasterKey(bytes(32)), MasterKey(bytes(31) + b"\1")


def test_tokens_are_256_random_bits() -> None:
    """A token is 43 URL-safe characters, and no two are alike."""
    tokens = {crypto.random_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(token) == 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)


def test_hash_of_a_secret_takes_any_text() -> None:
    """A presented secret is hashed whatever characters it has; the vector is of FIPS 180-2."""
    assert crypto.sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(crypto.sha256("\ud800")) == 32
    assert crypto.same(crypto.sha256("abc"), crypto.sha256("abc"))
    assert not crypto.same(crypto.sha256("abc"), crypto.sha256("abx"))


def test_base64url_has_no_padding() -> None:
    """The octets of RFC 7515 appendix C."""
    assert crypto.b64url(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"


def test_sealed_value_opens_in_its_own_row_alone() -> None:
    """A record copied to another row or table does not open: both are associated data (req 37)."""
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"seed", table="authenticator", row="a")

    assert sealer.open(sealed, table="authenticator", row="a") == b"seed"
    for table, row in [("authenticator", "b"), ("signing_key", "a")]:
        with pytest.raises(SealBroken):
            sealer.open(sealed, table=table, row=row)


def test_every_changed_byte_is_found() -> None:
    """No byte of a record can change unseen, format and key id included."""
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"seed", table="t", row="r")

    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealBroken):
            sealer.open(bytes(changed), table="t", row="r")
    with pytest.raises(SealBroken):
        sealer.open(b"", table="t", row="r")


def test_same_value_is_sealed_differently_each_time() -> None:
    """A fresh nonce each time: equal secrets do not look equal."""
    sealer = Sealer([OLD])

    assert len({sealer.seal(b"seed", table="t", row="r") for _ in range(50)}) == 50


def test_new_key_seals_and_the_old_one_still_opens() -> None:
    """While a master key is rotated, records of both open; without the old key its records do not."""
    sealed = Sealer([OLD]).seal(b"seed", table="t", row="r")
    both = Sealer([NEW, OLD])

    assert both.open(sealed, table="t", row="r") == b"seed"
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(b"seed", table="t", row="r"))
    with pytest.raises(SealBroken, match="unknown master key"):
        Sealer([NEW]).open(sealed, table="t", row="r")
    with pytest.raises(NotReady):
        Sealer([])


def test_key_is_not_shown() -> None:
    """What stands in a log of a key is its id, which tells nothing about it."""
    assert repr(OLD) == f"MasterKey({OLD.id.hex()})"
    assert OLD.id != NEW.id


@pytest.mark.parametrize("text", ["", "not base64!", "AAAA", "A" * 43])
def test_text_that_is_no_key_is_refused(text: str) -> None:
    """A key is 32 bytes of base64."""
    with pytest.raises(NotReady):
        MasterKey.from_text(text)


def test_first_start_makes_the_key_once(tmp_path: Path) -> None:
    """The folder and the key are private, and the next start finds the same key."""
    folder = tmp_path / "keys"
    (made,) = load_master_keys(folder)

    assert (folder.stat().st_mode & 0o777, (folder / "master-1.key").stat().st_mode & 0o777) == (0o700, 0o600)
    assert load_master_keys(folder) == [made]
    assert [path.name for path in folder.iterdir()] == ["master-1.key"]


def test_no_key_is_made_where_one_has_sealed_already(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would open nothing, and stand where the lost one belongs; the whole path says where."""
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(NotReady, match=f"there is no master key in {tmp_path}, "):
        load_master_keys(Path(tmp_path.name), make=False)
    assert list(tmp_path.iterdir()) == []


def test_newest_key_comes_first(tmp_path: Path) -> None:
    """Numbers count, not letters: 10 is newer than 9; a configured key goes before the files."""
    made = [add_master_key(tmp_path) for _ in range(10)]

    assert load_master_keys(tmp_path) == made[::-1]
    assert load_master_keys(tmp_path, configured=OLD.to_text()) == [OLD, *made[::-1]]
    assert load_master_keys(tmp_path, configured=made[0].to_text())[0] == made[0]
    assert len(load_master_keys(tmp_path, configured=made[0].to_text())) == 10


def test_configured_key_needs_no_file(tmp_path: Path) -> None:
    """A key of the environment is enough; no file is made beside it."""
    assert load_master_keys(tmp_path / "keys", configured=OLD.to_text()) == [OLD]
    assert not (tmp_path / "keys").exists()


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """The start says the command that mends it."""
    load_master_keys(tmp_path)
    path = tmp_path / "master-1.key"
    path.chmod(0o640)

    with pytest.raises(NotReady, match=f"chmod 600 {path}"):
        load_master_keys(tmp_path)


def test_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A file of bytes, and what is no file at all, are one sentence with the path."""
    path = tmp_path / "master-1.key"
    path.touch(0o600)
    path.write_bytes(bytes(range(200, 232)))
    with pytest.raises(NotReady, match=f"{path} cannot be read as a master key: it is not text"):
        load_master_keys(tmp_path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(NotReady, match=f"{path} cannot be read as a master key: Is a directory"):
        load_master_keys(tmp_path)
    with pytest.raises(NotReady, match=f"{path} cannot be read as a master key"):
        add_master_key(tmp_path, number=1)


def test_stray_file_is_refused(tmp_path: Path) -> None:
    """A key file whose number cannot be read is not skipped: it may be the newest."""
    load_master_keys(tmp_path)
    (tmp_path / "master-old.key").write_text(OLD.to_text())

    with pytest.raises(NotReady, match="is not named"):
        load_master_keys(tmp_path)


def test_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    """Eight first starts at once agree on the key that is on disk."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(load_master_keys, [tmp_path] * 8)

    assert all(keys == found[0] and len(keys) == 1 for keys in found)
    assert [path.name for path in tmp_path.iterdir()] == ["master-1.key"]
