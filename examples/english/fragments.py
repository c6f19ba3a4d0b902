"""Captions without a finite verb."""

import vocabulary as words
from dice import Dice
from places import Places
from predicates import Predicates
from things import Things, determiners
from trees import Node, case, comma, conjunction


class Fragments:
    """Makes captions such as "a red apple to the left of a blue car" and "a photo of a cat and a dog"."""

    def __init__(self, dice: Dice, things: Things, places: Places, predicates: Predicates):
        self._dice = dice
        self._things = things
        self._places = places
        self._predicates = predicates
        self._makers = [
            (5, things.thing), (12, self._thing_somewhere), (8, self._picture_of), (7, self._thing_doing),
            (8, things.listing), (4, self._label), (3, self._row), (3, self._thing_with_thing), (2, self._styled),
        ]

    def fragment(self) -> Node:
        """The root of any fragment."""
        return self._dice.one_of(self._makers)()

    def _thing_somewhere(self) -> Node:
        """ "a red apple to the left of a blue car"."""
        first = self._things.thing()
        if self._dice.chance(0.12):
            self._things.join(first, [self._things.thing()])
        first.add(self._places.place("nmod"))
        if self._dice.chance(0.12):
            first.add(self._things.thing().under("conj").lead(conjunction()).add(self._places.place("nmod")))
        return first

    def _picture_of(self) -> Node:
        """ "a photo of a cat and a dog", "an oil painting of a boat on a lake"."""
        picture = Node(self._dice.pick(words.PICTURES), "NN")
        if self._dice.chance(0.2):
            picture.lead(Node(self._dice.pick(words.PICTURE_ADJECTIVES), "JJ", "amod"))
        elif self._dice.chance(0.1):
            picture.lead(Node(self._dice.pick(["oil", "watercolor", "pencil", "ink"]), "NN", "compound"))
        picture.lead(*determiners(self._dice.pick(["a", "a", "a", "the", ""])))
        makers = [
            (4, self._things.thing), (4, self._thing_somewhere), (4, self._things.listing), (3, self._thing_doing),
        ]
        link = self._dice.pick(["of"] * 5 + ["with"])
        return picture.add(self._dice.one_of(makers)().under("nmod").lead(*case(link)))

    def _thing_doing(self) -> Node:
        """ "a man riding a horse on the beach", "a truck parked next to a tree"."""
        thing = self._things.thing()
        if self._dice.chance(0.1):
            thing.add(self._places.place("nmod", simple=True))
        return thing.add(self._predicates.reduced())

    def _thing_with_thing(self) -> Node:
        """ "a kitchen counter with a cutting board, a knife and food"."""
        content = self._things.listing().under("nmod").lead(*case("with"))
        roll = self._dice.roll()
        if roll < 0.15:
            content.add(self._predicates.reduced())
        elif roll < 0.3:
            content.add(self._places.place("nmod"))
        return self._things.thing().add(content)

    def _label(self) -> Node:
        """ "Left: a dog", "on the right, two cats", "top left: a bus; bottom: a car"."""
        if self._dice.chance(0.5):
            first = self._labelled(self._label_noun())
        else:
            place = self._places.bare_side() if self._dice.chance(0.6) else self._places.in_the_picture()
            first = self._labelled(place)
        if self._dice.chance(0.4):
            second = self._labelled(self._label_noun()).under("conj")
            first.add(second.lead(Node(*self._dice.pick([(",", ","), (";", ":")]), "punct")))
        return first

    def _label_noun(self) -> Node:
        if self._dice.chance(0.2):
            side = Node(self._dice.pick(["left", "right"]), "NN")
            return side.lead(Node(self._dice.pick(["top", "bottom"]), "NN", "compound"))
        return Node(self._dice.pick(words.LABELS), "NN")

    def _labelled(self, label: Node) -> Node:
        label.under("nmod").add(Node(self._dice.pick([":", ":", ":", ","]), ":", "punct"))
        return self._things.thing().lead(label)

    def _row(self) -> Node:
        """ "From left to right: a cat, a dog and a bus"."""
        start, end = self._dice.pick([("left", "right"), ("left", "right"), ("right", "left"), ("top", "bottom")])
        way = Node(start, "NN", "nmod").lead(*case("from"))
        way.add(Node(end, "NN", "nmod").lead(*case("to")))
        listing = self._things.listing()
        if self._dice.chance(0.7):
            return listing.lead(way.add(Node(self._dice.pick([":", ":", ","]), ":", "punct")))
        return listing.add(way.lead(comma()) if self._dice.chance(0.5) else way)

    def _styled(self) -> Node:
        """ "a cat on a bench, digital art, high quality"."""
        makers = [(1, self._things.thing), (1, self._thing_somewhere), (1, self._picture_of)]
        root = self._dice.one_of(makers)()
        for *first, last in self._dice.sample(words.STYLES, self._dice.pick([1, 2])):
            style = Node(last, "NN", "list").lead(*map(_style_modifier, first))
            root.add(style.lead(comma()))
        return root


def _style_modifier(word: str) -> Node:
    return Node(word, "JJ", "amod") if word in words.STYLE_ADJECTIVES else Node(word, "NN", "compound")
