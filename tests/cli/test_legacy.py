"""``idp legacy``: import with its report, status, wrapping, secrets, links."""

import json
from pathlib import Path

import pytest

from idp.app import build_services
from idp.errors import Refusal
from idp.management import linking
from idp.management.legacy_proof import prove
from idp.settings import load_settings
from tests.builders import OPERATOR, make_account
from tests.cli.terminal import Terminal
from tests.legacy import HASHES, OLD_PASSWORD, SLUG

DIRECTORY = f"""
[[legacy_directory]]
slug = "{SLUG}"
name = {{ de = "Servicewelt", en = "Service world" }}
"""
CANARY = "canary-answer-77"


@pytest.fixture
def file(tmp_path: Path, terminal: Terminal) -> Path:
    """A file of two accounts and a bad line, and the directory it belongs to."""
    made = tmp_path / "old.csv"
    made.write_text(
        "username;hash;email;security_answer\n"
        f"smueller;{HASHES['{SSHA}']};s@muster.example;{CANARY}\n"
        f"kweber;{HASHES['{MD5}']};;\n"
        "bad;geheim;;\n"
    )
    document = tmp_path / "apply.toml"
    document.write_text(DIRECTORY)
    assert "legacy directory" in terminal.ok("apply", str(document))
    return made


def test_import_says_what_it_did(terminal: Terminal, file: Path) -> None:
    """A dry run changes nothing and says so; the second run finds all there; nothing secret is shown."""
    command = ("legacy", "import", str(file), "--directory", SLUG)
    dry = terminal.ok(*command, "--dry-run")
    assert "Nothing was changed." in dry
    assert "line 4: the form of the hash is not known" in dry
    assert terminal.json("legacy", "status")[0]["accounts"] == 0

    first, second = terminal.json(*command), terminal.json(*command)
    assert (first["accepted"], first["not_taken"], first["weak_hashes"]) == (2, 1, 2)
    assert first["formats"] == {"sha1(password+salt)": 1, "md5(password)": 1}
    assert first["refused"] == [{"line": 4, "reason": "the form of the hash is not known"}]
    assert (second["accepted"], second["unchanged"]) == (0, 2)
    for shown in (dry, json.dumps(first)):
        assert CANARY not in shown
        assert HASHES["{SSHA}"] not in shown
        assert "geheim" not in shown


def test_json_lines_and_long_lists_of_bad_lines(terminal: Terminal, file: Path) -> None:
    lines = file.with_suffix(".jsonl")
    lines.write_text("{\n" * 25)

    told = terminal.ok("legacy", "import", str(lines), "--directory", SLUG)

    assert "line 20: the line is not JSON" in told
    assert "and 5 more" in told


def test_files_that_are_none(terminal: Terminal, file: Path) -> None:
    other = file.with_suffix(".xlsx")
    other.write_text("x")
    assert terminal.run("legacy", "import", str(other), "--directory", SLUG).exit_code == 2
    assert terminal.run("legacy", "import", str(file), "--directory", "nothing").exit_code == 3
    file.write_text("a,b\n")
    refused = terminal.run("legacy", "import", str(file), "--directory", SLUG)
    assert refused.exit_code == 4
    assert "line 1 must name the columns" in refused.output


def test_status_and_wrapping(terminal: Terminal, file: Path) -> None:
    """The rate is told, and nothing is left to do afterwards."""
    assert "No legacy directories" not in terminal.ok("legacy", "status")
    terminal.ok("legacy", "import", str(file), "--directory", SLUG)
    assert terminal.json("legacy", "status")[0]["weak"] == 2
    assert "sha1(password+salt): 1" in terminal.ok("legacy", "status")

    done = terminal.json("legacy", "wrap", "--threads", "2")
    assert (done["wrapped"], done["left"]) == (2, 0)
    assert done["a_second"] > 0
    assert "Wrapped 0 hashes" in terminal.ok("legacy", "wrap")
    assert terminal.json("legacy", "status")[0]["wrapped"] == 2


def test_without_directories(terminal: Terminal) -> None:
    assert "No legacy directories" in terminal.ok("legacy", "status")
    assert "No legacy directories" in terminal.ok("legacy", "list")


def test_secret_and_list(terminal: Terminal, file: Path) -> None:
    """The secret comes from standard input and is shown by nothing (req 96)."""
    said = terminal.ok("legacy", "secret", SLUG, typed=f"{CANARY}\n")
    assert CANARY not in said
    listed = terminal.json("legacy", "list")
    assert (listed[0]["slug"], listed[0]["secret_set"]) == (SLUG, True)
    assert CANARY not in terminal.ok("legacy", "list")
    assert terminal.run("legacy", "secret", SLUG, typed="\n").exit_code == 4


def test_links(terminal: Terminal, file: Path) -> None:
    """A link is listed, undone once, and then listed as undone."""
    terminal.ok("legacy", "import", str(file), "--directory", SLUG)
    services = build_services(load_settings(None, environ=terminal.environment))
    with services.database.session() as db:
        ctx = services.context(db, actor=OPERATOR)
        ben = make_account(ctx, "ben")
        db.commit()
        assert "No links." in terminal.ok("legacy", "links", "ben")
        linked = linking.link(ctx, prove(ctx, ben, SLUG, "smueller", OLD_PASSWORD))
        db.commit()
    services.database.dispose()

    (listed,) = terminal.json("legacy", "links", "ben")
    assert (listed["id"], listed["username"], listed["undone_at"]) == (linked.link_id, "smueller", None)
    assert "smueller" in terminal.ok("legacy", "links", "ben")
    assert "free again" in terminal.ok("legacy", "unlink", SLUG, "SMueller")
    assert terminal.json("legacy", "links", "ben")[0]["undone_at"] is not None
    assert terminal.run("legacy", "unlink", SLUG, "smueller").exit_code == 3


def test_clear_tries(terminal: Terminal, file: Path) -> None:
    """Old accounts that were tried too often, and names that are none, may be tried again (req 54)."""
    terminal.ok("legacy", "import", str(file), "--directory", SLUG)
    few = {**terminal.environment, "LOTSE_THROTTLE__ACCOUNT_HARD_STOP": "6"}
    services = build_services(load_settings(None, environ=few))
    with services.database.session() as db:
        ctx = services.context(db, actor=OPERATOR)
        ben = make_account(ctx, "ben", emails=["s@muster.example"])
        db.commit()

        def answer(name: str) -> str:
            try:
                prove(ctx, ben, SLUG, name, "wrong")
            except Refusal as refusal:
                db.commit()
                return refusal.code
            return ""

        for _ in range(6):
            assert answer("smueller") == "link.failed"
        assert answer("smueller") == "link.stopped"
        for _ in range(5):
            assert answer("nobody") == "link.failed"
        assert answer("nobody") == "login.throttled"
        assert terminal.json("legacy", "clear-tries", SLUG, "SMueller") == {"directory": SLUG}
        assert "are forgotten" in terminal.ok("legacy", "clear-tries", SLUG, "nobody")
        assert answer("smueller") == answer("nobody") == "link.failed"
    services.database.dispose()
    assert len(terminal.json("audit", "tail", "--event", "legacy_directory.tries_cleared")) == 2
    assert terminal.run("legacy", "clear-tries", "unknown", "smueller").exit_code == 3
