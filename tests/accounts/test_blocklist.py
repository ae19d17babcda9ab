"""The list of common passwords that ships."""

import importlib.util
import io
import itertools
import tarfile
from pathlib import Path
from types import ModuleType

import pytest

from idp.accounts.blocklist import HEADER, MappedBlocklist, common_passwords

ROOT = Path(__file__).parents[2]


@pytest.fixture
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_blocklist", ROOT / "tools" / "build_blocklist.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def archive(folder: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write an archive of the shape the list comes in."""
    path = folder / "list.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("100k", "Hund\nkatze\nHUND\n"), ("1M", "maus\nfledermaus\nGrößer-8\n\n")):
            info = tarfile.TarInfo(f"{module.FOLDER}/common-credentials-{name}.txt")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    monkeypatch.setattr(module, "ARCHIVE_SHA256", module.hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_at_least_100000_passwords_ship_with_their_notice() -> None:
    """(req 51)"""
    assert len(common_passwords()) >= 100_000
    notice = (ROOT / "idp/accounts/data/NOTICE.txt").read_text("utf-8")
    assert all(words in notice for words in ("SecLists", "MIT License", "Daniel Miessler"))


@pytest.mark.parametrize("password", ["123456", "password", "PASSWORD", "qwertyuiop", "Passwort", "vjht0409"])
def test_common_passwords_are_found_whatever_their_case(password: str) -> None:
    """(req 51)"""
    assert password in common_passwords()


@pytest.mark.parametrize("password", ["neun blaue Fahrräder", "", "password ", "lampenfisch", 12345678])
def test_other_passwords_are_not(password: object) -> None:
    assert password not in common_passwords()


def test_entries_are_sorted_so_that_search_finds_all() -> None:
    data = (ROOT / "idp/accounts/data/common_passwords.bin").read_bytes()[len(HEADER) :]
    entries = [data[i : i + 5] for i in range(0, len(data), 5)]
    assert all(a < b for a, b in itertools.pairwise(entries))


def test_list_is_mapped_once_a_process() -> None:
    assert common_passwords() is common_passwords()


def test_builder_folds_drops_doubles_and_short_ones_of_the_long_list(
    tmp_path: Path, builder: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = archive(tmp_path, builder, monkeypatch)
    target = tmp_path / "made.bin"
    target.write_bytes(builder.build(source))
    made = MappedBlocklist(target)
    assert len(made) == 4
    assert all(word in made for word in ("hund", "Katze", "fledermaus", "GRO\u0308SSER-8"))
    assert "maus" not in made


def test_builder_refuses_another_archive(tmp_path: Path, builder: ModuleType) -> None:
    path = tmp_path / "other.tar.gz"
    path.write_bytes(b"other")
    with pytest.raises(SystemExit, match="is not the archive"):
        builder.build(path)


@pytest.mark.parametrize("content", [HEADER + b"1234", b"x" * 40, b"x" * 37])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "list.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a blocklist"):
        MappedBlocklist(path)
