"""A synthetic treebank of captions: sentences that place things, with their trees as English EWT would draw them.

    captions = Captions(seed=0)
    doc = captions.document(nlp.vocab)
"""

from dice import Dice
from fragments import Fragments
from places import Places
from predicates import Predicates
from sentences import Sentences
from spacy.tokens import Doc
from spacy.vocab import Vocab
from things import Things
from trees import Node, to_doc


class Captions:
    """A source of random captions; equal seeds give equal captions."""

    def __init__(self, seed: int):
        self._dice = Dice(seed)
        things = Things(self._dice)
        places = Places(self._dice, things)
        predicates = Predicates(self._dice, things, places)
        self._fragments = Fragments(self._dice, things, places, predicates)
        self._sentences = Sentences(self._dice, things, places, predicates)

    def document(self, vocab: Vocab) -> Doc:
        """A caption of one sentence, now and then of two or three, with gold tags and heads."""
        count = self._dice.pick([1] * 8 + [2, 2, 3])
        trees = [self._tree(stop=True) for _ in range(count - 1)] + [self._tree()]
        return to_doc(trees, vocab, capital=self._dice.chance(0.6))

    def _tree(self, stop: bool = False) -> Node:
        """One sentence or fragment, which ends with a full stop if it must."""
        fragment = self._dice.chance(0.45)
        self._dice.bare = self._dice.chance(0.15 if fragment else 0.05)
        self._dice.past = self._dice.chance(0.4)
        root = self._fragments.fragment() if fragment else self._sentences.sentence()
        if stop or self._dice.chance(0.3 if fragment else 0.75):
            root.add(Node(".", ".", "punct"))
        return root.under("ROOT")
