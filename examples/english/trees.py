"""Dependency trees built from the inside out, and their form as spaCy documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from spacy.tokens import Doc
from spacy.vocab import Vocab


UPOS = {
    "NN": "NOUN", "NNS": "NOUN", "JJ": "ADJ", "RB": "ADV", "IN": "ADP", "RP": "ADP", "DT": "DET", "PDT": "DET",
    "CD": "NUM", "PRP": "PRON", "PRP$": "PRON", "WDT": "PRON", "EX": "PRON", "CC": "CCONJ", "TO": "PART",
    "VB": "VERB", "VBZ": "VERB", "VBP": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "MD": "AUX",
    ",": "PUNCT", ".": "PUNCT", ":": "PUNCT", "HYPH": "PUNCT", "POS": "PART",
}
CONSONANT_SOUNDS = ("uni", "use", "one", "eu")


@dataclass
class Node:
    """A word with its dependents on the left and on the right, in the order of the sentence.

    tag is the Penn Treebank tag; upos follows from it unless given; dep is the relation to the head.
    """

    text: str
    tag: str
    dep: str = "ROOT"
    upos: str = ""
    before: list[Node] = field(default_factory=list)
    after: list[Node] = field(default_factory=list)
    many: bool = False  # a plural that neither the tag nor a conjunct tells

    def __post_init__(self):
        self.upos = self.upos or UPOS[self.tag]

    @property
    def plural(self) -> bool:
        """Whether a verb agrees with it in the plural."""
        return self.many or self.tag == "NNS" or any(node.dep == "conj" for node in self.after)

    def under(self, dep: str) -> Node:
        """Sets the relation to the head."""
        self.dep = dep
        return self

    def lead(self, *nodes: Node) -> Node:
        """Puts nodes in front of everything that depends on the word so far."""
        self.before[:0] = nodes
        return self

    def add(self, *nodes: Node) -> Node:
        """Puts nodes after everything that depends on the word so far."""
        self.after.extend(nodes)
        return self

    def walk(self, head: Node | None = None) -> Iterator[tuple[Node, Node]]:
        """Yields (node, its head) in the order of the sentence; the root is its own head."""
        for node in self.before:
            yield from node.walk(self)
        yield self, head or self
        for node in self.after:
            yield from node.walk(self)


def to_doc(trees: list[Node], vocab: Vocab, capital: bool) -> Doc:
    """The sentences one after the other as a gold document; `a` becomes `an` where the next word asks for it."""
    pairs = [pair for tree in trees for pair in tree.walk()]
    places = {id(node): i for i, (node, _) in enumerate(pairs)}
    nodes = [node for node, _ in pairs]
    words = [node.text for node in nodes]
    for i, word in enumerate(words[:-1]):
        following = words[i + 1].lower()
        if word == "a" and following[0] in "aeiou" and not following.startswith(CONSONANT_SOUNDS):
            words[i] = "an"
    if capital:
        for start in (places[id(next(tree.walk())[0])] for tree in trees):
            words[start] = words[start][0].upper() + words[start][1:]
    return Doc(
        vocab,
        words=words,
        spaces=[_space_after(node, following) for node, following in zip(nodes, nodes[1:] + nodes[-1:])],
        tags=[node.tag for node in nodes],
        pos=[node.upos for node in nodes],
        deps=[node.dep for node in nodes],
        heads=[places[id(head)] for _, head in pairs],
    )


def _space_after(node: Node, following: Node) -> bool:
    return node.tag != "HYPH" and following.tag not in ("HYPH", ",", ".", ":", "POS")


def case(text: str, article: str = "") -> list[Node]:
    """A preposition in front of a noun, and perhaps an article: `case("to", "the")`."""
    return [Node(text, "IN", "case")] + ([Node(article, "DT", "det")] if article else [])


def comma() -> Node:
    """The comma in front of a phrase."""
    return Node(",", ",", "punct")


def conjunction(text: str = "and") -> Node:
    """The "and" in front of a conjunct."""
    return Node(text, "CC", "cc")
