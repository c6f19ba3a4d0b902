"""Phrases that say where: at a landmark, at a side, in the picture."""

import vocabulary as words
from dice import Dice
from things import Things
from trees import Node, case, conjunction


class Places:
    """Makes the phrases that say where something is."""

    def __init__(self, dice: Dice, things: Things):
        self._dice = dice
        self._things = things

    def place(self, dep: str, simple: bool = False) -> Node:
        """A phrase to hang under a noun ("nmod") or a verb ("obl"), or to be a predicate ("ROOT").

        Adverbs ("next to") hang as "advmod" instead, except as predicates. Simple phrases all have a landmark.
        """
        table = [(30, self.at_landmark), (10, self._next_to), (18, self._to_the_side)]
        if not simple:
            table += [
                (10, self._part_of_landmark), (7, self.to_its_side), (7, self.in_the_picture), (6, self.between),
                (3, self._two_ways), (4, self.bare_side), (3, self._on_body),
            ]
        if dep == "obl" and not simple:
            table.append((4, self._somewhere))
        place = self._dice.one_of(table)()
        return place.under("advmod" if place.upos == "ADV" and dep in ("nmod", "obl") else dep)

    def landmark(self) -> Node:
        """What a place is told by: a thing, two of them, or a pronoun."""
        roll = self._dice.roll()
        if roll < 0.12 and not self._dice.bare:
            return Node(self._dice.pick(["it", "it", "them", "him", "her"]), "PRP")
        if roll < 0.135:
            return Node("each", "DT").add(Node("other", "JJ", "fixed"))
        thing = self._things.thing()
        if roll < 0.17:
            return self._things.join(thing, [self._things.thing()]).lead(Node("both", "CC", "cc:preconj"))
        if roll < 0.25:
            return self._things.join(thing, [self._things.thing()])
        if roll < 0.31:
            return thing.add(self.place("nmod", simple=True))
        return thing

    def at_landmark(self) -> Node:
        """ "(directly) above the dog"."""
        return self.landmark().lead(*self._intensifier(), *case(self._dice.pick(words.PREPOSITIONS)))

    def to_its_side(self) -> Node:
        """ "to its left", "on the puppy's right side"."""
        side = self._dice.pick(["left", "right"])
        node = Node("side", "NN").lead(Node(side, "JJ", "amod")) if self._dice.chance(0.2) else Node(side, "NN")
        if self._dice.chance(0.6):
            owner = Node(self._dice.pick(["its", "its", "their", "his", "her"]), "PRP$", "nmod:poss")
        else:
            owner = self._things.owner()
        return node.lead(*case(self._dice.pick(["to", "to", "on"])), owner)

    def bare_side(self) -> Node:
        """ "to the left", "on the right side", "on either side", without a landmark."""
        side = self._dice.pick(["left", "right"])
        roll = self._dice.roll()
        if roll < 0.05:
            return Node("side", "NN").lead(*case("on", self._dice.pick(["each", "either"])))
        if roll < 0.7:
            return Node(side, "NN").lead(*case(self._dice.pick(["to", "to", "on", "at"]), "the"))
        node = Node(self._dice.pick(["side", "side", "edge"]), "NN").lead(Node(side, "JJ", "amod"))
        return node.lead(*case(self._dice.pick(["to", "on", "on", "at"]), "the"))

    def in_the_picture(self) -> Node:
        """ "in the background", "at the top of the image", "in the top left corner"."""
        roll = self._dice.roll()
        if roll < 0.3:
            return self._corner()
        if roll < 0.7:
            return Node(self._dice.pick(words.SCENES), "NN").lead(*case(self._dice.pick(["in", "in", "at"]), "the"))
        whole = Node(self._dice.pick(["image", "picture", "scene", "photo", "frame"]), "NN", "nmod")
        return self._part(words.PARTS_OF_PICTURES).add(whole.lead(*case("of", "the")))

    def between(self) -> Node:
        """ "between the dog and a cat", "between them", "between two cars"."""
        link = case(self._dice.pick(["between", "between", "between", "among"]))
        roll = self._dice.roll()
        if roll < 0.15:
            return Node("them", "PRP").lead(*link)
        if roll < 0.25:
            return self._things.thing(self._dice.pick(["two", "the two", "three"])).lead(*link)
        return self._things.join(self._things.thing(), [self._things.thing()]).lead(*link)

    def _intensifier(self) -> list[Node]:
        return [Node(self._dice.pick(words.INTENSIFIERS), "RB", "advmod")] if self._dice.chance(0.1) else []

    def _next_to(self) -> Node:
        """ "next to the dog", "left of the dog", "far away from the dog"."""
        adverb, link = self._dice.pick(words.ADVERBS_WITH_PREPOSITIONS)
        landmark = self.landmark().under("obl").lead(*case(link))
        return Node(adverb, "RB").lead(*self._intensifier()).add(landmark)

    def _to_the_side(self) -> Node:
        """ "(directly) to the left of the dog"."""
        side = self.bare_side().add(self.landmark().under("nmod").lead(*case("of")))
        return side.lead(*self._intensifier())

    def _part_of_landmark(self) -> Node:
        """ "in front of the dog", "in the middle of the table", "in the top left corner of the room"."""
        landmark = self.landmark().under("nmod").lead(*case("of"))
        roll = self._dice.roll()
        if roll < 0.45:
            link, part = self._dice.pick([("in", "front")] * 2 + [("on", "top")] * 2 + [("on", "side")])
            return Node(part, "NN").lead(*self._intensifier(), *case(link)).add(landmark)
        return (self._corner() if roll < 0.6 else self._part(words.PARTS_OF_THINGS)).add(landmark)

    def _part(self, parts: list[tuple[str, str]]) -> Node:
        link, part = self._dice.pick(parts)
        return Node(part, "NN").lead(*case(link, "the"))

    def _corner(self) -> Node:
        """ "in the top left corner"."""
        corner = Node(self._dice.pick(["corner", "corner", "part", "half"]), "NN")
        if self._dice.chance(0.8):
            corner.lead(Node(self._dice.pick(["left", "right"]), "JJ", "amod"))
        if self._dice.chance(0.8):
            corner.lead(Node(self._dice.pick(["top", "bottom", "upper", "lower", "far"]), "JJ", "amod"))
        return corner.lead(*case(self._dice.pick(["in", "in", "at"]), "the"))

    def _two_ways(self) -> Node:
        """ "above and to the left of the dog"."""
        side = self._to_the_side().under("conj").lead(conjunction())
        return Node(self._dice.pick(["above", "below", "behind"]), "RB").lead(*self._intensifier()).add(side)

    def _on_body(self) -> Node:
        """ "in their left hand", "on his head"."""
        part = self._dice.pick(words.BODY_PARTS)
        node = Node(part, "NNS" if part in ("feet", "arms") else "NN")
        if self._dice.chance(0.4):
            node.lead(Node(self._dice.pick(["left", "right"]), "JJ", "amod"))
        owner = Node(self._dice.pick(["its", "their", "his", "her"]), "PRP$", "nmod:poss")
        return node.lead(*case(self._dice.pick(["in", "in", "on", "at", "with"])), owner)

    def _somewhere(self) -> Node:
        """ "nearby"."""
        return Node(self._dice.pick(words.PLACE_ADVERBS), "RB")
