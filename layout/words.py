"""The closed classes of English that tell how a noun phrase is built."""


def collect_words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


DETERMINERS = collect_words(
    "a an the its their his her my your our some any this that these those another other each every both all no"
    " several many few more most such neither either enough what which one"
)
NUMERALS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "couple": 2, "pair": 2, "trio": 3, "quartet": 4, "dozen": 12,
}  # fmt: skip
# "A <measure> of <things>" is about the things.
MEASURES = collect_words(
    "pair couple trio bunch piece slice group set stalk stem sprig head herd flock pack swarm school flight litter"
    " row line pile stack heap bundle cluster clump collection assortment selection variety array series range"
    " number lot plenty handful dozen kind type sort loaf wedge chunk bit cube clove ear bar stick strip sheet roll"
    " scoop crowd team crew bouquet string fleet load batch block drop bale quartet grid suit ring circle column"
)
