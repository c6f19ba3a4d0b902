"""Captions that are whole sentences."""

import vocabulary as words
from dice import Dice
from places import Places
from predicates import Predicates
from things import Things, determiners
from trees import Node, case, comma, conjunction


class Sentences:
    """Makes captions such as "The silver bed was situated to the right of the white couch"."""

    def __init__(self, dice: Dice, things: Things, places: Places, predicates: Predicates):
        self._dice = dice
        self._things = things
        self._places = places
        self._predicates = predicates
        self._makers = [
            (20, self._clause), (6, self._with_company), (8, self._two_clauses), (6, self._two_predicates),
            (9, self._inversion), (6, self._existential), (4, self._relative), (4, self._flanked), (5, self._gapping),
            (3, self._afterthought), (4, self._fronted),
        ]

    def sentence(self) -> Node:
        """The root of any sentence."""
        return self._dice.one_of(self._makers)()

    def _clause(self) -> Node:
        """ "The silver bed was situated to the right of the white couch"."""
        subject = self._subject()
        head, relation = self._predicates.predicate(subject.plural)
        return head.lead(subject.under(relation))

    def _subject(self) -> Node:
        """What a clause is about: mostly a thing, sometimes two, rarely a pronoun."""
        roll = self._dice.roll()
        if roll < 0.07:
            return Node(*self._dice.pick([("it", "PRP"), ("it", "PRP"), ("he", "PRP"), ("she", "PRP")]))
        if roll < 0.09:
            return Node(*self._dice.pick([("they", "PRP"), ("both", "DT")]), many=True)
        thing = self._things.thing()
        if roll < 0.16:
            return self._things.join(thing, [self._things.thing()])
        if roll < 0.17:
            return self._things.join(thing, [self._things.thing()], "nor").lead(Node("neither", "CC", "cc:preconj"))
        if roll < 0.22:
            return thing.add(self._places.place("nmod", simple=True))
        return thing

    def _with_company(self) -> Node:
        """ "..., with a cat sitting to its left and a dog above it", also in front."""
        company = self._companion().under("obl").lead(*case("with"))
        if self._dice.chance(0.3):
            company.add(self._companion().under("conj").lead(conjunction()))
        clause = self._clause()
        if self._dice.chance(0.1):
            return clause.lead(company, comma())
        return clause.add(company.lead(comma()) if self._dice.chance(0.8) else company)

    def _companion(self) -> Node:
        thing = self._things.thing()
        return thing.add(self._predicates.reduced() if self._dice.chance(0.55) else self._places.place("nmod"))

    def _two_clauses(self) -> Node:
        """ "..., while the bus is located to the right of the train", "... and a dog runs nearby"."""
        first, second = self._clause(), self._dice.one_of([(4, self._clause), (1, self._inversion)])()
        roll = self._dice.roll()
        if roll < 0.1:
            return first.add(Node(self._dice.pick([";", ";", ","]), ":", "punct"), second.under("parataxis"))
        if roll < 0.55:
            second.under("conj").lead(conjunction(self._dice.pick(["and", "and", "and", "but"])))
        else:
            second.under("advcl").lead(Node(self._dice.pick(["while", "while", "while", "as"]), "IN", "mark", "SCONJ"))
        if roll > 0.95:
            return first.lead(second, comma())
        return first.add(second.lead(comma()) if self._dice.chance(0.65) else second)

    def _two_predicates(self) -> Node:
        """ "X stands to the right of Y and is positioned below Z"."""
        subject = self._subject()
        first, relation = self._predicates.predicate(subject.plural)
        second, _ = self._predicates.predicate(subject.plural)
        second.under("conj").lead(conjunction())
        return first.lead(subject.under(relation)).add(second.lead(comma()) if self._dice.chance(0.2) else second)

    def _inversion(self) -> Node:
        """ "Above the ball is a snowboard", "To its left stands a dog", "Parked behind it is a bus"."""
        subject = self._things.listing() if self._dice.chance(0.2) else self._things.thing()
        if self._dice.chance(0.2):
            subject.add(self._predicates.reduced())
        place = self._places.place("obl")
        roll = self._dice.roll()
        if roll < 0.4:
            return place.add(self._predicates.be(subject.plural, "cop"), subject.under("nsubj"))
        if roll < 0.7:
            verb = self._predicates.finite(self._dice.pick(words.POSTURES), subject.plural)
            return verb.lead(place).add(subject.under("nsubj"))
        if roll < 0.85:
            verb = Node(self._dice.pick(words.PLACED), "VBN").add(subject.under("nsubj:pass"))
            return verb.lead(place, self._predicates.be(subject.plural, "aux:pass"))
        if roll < 0.95:
            verb = Node(self._dice.pick(words.PLACED + words.SANDWICHED), "VBN").add(place)
            return verb.add(self._predicates.be(subject.plural, "aux:pass"), subject.under("nsubj:pass"))
        verb = Node(self._dice.pick(words.POSTURES)[4], "VBG").add(place)
        return verb.add(self._predicates.be(subject.plural, "aux"), subject.under("nsubj"))

    def _fronted(self) -> Node:
        """ "In the background, a dog runs", "Next to the car there is a tree"."""
        clause = self._existential() if self._dice.chance(0.4) else self._clause()
        return clause.lead(self._places.place("obl"), *([comma()] if self._dice.chance(0.7) else []))

    def _existential(self) -> Node:
        """ "There are two dogs next to a bench"."""
        thing = self._things.listing() if self._dice.chance(0.3) else self._things.thing()
        verb = self._predicates.be(thing.plural, "ROOT")
        verb.upos = "VERB"
        if verb.text == "is" and self._dice.chance(0.1):
            verb.text = "'s"
        roll = self._dice.roll()
        if roll < 0.25:
            thing.add(self._predicates.reduced())
        elif roll < 0.9:
            thing.add(self._places.place("nmod"))
        return verb.lead(Node("there", "EX", "expl")).add(thing.under("nsubj"))

    def _relative(self) -> Node:
        """ "the dog, which is below the cow, ...", "a cup that is on the table"."""
        clause = self._clause()
        nouns = [node for node, _ in clause.walk() if node.upos == "NOUN" and node.text not in words.SIDES]
        if not nouns:
            return clause
        host = self._dice.pick(nouns)
        head, relation = self._predicates.predicate(host.tag == "NNS")
        head.under("acl:relcl").lead(Node(self._dice.pick(["which", "which", "that"]), "WDT", relation))
        if self._dice.chance(0.5):
            head.lead(comma())
        host.add(head)
        return clause

    def _flanked(self) -> Node:
        """ "The lamp is flanked by a clock on its left and a vase on its right", "... sandwiched between A and B"."""
        subject = self._things.thing()
        between = self._dice.chance(0.35)
        verb = Node(self._dice.pick(words.SANDWICHED if between else words.FLANKED), "VBN")
        verb.lead(subject.under("nsubj:pass"), self._predicates.be(subject.plural, "aux:pass"))
        if between:
            return verb.add(self._places.between().under("obl"))
        first, second = self._things.thing(), self._things.thing()
        if self._dice.chance(0.7):
            place = self._dice.pick([self._places.bare_side, self._places.to_its_side, self._places.at_landmark])
            first.add(place().under("nmod"))
            second.add(place().under("nmod"))
        first.add(second.under("conj").lead(conjunction()))
        return verb.add(first.under("obl:agent").lead(*case("by")))

    def _gapping(self) -> Node:
        """ "the cat is on the left, the dog on the right", "... and to its right a mirror"."""
        first, second = self._things.thing(), self._things.thing()
        if self._dice.chance(0.5):
            head, relation = self._places.bare_side().lead(self._predicates.be(first.plural, "cop")), "nsubj"
            place = self._places.bare_side().under("orphan")
        else:
            maker = self._dice.pick([self._predicates.is_somewhere, self._predicates.is_placed])
            head, relation = maker(first.plural)
            place = self._places.place("orphan")
        second = second.lead(place) if self._dice.chance(0.3) else second.add(place)
        link = self._dice.pick([[comma()], [comma()], [conjunction()], [comma(), conjunction()]])
        return head.lead(first.under(relation)).add(second.under("conj").lead(*link))

    def _afterthought(self) -> Node:
        """ "..., creating a colorful contrast", "..., its screen covered with dust"."""
        clause = self._clause()
        if self._dice.chance(0.6):
            result = Node(self._dice.pick(words.EFFECTS), "NN", "obj")
            if self._dice.chance(0.6):
                result.lead(Node(self._dice.pick(words.ADJECTIVES), "JJ", "amod"))
            result.lead(*determiners(self._dice.pick(["a", "the"])))
            verb = Node(self._dice.pick(words.CREATING), "VBG", "advcl").add(result)
            return clause.add(verb.lead(comma()))
        part = self._dice.pick(words.PARTS)
        noun = Node(part, "NNS" if part.endswith("s") else "NN", "nsubj").lead(Node("its", "PRP$", "nmod:poss"))
        verb = Node(self._dice.pick(words.STATES_OF_PARTS), "VBN", "advcl").lead(comma(), noun)
        return clause.add(verb.add(self._places.place("obl", simple=True)))
