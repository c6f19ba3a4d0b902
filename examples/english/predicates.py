"""What clauses say of their subject, and the participles that say it without a clause."""

from collections.abc import Sequence

import vocabulary as words
from dice import Dice
from places import Places
from things import Things
from trees import Node, case, conjunction


class Predicates:
    """Makes the heads of clauses, which still lack their subject, each with the subject's relation to it."""

    def __init__(self, dice: Dice, things: Things, places: Places):
        self._dice = dice
        self._things = things
        self._places = places
        self._makers = [
            (26, self._stands), (24, self.is_placed), (20, self.is_somewhere), (10, self._acts), (10, self._is_acting),
            (4, self._watches), (3, self._is_such),
        ]

    def predicate(self, plural: bool) -> tuple[Node, str]:
        """Any predicate, for a subject in the singular or the plural."""
        return self._dice.one_of(self._makers)(plural)

    def finite(self, verb: Sequence[str], plural: bool) -> Node:
        """The form of a verb that agrees with its subject, in the tense of the caption."""
        base, third, past = verb[:3]
        if self._dice.past:
            return Node(past, "VBD")
        return Node(base, "VBP") if plural else Node(third, "VBZ")

    def be(self, plural: bool, dep: str) -> Node:
        """ "is", "are", "was" or "were"."""
        if self._dice.past:
            return Node("were" if plural else "was", "VBD", dep, "AUX")
        return Node("are", "VBP", dep, "AUX") if plural else Node("is", "VBZ", dep, "AUX")

    def is_placed(self, plural: bool) -> tuple[Node, str]:
        """ "was situated to the right of the couch", "can be seen in the distance", "is covered by snow"."""
        agentive = self._dice.chance(0.1)
        verb = Node(self._dice.pick(words.AGENTIVE if agentive else words.PLACED), "VBN")
        if self._dice.chance(0.08):
            verb.lead(Node(self._dice.pick(words.MANNERS), "RB", "advmod"))
        if self._dice.chance(0.08):
            verb.lead(Node("can", "MD", "aux"), Node("be", "VB", "aux:pass", "AUX"))
        else:
            verb.lead(self.be(plural, "aux:pass"))
        return verb.add(*([self._agent()] if agentive else self._where())), "nsubj:pass"

    def is_somewhere(self, plural: bool) -> tuple[Node, str]:
        """ "is above the dog"."""
        return self._places.place("ROOT").lead(self.be(plural, "cop")), "nsubj"

    def reduced(self) -> Node:
        """A participle that modifies a noun: "sitting on it", "parked next to a tree", "filled with flowers"."""
        roll = self._dice.roll()
        if roll < 0.6:
            return self.acting().under("acl")
        if roll < 0.85:
            return Node(self._dice.pick(words.PLACED), "VBN", "acl").add(*self._where())
        if roll < 0.93:
            return Node(self._dice.pick(words.AGENTIVE), "VBN", "acl").add(self._agent())
        content = self._things.thing().under("obl").lead(*case("with"))
        return Node(self._dice.pick(words.FILLED), "VBN", "acl").add(content)

    def acting(self) -> Node:
        """ "sitting on the bench", "holding a cup", "looking at it"."""
        roll = self._dice.roll()
        if roll < 0.5:
            return Node(self._dice.pick(words.POSTURES)[4], "VBG").add(*self._where())
        if roll < 0.9:
            return self._with_object(Node(self._dice.pick(words.ACTIONS)[4], "VBG"))
        verb, link = self._dice.pick(words.ATTENTION)
        return Node(verb[4], "VBG").add(self._places.landmark().under("obl").lead(*case(link)))

    def _stands(self, plural: bool) -> tuple[Node, str]:
        """ "sits (quietly) on the table", "stands tall behind it", "lies nearby"."""
        verb = self.finite(self._dice.pick(words.POSTURES), plural)
        roll = self._dice.roll()
        if roll < 0.08:
            verb.lead(Node(self._dice.pick(words.MANNERS), "RB", "advmod"))
        elif roll < 0.16:
            verb.add(Node(self._dice.pick(words.MANNERS), "RB", "advmod"))
        elif roll < 0.22:
            verb.add(Node(self._dice.pick(words.STATES), "JJ", "xcomp"))
        return verb.add(*self._where()), "nsubj"

    def _acts(self, plural: bool) -> tuple[Node, str]:
        """ "holds a red umbrella in the rain"."""
        return self._with_object(self.finite(self._dice.pick(words.ACTIONS), plural)), "nsubj"

    def _is_acting(self, plural: bool) -> tuple[Node, str]:
        """ "is sitting on the bench", "are chasing a ball"."""
        return self.acting().lead(self.be(plural, "aux")), "nsubj"

    def _watches(self, plural: bool) -> tuple[Node, str]:
        """ "looks at the dog"."""
        verb, link = self._dice.pick(words.ATTENTION)
        target = self._places.landmark().under("obl").lead(*case(link))
        return self.finite(verb, plural).add(target), "nsubj"

    def _is_such(self, plural: bool) -> tuple[Node, str]:
        """ "is red and shiny"."""
        quality = Node(self._dice.pick(words.COLOURS + words.ADJECTIVES), "JJ")
        if self._dice.chance(0.3):
            quality.add(Node(self._dice.pick(words.ADJECTIVES), "JJ", "conj").lead(conjunction()))
        return quality.lead(self.be(plural, "cop")), "nsubj"

    def _with_object(self, verb: Node) -> Node:
        """Adds what the verb acts on, and sometimes where."""
        thing = self._things.thing("" if self._dice.chance(0.2) else None)
        if self._dice.chance(0.1):
            self._things.join(thing, [self._things.thing()])
        verb.add(thing.under("obj"))
        return verb.add(self._places.place("obl")) if self._dice.chance(0.35) else verb

    def _agent(self) -> Node:
        return self._things.thing().under("obl:agent").lead(*case("by"))

    def _where(self) -> list[Node]:
        first = self._places.place("obl")
        return [first, self._places.place("obl", simple=True)] if self._dice.chance(0.1) else [first]
