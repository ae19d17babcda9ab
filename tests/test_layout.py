"""The shape of the project: sizes, a test beside each module, honest dependencies, locked requirements."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from idp.settings import contradictions
from idp.settings.loading import known_keys
from tools import coverage_gate, lowest_versions

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FILE_LINES = 600
FUNCTION_LINES = 40
SIZED = {".py", ".html", ".js", ".sh"}  # one stylesheet is one request

#: packages whose modules are reached over HTTP or the command line, and tested there
SURFACES = ("idp.web", "idp.cli", "idp.migrations")
#: tests/flows holds the stories across everything
FOLDERS = {"flows": "flows_engine"}
#: module → the test module that holds it instead of one of its name
TESTED_ELSEWHERE = {
    "idp.accounts.hash_protocol": "tests/accounts/test_hash_pool.py",
    "idp.accounts.hash_supervisor": "tests/accounts/test_hash_pool.py",
    "idp.accounts.hash_work": "tests/accounts/test_hash_pool.py",
    "idp.accounts.legacy.adapters": "tests/accounts/legacy/test_imported_table.py",
    "idp.accounts.legacy.directory": "tests/accounts/legacy/test_imported_table.py",
    "idp.accounts.legacy.questions": "tests/management/test_linking_aftermath.py",
    "idp.accounts.new_passwords": "tests/web/pages/test_register.py",
    "idp.audit.verification": "tests/audit/test_sealer.py",
    "idp.authentication.devices": "tests/web/pages/test_remembered_devices.py",
    "idp.authentication.second_factor": "tests/web/pages/test_second_factor.py",
    "idp.authentication.transaction": "tests/web/pages/test_second_factor.py",
    "idp.management.address_change": "tests/web/pages/test_own_address.py",
    "idp.management.replaced_addresses": "tests/web/pages/test_own_address_undo.py",
    "idp.management.actors": "tests/management/test_accounts.py",
    "idp.accounts.deletion": "tests/management/test_account_deletion.py",
    "idp.management.own_data_fields": "tests/management/test_own_data.py",
    "idp.management.documents": "tests/management/test_apply.py",
    "idp.management.own_password": "tests/web/pages/test_own_password.py",
    "idp.management.password_reset": "tests/web/pages/test_forgotten_password.py",
    "idp.management.profile": "tests/web/pages/test_own_profile.py",
    "idp.management.recovery": "tests/web/pages/test_own_recovery.py",
    "idp.management.second_proof": "tests/web/pages/test_lost_factor.py",
    "idp.management.registration": "tests/web/pages/test_register.py",
    "idp.management.affiliation": "tests/web/pages/test_link.py",
    "idp.management.family_documents": "tests/management/test_apply_old_portals.py",
    "idp.management.link_notices": "tests/web/pages/test_linked_accounts.py",
    "idp.management.ending": "tests/management/test_memberships.py",
    "idp.management.legacy_documents": "tests/management/test_apply_old_portals.py",
    "idp.management.legacy_import": "tests/management/test_legacy_directories.py",
    "idp.management.legacy_wrapping": "tests/accounts/legacy/test_wrapping.py",
    "idp.management.linked_rights": "tests/management/test_linking.py",
    "idp.oidc.client_jwt": "tests/attacks/test_c10_client_jwts.py",
    "idp.oidc.clients": "tests/oidc/test_client_authentication.py",
    "idp.oidc.discovery": "tests/conformance/test_config.py",
    "idp.oidc.facts": "tests/oidc/test_round_trips.py",
    "idp.oidc.grants.minting": "tests/oidc/grants/test_refresh_token.py",
    "idp.oidc.grants.pkce": "tests/attacks/test_c03_pkce.py",
    "idp.oidc.id_token": "tests/conformance/test_tokens.py",
    "idp.oidc.client_fields": "tests/oidc/test_client_metadata.py",
    "idp.oidc.metadata_reader": "tests/oidc/test_client_metadata.py",
    "idp.oidc.provider": "tests/oidc/test_client_authentication.py",
    "idp.throttling.counters": "tests/throttling/test_atomicity.py",
    "idp.throttling.limits": "tests/throttling/test_networks.py",
    "idp.throttling.throttle": "tests/throttling/test_accounts.py",
}

# Parts of a declared dependency that are imported under a name of their own.
PART_OF = {
    "markupsafe": "flask",
    "jinja2": "flask",
    "pydantic-core": "pydantic",
    "babel": "flask-babel",
    "httpcore": "httpx",
}


def tracked() -> list[Path]:
    """Return the files of the project: what git has, or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for line in listed.splitlines() if (path := ROOT / line).is_file()]


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"))


def python_files(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Yield the Python files of some folders with their syntax trees."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, parsed(path)


def imported(tree: ast.Module) -> Iterator[str]:
    """Return each module a file imports, dotted; everything here is absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines of a function are its docstring, which may be as long as it needs."""
    return len((ast.get_docstring(node, clean=False) or "").splitlines())


def module_names() -> list[str]:
    """Return every module of ``idp`` that holds code; models only declare, and migrations show them."""
    names = []
    for path, tree in python_files("idp"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        code = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
        if code and "models" not in parts:
            names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return names


def test_no_file_is_too_long() -> None:
    """A file of more than 600 lines is two things (architecture §9)."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in tracked()
        if path.suffix in SIZED
    }

    assert len(lengths) > 100
    assert {path: length for path, length in lengths.items() if length > FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    """A function of more than 40 lines does several things (design §3)."""
    long = {}
    for path, tree in python_files("idp", "clients", "tools"):
        if path.parent.name == "versions":
            continue  # a migration lists tables
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1 - docstring_lines(node)
                if length > FUNCTION_LINES:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = length

    assert long == {}


def mirrors_of(name: str) -> list[Path]:
    """Return the test modules of ``idp.a.b``: ``a/test_b*``, all of ``a/b/``, or the package's ``test_a``."""
    tests = ROOT / "tests"
    *package, module = (FOLDERS.get(part, part) for part in name.split(".")[1:])
    found = [
        *tests.joinpath(*package).glob(f"test_{module}*.py"),
        *tests.joinpath(*package, module).glob("test_*"),
    ]
    return found or ([path] if package and (path := tests / f"test_{package[0]}.py").is_file() else [])


def test_every_module_below_the_surfaces_has_its_test() -> None:
    """Each module of ``idp`` has a test module where one looks for it (architecture §8)."""
    below = [name for name in module_names() if not f"{name}.".startswith(tuple(f"{s}." for s in SURFACES))]

    assert len(below) > 40
    assert [name for name in below if not mirrors_of(name) and name not in TESTED_ELSEWHERE] == []


@pytest.mark.parametrize("module", sorted(TESTED_ELSEWHERE))
def test_exceptions_are_still_needed(module: str) -> None:
    """An entry of the list names a module that exists, and a test module that does."""
    assert module in module_names()
    assert mirrors_of(module) == []
    assert (ROOT / TESTED_ELSEWHERE[module]).is_file()


def test_every_module_says_what_it_is() -> None:
    """Each module begins with a docstring (architecture §9)."""
    silent = [
        str(path) for path, tree in python_files("idp", "clients", "tools") if not ast.get_docstring(tree)
    ]

    assert silent == []


def test_authlib_jose_is_used_nowhere() -> None:
    """``authlib.jose`` goes in Authlib 2; joserfc took its place (stack §1.2)."""
    users = [
        str(path)
        for path, tree in python_files("idp", "clients", "tests", "tools")
        if any(name == "authlib.jose" or name.startswith("authlib.jose.") for name in imported(tree))
    ]

    assert users == []


def third_party(*folders: str) -> set[str]:
    """Return the distributions that the files of some folders import."""
    own = {"idp", "clients", "tests", "tools", "benchmarks"}
    tops = {
        name.partition(".")[0]
        for path, tree in python_files(*folders)
        if "migrations/versions" not in str(path)
        for name in imported(tree)
    }
    providers = packages_distributions()
    return {
        canonicalize_name(PART_OF.get(canonicalize_name(top), providers.get(top, [top])[0]))
        for top in tops - own - sys.stdlib_module_names
    }


def declared() -> set[str]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    listed = [*PROJECT["project"]["dependencies"], *(item for extra in extras for item in extra)]
    return {canonicalize_name(Requirement(item).name) for item in listed}


def test_dependencies_are_what_is_imported() -> None:
    """Everything imported is declared, and everything declared is imported or run."""
    run_or_named_in_urls = {"granian", "gunicorn", "psycopg"}

    assert third_party("idp", "clients") - declared() == set()
    assert declared() - third_party("idp", "clients") - run_or_named_in_urls == set()


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-build.txt"])
def test_locks_pin_hashes_and_name_no_host(name: str) -> None:
    """Each locked package has an exact version and hashes; where it comes from is the machine's business."""
    text = (ROOT / name).read_text("utf-8")
    pins = re.split(r"\n(?=[a-z0-9])", text.partition("\n")[2])

    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ ]+ \\\n    --hash=sha256:[0-9a-f]{64}", pin), pin
    assert re.search(r"https?://|--index|--find-links|--trusted", text) is None


def test_locks_name_the_extras_that_packages_ask_for() -> None:
    """pip looks at the newest ``x`` for an ``x[more]`` that is not locked as such, and has no hash for it."""
    pins = re.findall(r"(?m)^([a-z0-9._-]+)((?:\[[a-z,]+\])?)==", (ROOT / "requirements-dev.txt").read_text())
    locked = {name: set(extras.strip("[]").split(",")) for name, extras in pins}
    asked = [Requirement(item) for name in locked for item in requires_of(name)]

    assert any(requirement.extras for requirement in asked)
    for requirement in asked:
        if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            assert requirement.extras <= locked[canonicalize_name(requirement.name)], str(requirement)


def requires_of(name: str) -> list[str]:
    """Return what an installed package asks for; none where this platform has no use for it."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def test_lock_holds_what_the_project_admits() -> None:
    """Every direct dependency is locked to a version inside its range."""
    text = (ROOT / "requirements.txt").read_text()
    pins = dict(re.findall(r"(?m)^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([^ ]+) ", text))
    extras = PROJECT["project"]["optional-dependencies"].values()

    for item in [*PROJECT["project"]["dependencies"], *(item for extra in extras for item in extra)]:
        requirement = Requirement(item)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), item


def test_every_setting_is_used() -> None:
    """A key that nothing reads is a promise nobody keeps."""
    files = [path for path, _ in python_files("idp") if "settings" not in path.parts]
    files += (ROOT / "templates").rglob("*.html")
    code = inspect.getsource(contradictions) + "".join(path.read_text("utf-8") for path in files)
    unused = [
        key
        for key in known_keys()
        if not key.endswith("_file") and not re.search(rf"\.{key.rpartition('.')[2]}\b", code)
    ]

    assert unused == []


def test_lowest_versions_are_the_lower_bounds() -> None:
    """The step that tests the lowest versions installs what the ranges say, nothing newer."""
    found = lowest_versions.constraints(["a>=1.2,<2", "B_c[x]>=3"], {"extra": ["d~=4.5"]})

    assert found == ["a==1.2", "b-c==3", "d==4.5"]
    with pytest.raises(ValueError, match="needs exactly one lower bound"):
        lowest_versions.lowest("e<3")


def report(missing: list[int]) -> dict[str, Any]:
    summary = {
        "covered_lines": 20 - len(missing),
        "num_statements": 20,
        "covered_branches": 4,
        "num_branches": 5,
    }
    return {"summary": summary, "missing_lines": missing, "missing_branches": [[7, -1]]}


def test_coverage_is_held_for_each_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One open branch fails a package that needs 100 %, names the place, and passes one that needs 95 %."""
    whole = {
        "summary": {"covered_lines": 9, "num_statements": 9, "covered_branches": 2, "num_branches": 2},
        "missing_lines": [],
        "missing_branches": [],
    }
    files = {f"{package}/a.py": whole for package in sorted(coverage_gate.COMPLETE)}
    path = tmp_path / "coverage.json"

    for name, missing, code in [
        ("idp/web/pages/login.py", [], 0),
        ("idp/web/pages/login.py", [3], 1),
        ("idp/oidc/grants/pkce.py", [], 1),
    ]:
        text = str(files | {name: report(missing)})
        path.write_text('{"files": ' + text.replace("'", '"') + "}")
        assert coverage_gate.main(str(path)) == code, (name, missing)
        assert ("7->exit" in capsys.readouterr().out) == bool(code)

    path.write_text('{"files": {}}')
    assert coverage_gate.main(str(path)) == 1
