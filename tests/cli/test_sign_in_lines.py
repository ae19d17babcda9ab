"""Who waits for a hash, in which line, and who is next (A5, F12)."""

import threading

from idp.cli.sign_in_lines import KNOWN_PLACES, PLACES, SignInLines


def full() -> SignInLines[str]:
    """Return lines where a flood has taken all that it can."""
    lines: SignInLines[str] = SignInLines()
    while lines.join("flood", None):
        pass
    return lines


def taken(lines: SignInLines[str], count: int) -> list[str]:
    return [lines.take() for _ in range(count)]


def test_a_flood_has_the_places_of_one_line() -> None:
    """What comes then is turned away, until somebody is taken."""
    lines: SignInLines[str] = SignInLines()
    assert sum(lines.join("flood", None) for _ in range(PLACES + 5)) == PLACES
    lines.take()
    assert lines.join("late", None)
    assert not lines.join("later", None)


def test_a_known_browser_finds_a_place_all_the_same() -> None:
    """In a line of its own, where an account has one place."""
    lines = full()
    assert lines.join("anna", "anna")
    assert not lines.join("anna again", "anna")
    assert lines.join("ben", "ben")


def test_an_account_has_its_place_again_when_it_was_taken() -> None:
    """At the end of the line."""
    lines = full()
    lines.join("anna", "anna")
    lines.join("ben", "ben")
    assert lines.take() == "anna"
    assert lines.join("anna", "anna")
    assert [lines.take() for _ in range(4)] == ["flood", "ben", "flood", "anna"]


def test_the_line_of_known_browsers_ends_too() -> None:
    lines = full()
    assert sum(lines.join(f"{number}", f"{number}") for number in range(KNOWN_PLACES + 5)) == KNOWN_PLACES


def test_a_known_browser_without_a_place_of_its_own_stands_with_all_others() -> None:
    """Nobody is worse off for being known."""
    lines: SignInLines[str] = SignInLines()
    joined = [lines.join("anna", "anna") for _ in range(1 + PLACES + 1)]
    assert joined == [True] * (1 + PLACES) + [False]


def test_both_lines_are_served_in_turn() -> None:
    """First come, first served in each; who has many accounts does not hold up everybody else."""
    lines: SignInLines[str] = SignInLines()
    for number in range(3):
        lines.join(f"any {number}", None)
        lines.join(f"known {number}", f"{number}")
    lines.join("any 3", None)
    assert taken(lines, 7) == ["known 0", "any 0", "known 1", "any 1", "known 2", "any 2", "any 3"]
    lines.join("known 3", "3")
    lines.join("any 4", None)
    assert taken(lines, 2) == ["known 3", "any 4"]


def test_known_browsers_alone_are_served_one_after_the_other() -> None:
    lines: SignInLines[str] = SignInLines()
    for name in ("anna", "ben"):
        lines.join(name, name)
    assert taken(lines, 2) == ["anna", "ben"]


def test_whoever_takes_waits_until_somebody_comes() -> None:
    lines: SignInLines[str] = SignInLines()
    found: list[str] = []
    taker = threading.Thread(target=lambda: found.append(lines.take()))
    taker.start()
    lines.join("anna", None)
    taker.join(30)
    assert found == ["anna"]
