"""Noun phrases without a model: closed word lists and a few rules, for the day when no spaCy model can be had."""

from collections.abc import Sequence

from spacy.language import Language
from spacy.tokens import Doc


CHUNKER_NAME = "word_list_chunker"
PHRASES_KEY = "phrases"

_CHUNK_DETERMINERS = frozenset(
    """
a an the some any his her its their my your our this that these those another each every both several few many no all
one two three four five six seven eight nine ten eleven twelve dozen single
""".split()
)
_CHUNK_PREPOSITIONS = frozenset(
    """
of in on at to from with without by for near beside besides beneath underneath under below above over atop behind
between among around across along against through into onto inside outside within off toward towards past upon next
beyond amid amidst alongside opposite up down like as during after before until via per close far away
""".split()
)
_CHUNK_STOPS = _CHUNK_PREPOSITIONS | frozenset(
    """
is are was were be being been am 's has have had do does did can could will would shall should may might must
and or but nor yet while whilst when where than then if because so though although whereas either neither not n't & '
it they them theirs he him she hers i me we us you itself themselves himself herself which who whom whose what
everything something nothing there here nearby together alone also just still only very too again now however
meanwhile overhead upright diagonally directly immediately slightly
""".split()
)
_CHUNK_FINITE_VERBS = frozenset(
    """
sits sat stands stood lies lay rests hangs hung leans floats hovers flies flew perches soars towers sleeps slept waits
walks runs ran jumps swims swam grazes lands kneels knelt drifts glides rolls dangles looms drives drove rides rode
sails stays plays appears remains climbs moves holds held wears wore eats ate carries chases watches touches pushes
pulls reads throws threw kicks feeds fed catches caught hits faces uses contains surrounds looks stares shows shown
seen found kept set put left hidden hid laid covers follows hides stretches points makes made takes took slung worn
nears includes
""".split()
)
_CHUNK_PLURAL_VERBS = frozenset(
    """
sit stand lie lay rest hang lean float fly run walk swim graze sleep play eat
""".split()
)
_CHUNK_NOT_VERBS = frozenset(
    """
bed red shed sled seed weed building painting ring king string wing swing ceiling railing clothing thing earring
dining washing parking fishing ironing rocking swimming shopping living frying cutting bowling wedding hundred
""".split()
)
_CHUNK_MODIFIERS = frozenset(
    """
red orange yellow green blue purple pink brown black white gray grey silver golden gold beige tan
big small large tiny huge old new shiny wooden metallic fluffy round square tall short long soft bright dark colorful
little young beautiful striped empty open fresh ripe hot cold wet dry dirty clean heavy light pale deep very
""".split()
)
_CHUNK_PLACES = frozenset(
    """
left right top bottom front back middle center centre side sides corner edge foreground background distance
upper lower image picture photo photograph painting drawing sketch illustration scene view
""".split()
)
_CHUNK_MEASURES = frozenset(
    """
pair pairs bunch bunches slice slices piece pieces group herd flock row couple pile stack set number lot variety cup
cups glass glasses mug bottle bowl plate basket box bag bouquet
""".split()
)


class WordListChunker:
    """A spaCy component that stores noun phrases, determiner and modifiers included, in ``doc.spans["phrases"]``.

    One span per thing that a prompt may want drawn, in order and without overlap: "a cat above a green bus" gives
    "a cat" and "a green bus". Pronouns, places ("the left") and pictures ("a photo of") are left out.
    """

    def __call__(self, doc: Doc) -> Doc:
        bounds = chunk_bounds([token.lower_ for token in doc])
        doc.spans[PHRASES_KEY] = [doc[start:end] for start, end in bounds]
        return doc


def chunk_bounds(words: Sequence[str]) -> list[tuple[int, int]]:
    """The noun phrases in lower-cased words, as (start, end) with the end excluded."""
    bounds = []
    start = 0
    while start < len(words):
        first = start
        while first < len(words) and _is_chunk_determiner(words[first]):
            first += 1
        end = _chunk_end(words, first)
        if end > first and _is_chunk_thing(words[start:end]):
            bounds.append((start, end))
        start = max(end, first, start + 1)
    return bounds


def _chunk_end(words: Sequence[str], first: int) -> int:
    """Where the phrase ends whose first word after the determiner is words[first]."""
    end = first
    while end < len(words) and _continues_chunk(words, first, end):
        end += 1
    if end > first and words[end - 1] in _CHUNK_MEASURES and words[end : end + 1] == ["of"]:
        content = _chunk_end(words, end + 1)
        return content if content > end + 1 else end
    return end


def _continues_chunk(words: Sequence[str], first: int, i: int) -> bool:
    """Whether words[i] belongs to the phrase whose first word after the determiner is words[first]."""
    word = words[i]
    previous = words[i - 1] if i else ""
    following = words[i + 1] if i + 1 < len(words) else ""
    if word == "-":
        return i > first and following.isalnum()
    if word in (",", "and"):
        joins_modifiers = i > first and _is_chunk_modifier(previous) and _is_chunk_content(following)
        return joins_modifiers and (word == "," or _is_chunk_modifier(following))
    if word in _CHUNK_PLACES:
        return _is_chunk_content(following) or following in _CHUNK_PLACES
    if not _is_chunk_content(word):
        return False
    if _is_chunk_determiner(previous):
        return True
    modified = i > first and (_is_chunk_modifier(previous) or previous in (",", "and"))
    if _is_participle_form(word):
        opens = i == first and (i == 0 or previous in _CHUNK_STOPS)
        return (modified or opens) and _is_chunk_content(following)
    if modified:
        return True
    if word in _CHUNK_FINITE_VERBS or word in _CHUNK_PLURAL_VERBS and previous.endswith("s"):
        return False
    return not word.endswith("ly")


def _is_chunk_thing(words: Sequence[str]) -> bool:
    """Whether a phrase names a thing: not a place, and no mere quality ("is red"), though "orange" may be a fruit."""
    return words[-1] not in _CHUNK_PLACES and not all(word in _CHUNK_MODIFIERS and word != "orange" for word in words)


def _is_chunk_determiner(word: str) -> bool:
    return word in _CHUNK_DETERMINERS or word.isdigit()


def _is_chunk_content(word: str) -> bool:
    """Whether it may be a noun or one of its modifiers, as far as closed classes tell."""
    return word[:1].isalnum() and word not in _CHUNK_STOPS and not _is_chunk_determiner(word)


def _is_chunk_modifier(word: str) -> bool:
    return word in _CHUNK_MODIFIERS or _is_participle_form(word) or word.endswith("ly") or word == "-"


def _is_participle_form(word: str) -> bool:
    return word.endswith(("ing", "ed")) and word not in _CHUNK_NOT_VERBS


# The installed package and a copy that diffusers loaded may both be imported: the first one registers the name.
if not Language.has_factory(CHUNKER_NAME):

    @Language.factory(CHUNKER_NAME)
    def make_word_list_chunker(nlp: Language, name: str) -> WordListChunker:
        """Makes the component for ``nlp.add_pipe("word_list_chunker")``."""
        return WordListChunker()
