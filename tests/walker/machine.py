"""The walk: in each round a move of the owner and one of the attacker, each form judged (security, T4)."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.walker import attacker, owner
from tests.walker.attacker import Means
from tests.walker.visitors import Visitor
from tests.walker.world import World
from tests.web.pages.house import House, Person

RARELY = st.sampled_from((False, False, True))
MOSTLY = st.sampled_from((True, True, False))
MINUTES = (1, 6, 16, 31, 61, 13 * 60)
HOW = ("known", "known", "old", "own", "empty")
KINDS = ("means", "means", "means", "entry", "mail", "own", "leaked")


@dataclass(frozen=True)
class Move:
    """What one side does; what does not matter to a move is not looked at."""

    name: str
    #: which of the side's two browsers
    tab: int
    #: which of several: pages, links, forms
    number: int
    #: the person stops before the code
    half: bool
    #: the browser is to be remembered; the attacker goes on from the page that was opened
    on: bool


def moves(*names: str, on: st.SearchStrategy[bool]) -> st.SearchStrategy[Move]:
    """Return what a side may do."""
    return st.builds(
        Move,
        name=st.sampled_from(names),
        tab=st.integers(0, 1),
        number=st.integers(0, 40),
        half=RARELY,
        on=on,
    )


OWNERS = moves(
    "signs in",
    "signs in",
    "signs in",
    "resets",
    "resets",
    "asks for link",
    "signs out",
    "gives code",
    "gives code",
    "sets recovery",
    "uses recovery",
    "waits",
    on=st.booleans(),
)
ATTACKERS = moves("opens", "opens", "opens", "learns and opens", "sends", "swaps", "replays", on=MOSTLY)


class Walk(RuleBasedStateMachine):
    """One account, its owner with two browsers, an attacker with two.

    One rule for both sides: of several, each example would leave some out.
    """

    def __init__(self, house: House, eve: Person, means: Means, achieved: Counter[str]) -> None:
        super().__init__()
        self.means, self.eve = means, eve
        self.world = World(house, factor=means.factor, achieved=achieved)
        self.world.attacker.reads_mail = means.name == "mailbox"
        for party in (self.world.owner, self.world.attacker):
            for _ in range(2):
                self.world.visitor(party)

    @initialize(by=st.sampled_from(("code", "link")), forestalled=RARELY, recovery=st.booleans())
    def begin(self, by: str, forestalled: bool, recovery: bool) -> None:
        """The account is made; an attacker may have begun a registration under its address before."""
        world = self.world
        for visitor in world.attacker.visitors:
            owner.come(visitor, "portal")
        if forestalled:
            mine = world.choose_password(world.attacker)
            owner.begin_registration(world, world.attacker.visitors[1], mine)
        owner.register(world, world.owner.visitors[0], by=by)
        if recovery or self.means.name == "recovery":
            owner.set_recovery(world, world.owner.visitors[1], half=False)
        attacker.learn(world, self.means)

    @rule(owners=OWNERS, attackers=ATTACKERS)
    def round(self, owners: Move, attackers: Move) -> None:
        """Both move."""
        self._owner(owners, self.world.owner.visitors[owners.tab])
        self._attacker(attackers, self.world.attacker.visitors[attackers.tab])

    def _owner(self, move: Move, visitor: Visitor) -> None:
        world, links, known = self.world, list(self.world.links), self.world.owner.recoveries
        back = -1 - max(0, move.number - 30)  # mostly the newest
        if move.name == "signs in":
            owner.come(visitor, owner.WAYS_IN[move.number % len(owner.WAYS_IN)])
            again = move.number > 25
            owner.sign_in(world, visitor, remember=move.on, half=move.half, again=again)
        elif move.name == "gives code":
            owner.give_code(world, visitor, again=move.half)
        elif move.name == "signs out":
            owner.sign_out(world, visitor)
        elif move.name in ("asks for link", "resets"):
            if move.name == "asks for link" or move.number < 30 or not links:
                owner.ask_for_link(world, visitor, second_address=move.half)
            if move.name == "resets" and world.links:
                token = list(world.links)[back % len(world.links)]
                owner.use_link(world, visitor, f"/password/reset?token={token}", half=move.half)
        elif move.name == "sets recovery" or (move.name == "uses recovery" and not known):
            owner.set_recovery(world, visitor, half=move.half)
        elif move.name == "uses recovery":
            owner.use_recovery(world, visitor, known[back % len(known)], half=move.half, lost=move.on)
        elif move.name == "waits":
            world.house.clock.advance(minutes=MINUTES[move.number % len(MINUTES)])

    def _attacker(self, move: Move, visitor: Visitor) -> None:
        world, number = self.world, move.number
        if move.name == "sends":
            attacker.send(world, visitor, self.eve, number, HOW[number % len(HOW)])
        elif move.name == "swaps":
            attacker.swap(world, visitor, self.eve, number)
        elif move.name == "replays":
            attacker.replay(world, visitor, number)
        else:
            if move.name == "learns and opens":
                attacker.learn(world, self.means)
            attacker.open_place(world, visitor, KINDS[number % len(KINDS)], number // len(KINDS))
            if move.on:
                attacker.push_on(world, visitor, self.eve, lost=number % 2 == 0)

    @invariant()
    def holds(self) -> None:
        """What must be so after every round."""
        if self.world.account_id:
            self.world.between()
