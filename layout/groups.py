"""Noun groups: every run of words around a noun ("a shiny red car"), object or not, that a prompt contains."""

from dataclasses import dataclass, field
from itertools import takewhile

from spacy.tokens import Doc, Span, Token

from .chunker import PHRASES_KEY
from .lexicon import JOINING_WORDS, RELATIVE_WORDS, SIZE_ADJECTIVES
from .plurals import INVARIANT_PLURALS, PAIRED_THINGS, counted_singular, is_plural, singular
from .things import (
    ACTORS,
    BODY_PARTS,
    CLOTHES,
    CONTAINERS,
    DEPICTIONS,
    DIRECTION_WORDS,
    MEASURES,
    MEDIA_WORDS,
    NOUN_COMPOUNDS,
    PEOPLE,
    PICTURE_WORDS,
)
from .tokens import is_attribute, word_at
from .words import (
    ACTION_VERB_FORMS,
    ACTION_VERBS,
    ADVERBS,
    ARTICLES,
    BEING_PLURAL,
    BEING_SINGULAR,
    COLOURS,
    COMPOUND_PARTICIPLES,
    DEFINITES,
    DETERMINERS,
    ING_NOUNS,
    LARGE_NUMERALS,
    NUMERALS,
    PAINTING_PARTICIPLES,
    PLACES_IN_ROW,
    PLURAL_DETERMINERS,
    PLURAL_MODIFIERS,
    POSSESSIVES,
    PREDETERMINERS,
    PRETERITES,
    SINGULAR_DETERMINERS,
    VERB_PASTS,
    number_of,
)


# Labels of Universal Dependencies and of spaCy's own English pipelines.
SUBJECT_DEPENDENCIES = frozenset("nsubj nsubj:pass nsubjpass".split())
_GROUP_NOUNS = ("NOUN", "PROPN")
_NOMINAL_ROLES = frozenset("nsubj nsubj:pass nsubjpass obj dobj iobj obl pobj nmod".split())
_GROUP_PERSONS = frozenset(("someone", "somebody"))
_PRONOMINALS = frozenset("one ones other others former latter same few many own such".split())
_SIDE_WORDS = frozenset("left right top bottom front next close near".split())
_LONGEST_GROUP = 40  # tokens; longer runs are no language, and would take quadratic time


@dataclass(frozen=True)
class NounGroup:
    """
    Tokens `start` to `end` (exclusive) of a doc, its noun `head`, the `measure` of "a pair of skis" (pair) and the
    `content` of "a cup of tea" (tea). The "a red" of "a red and a blue cup" is a group, too, with `shared` tokens of
    the next one ("cup").
    """

    start: int
    end: int
    head: int
    measure: int | None = None
    shared: tuple[int, int] | None = None
    content: "NounGroup | None" = field(default=None, compare=False)  # may be nested too deep to compare

    def spans(self, doc: Doc) -> list[Span]:
        """All its words, in one or two pieces."""
        return [doc[self.start : self.end]] + ([doc[slice(*self.shared)]] if self.shared else [])


def noun_groups(doc: Doc, spatial: set[int]) -> list[NounGroup]:
    """
    All noun groups in order, without overlap. "A pair of skis" and "a cup of tea" are one group each.

    With a tagger the parts of speech decide (they are more reliable than a small parser's tree, and the same in all
    label schemes); without one the spans that a chunker left in `doc.spans["phrases"]`. No group begins at one of
    the `spatial_tokens`.
    """
    groups = _tagged_groups(doc, spatial) if doc.has_annotation("POS") else _chunked_groups(doc, spatial)
    return _share_nouns(doc, _join_measures(doc, groups))


def _tagged_groups(doc: Doc, spatial: set[int]) -> list[NounGroup]:
    groups, start = [], 0
    while start < len(doc):
        group = _group_from(doc, start, spatial) if start not in spatial and _opens_group(doc[start]) else None
        if group:
            groups.append(group)
        start = group.end if group else start + 1
        if group and not _is_noun(doc[group.head]) and word_at(doc, start) in ACTION_VERB_FORMS:  # "a goblin | sits"
            start += 1
    return groups


def _is_noun(token: Token) -> bool:
    """Whether tagger or parser take a word for a noun (each alone is wrong now and then)."""
    if token.is_space or token.is_punct or _is_adverb(token) or _is_painted_colour(token):
        return False
    if token.tag_ == "JJR" and token.lower_ in PEOPLE or _has_to_be_noun(token):  # "a sumo wrestler"
        return True
    is_actor = token.pos_ == "ADJ" and token.lower_ in PEOPLE and token.i + 1 < len(token.doc)
    if is_actor and _is_doing(token.nbor(), token):  # "a goblin | counting coins"
        return True
    if token.pos_ in _GROUP_NOUNS or token.tag_.startswith("NN") or token.lower_ in _GROUP_PERSONS:
        return True
    if _is_noun_compound(token) or _is_garment(token) or _is_content(token) or split_number(token.lower_)[0]:
        return True
    in_compound = token.i > 0 and token.nbor(-1).pos_ in _GROUP_NOUNS and token.lower_ not in ACTION_VERB_FORMS
    return in_compound and token.pos_ in ("ADJ", "VERB", "X") and token.dep_ in _NOMINAL_ROLES


def _is_adverb(token: Token) -> bool:
    """What is no noun, whatever the tagger says: "a horse chews | calmly", "a | half | eaten donut"."""
    if token.lower_ == "half" and token.i + 1 < len(token.doc):
        return token.nbor().tag_ == "VBN" or token.nbor().lower_ in ("full", "empty")
    return token.lower_.endswith("ly") and token.i > 0 and is_plural(token.nbor(-1).lower_)


def _has_to_be_noun(token: Token) -> bool:
    """What follows "two ..." (converters), "an ..." (archer) or "a red ..." (gong), whatever the tagger says."""
    before = token.nbor(-1).lower_ if token.i > 0 else ""
    if token.tag_ == "VBZ" and token.lower_.endswith("s") and number_of(before) > 1:
        return True
    if token.pos_ == "PRON" and before in ARTICLES:
        return token.lower_ not in PLACES_IN_ROW and token.lower_ not in _PRONOMINALS
    if token.pos_ != "ADV" or token.i < 2 or token.lower_ in ADVERBS:
        return False
    is_determined = token.nbor(-2).lower_ in DETERMINERS
    is_followed = token.i + 1 < len(token.doc) and token.nbor().pos_ in ("NOUN", "PROPN", "ADJ")
    is_described = token.nbor(-1).pos_ == "ADJ" and not token.lower_.endswith("ly")  # "a remote | calmly"
    return is_determined and not is_followed and (is_described or before in COLOURS | SIZE_ADJECTIVES.keys())


def _is_painted_colour(token: Token) -> bool:
    """A colour alone that something was given: "a chair, painted | white"."""
    if token.lower_ not in COLOURS or token.i == 0 or token.nbor(-1).lower_ not in PAINTING_PARTICIPLES:
        return False
    if token.i > 1 and token.nbor(-2).lower_ in DETERMINERS:  # "a painted orange"
        return False
    return not (token.i + 1 < len(token.doc) and _is_noun(token.nbor()))


def _is_pronoun(token: Token) -> bool:
    """What counts no noun: "beside the barn | one sees a well", "two cats, | one chases mice", "another | sits"."""
    if token.i + 1 == len(token.doc):
        return False
    following = token.nbor()
    is_verb = following.lower_ in ACTION_VERB_FORMS and following.lower_.endswith("s")
    return token.lower_ == "one" and following.pos_ == "VERB" or token.lower_ == "another" and is_verb


def _is_lone_participle(token: Token) -> bool:
    """ "An adult | standing | and bending over a bicycle" """
    is_participle = token.lower_.endswith("ing") and token.lower_ in ACTION_VERB_FORMS
    return is_participle and not (token.i + 1 < len(token.doc) and _is_noun(token.nbor()))


def _is_noun_compound(token: Token) -> bool:
    """A noun whatever tagger and parser say: "night stand", "zebra crossing" (but not "a zebra | crossing a road")."""
    known = NOUN_COMPOUNDS.get(singular(token.lower_), frozenset())
    is_verb = token.lower_ in ACTION_VERB_FORMS and token.tag_ == "VBZ"
    if not known or is_verb or known.isdisjoint(_words_before(token)):
        return False
    if token.lower_ in ACTION_VERBS and is_plural(token.nbor(-1).lower_):  # "christmas trees | stand"
        return False
    has_object = token.i + 1 < len(token.doc) and token.nbor().pos_ in ("DET", "NOUN", "PRON", "ADJ")
    return not (token.lower_.endswith("ing") and has_object)


def _words_before(token: Token) -> list[str]:
    """Lower-case, the last word or, across a noun, the last two: "a | hot dog | stand"."""
    words = token.doc[max(token.i - 2, 0) : token.i]
    return [word.lower_ for word in (words if words and words[-1].pos_ in _GROUP_NOUNS else words[1:])]


def _is_garment(token: Token) -> bool:
    """What "a clown | costume" ends with, whatever the tagger says: after "a clown" a verb would have an -s."""
    if token.i == 0 or token.pos_ != "VERB" or token.lower_ not in CLOTHES:
        return False
    before = token.nbor(-1)
    return before.pos_ in _GROUP_NOUNS and _determiner_before(before) in SINGULAR_DETERMINERS


def _is_content(token: Token) -> bool:
    """What fills a container, though the tagger takes it for a verb: "a cup of coke"."""
    if token.i < 2 or token.pos_ != "VERB" or token.nbor(-1).lower_ != "of":
        return False
    return singular(token.nbor(-2).lower_) in CONTAINERS and token.dep_ not in ("amod", "compound")


def split_number(word: str) -> tuple[int, str]:
    """The number and the noun of tags such as "1girl" and "2boys"; 0 and the word itself for all others."""
    noun = word.lstrip("0123456789")
    is_tag = noun != word and len(word) - len(noun) < 3 and singular(noun) in PEOPLE
    return (int(word[: -len(noun)]), noun) if is_tag else (0, word)


def _opens_group(token: Token) -> bool:
    is_last = token.i + 1 == len(token.doc)
    if token.lower_ in PREDETERMINERS and not is_last and token.nbor().lower_ in DETERMINERS:  # "both the cats"
        return False
    if token.lower_ in POSSESSIVES and not is_last and token.nbor().lower_ in ARTICLES:  # "beside her | a cat"
        return False
    after_noun = token.i > 0 and _is_noun(token.nbor(-1)) and not _is_verb(token.nbor(-1))
    if after_noun and (token.tag_ in ("VBN", "VBG") or _is_verb_after(token, token.nbor(-1))):
        return False
    if _is_relative_verb(token):
        return False
    if _is_pronoun(token) or token.i > 0 and _is_pronoun(token.nbor(-1)) or _is_lone_participle(token):
        return False
    return (
        token.pos_ in ("DET", "NUM", "ADJ")
        or _is_noun(token)
        or token.lower_ in POSSESSIVES
        or _is_degree(token)
        and not after_noun
        or token.tag_ in ("VBN", "VBG")
        and token.dep_ in ("amod", "compound")
    )


def _is_participle(token: Token) -> bool:
    """The "soiled" of "a soiled toilet"."""
    return token.tag_ == "VBN" and token.dep_ == "amod"


def _is_degree(token: Token) -> bool:
    """ "Mostly | finished food" """
    return token.dep_ == "advmod" and token.head.i == token.i + 1 and _is_participle(token.head)


def _group_from(doc: Doc, start: int, barred: set[int]) -> NounGroup | None:
    """The group that begins at a token: modifiers up to the last noun before something else begins."""
    end, head = start, None
    last = min(len(doc), start + _LONGEST_GROUP)
    while end < last and end not in barred and _continues_group(doc, start, end, head):
        if _is_noun(doc[end]):
            head = end
        end += 1
    if head is None and doc[start].lower_ in ARTICLES:
        head = _mistagged_noun(doc, start, end)
    return None if head is None else NounGroup(start, head + 1, head)


def _continues_group(doc: Doc, start: int, index: int, head: int | None) -> bool:
    token, previous = doc[index], doc[index - 1] if index else None
    following = doc[index + 1] if index + 1 < len(doc) else None
    if index == start:
        return True
    if previous.text == "-":  # "a half-timbered house"
        return True
    if token.lower_ in DETERMINERS:
        return head is None and previous.lower_ in DETERMINERS
    if token.text == "-":
        return not previous.whitespace_ and not token.whitespace_ and following is not None
    if _is_pronoun(token):
        return False
    if token.tag_ == "POS":
        return head is not None and not _owner_is_thing(doc, start, index)
    if head is None:
        return _is_premodifier(doc, start, index)
    if _is_noun(previous) and _is_verb_after(token, previous):
        return False
    is_further = previous.lower_ in COMPOUND_PARTICIPLES and _is_participle(token)
    if token.lower_ in COMPOUND_PARTICIPLES or is_further:  # "a snow covered (soiled) car"
        return following is not None and (_is_noun(following) or following.pos_ == "ADJ" or _is_participle(following))
    if token.lower_ == "mid":  # "a ball | mid air"
        return False
    is_last = following is None or not _is_noun(following)
    if token.lower_ in _SIDE_WORDS and is_last and not _is_noun_compound(token):  # "the cat | left of"
        return False
    if _is_noun(token):
        return True
    return token.pos_ in ("ADJ", "NUM") and following is not None and following.pos_ in _GROUP_NOUNS


def _is_verb_after(token: Token, noun: Token) -> bool:
    """Whether a supposed noun after a noun is its verb: "the donut | sits", "sheep | block the road"."""
    word = token.lower_
    if _is_noun_compound(token) or _is_garment(token) or noun.lower_ in LARGE_NUMERALS:  # "a dozen roses"
        return False
    if word in PRETERITES or _has_subject(token) or _disagrees(token, noun) or _is_doing(token, noun):
        return True
    if word in ACTION_VERBS:
        return is_plural(noun.lower_)
    if word not in ACTION_VERB_FORMS or word == "set" and token.tag_ == "NN":  # "a tea set"
        return False
    if word.endswith("ing") and singular(noun.lower_) in PEOPLE | BODY_PARTS:  # "a person riding skis"
        return True
    if word in COMPOUND_PARTICIPLES and _is_participle(token) and token.head.i > token.i:  # "a snow covered old car"
        return False
    return not (token.i + 1 < len(token.doc) and _is_noun(token.nbor()))


def _is_doing(token: Token, noun: Token) -> bool:
    """What somebody does: "a child | blowing bubbles", "a man | fishing", but not "a dog training school"."""
    if token.lower_ in ING_NOUNS or not token.lower_.endswith("ing"):
        return False
    name, following = singular(noun.lower_), noun.doc[token.i + 1 : token.i + _LONGEST_GROUP]
    if name not in ACTORS | CLOTHES or number_of(_determiner_before(noun)) > 1 and not is_plural(noun.lower_):
        return False
    words = list(takewhile(lambda word: word.pos_ in ("ADJ", "NUM") or _is_noun(word), following))
    if words or name in PEOPLE or token.lower_ not in PICTURE_WORDS | MEDIA_WORDS:
        return not words or is_plural(words[-1].lower_)
    return word_at(noun.doc, token.i + 1) in ARTICLES  # not "a horse painting"


def _is_verb(token: Token) -> bool:
    """Whether a supposed noun is the verb of the noun before it."""
    return token.i > 0 and _is_noun(token.nbor(-1)) and _is_verb_after(token, token.nbor(-1))


def _is_relative_verb(token: Token) -> bool:
    """ "A dog that | chews a bone"."""
    if token.i < 2 or token.nbor(-1).lower_ not in RELATIVE_WORDS or token.i + 1 == len(token.doc):
        return False
    is_s_form = token.lower_.endswith("s") and is_plural(token.lower_)
    return is_s_form and _is_noun(token.nbor(-2)) and token.nbor().pos_ in ("DET", "ADP", "PRON", "ADJ", "NOUN")


def _has_subject(token: Token) -> bool:
    """Whether the parser gives it a subject right before it that agrees: "the fan | spins", not "a night stand"."""
    before = token.nbor(-1) if token.i > 0 else None
    if before is None or before.head != token or before.dep_ not in SUBJECT_DEPENDENCIES:
        return False
    is_base_form = not token.lower_.endswith(("s", "ed"))
    is_singular = before.lower_ in PLURAL_MODIFIERS or _determiner_before(before) in SINGULAR_DETERMINERS
    return not (is_base_form and is_singular)


def _disagrees(token: Token, noun: Token) -> bool:
    """
    Whether number tells that a word is no noun: "a duck | quacks" (the head of "a ..." is singular), "two men | shake
    hands" and "the cook | stirs soup" (plurals do not modify nouns).
    """
    word = token.lower_
    determiner = _determiner_before(noun)
    is_modifier = word in PLURAL_MODIFIERS and token.i + 1 < len(token.doc) and _is_noun(token.nbor())
    is_s_form = word.endswith("s") and is_plural(word) and not is_modifier and word not in PAIRED_THINGS
    is_one = determiner in ("a", "an") or not is_plural(noun.lower_)  # "a deer | drinks"
    if is_s_form and is_one and noun.lower_ not in NUMERALS:
        if token.i + 1 < len(token.doc) and _is_noun(token.nbor()):  # "a steel tools box"
            return bool(determiner) and (token.dep_ != "compound" or singular(noun.lower_) in PEOPLE)
        has_object = token.i + 1 < len(token.doc) and token.nbor().pos_ == "DET"
        return has_object or determiner in SINGULAR_DETERMINERS
    if determiner in PLURAL_DETERMINERS or determiner.isdecimal() or NUMERALS.get(determiner, 1) > 1:
        is_modifier = noun.lower_ in PLURAL_MODIFIERS or noun.lower_ in INVARIANT_PLURALS
        return is_plural(noun.lower_) and not is_modifier and _is_noun(token) and not is_plural(word)
    return False


def _determiner_before(noun: Token) -> str:
    """The determiner or numeral of a noun, lower-case, "" for none."""
    for token in reversed(noun.doc[max(noun.i - _LONGEST_GROUP, 0) : noun.i]):
        if token.lower_ in DETERMINERS or token.lower_ in NUMERALS or token.lower_.isdecimal():
            return token.lower_
        if token.pos_ not in ("ADJ", "ADV", "VERB", "NUM") and not _is_noun(token) and token.text not in ("-", ","):
            break
    return ""


def _owner_is_thing(doc: Doc, start: int, index: int) -> bool:
    """Whether the owner is a thing of its own: "the dog's left", "the man's hat", but not "a bird's nest"."""
    owned = {singular(token.lower_) for token in doc[index + 1 : index + 3]}
    return doc[start].lower_ in DEFINITES or not owned.isdisjoint(DIRECTION_WORDS | BODY_PARTS)


def _is_premodifier(doc: Doc, start: int, index: int) -> bool:
    """Whether a token may stand between the first word of a group and its noun."""
    token = doc[index]
    may_be_noun = token.tag_ == "NN" and not token.lower_.endswith("ing")  # "a red rose"
    is_verb = token.lower_ in ACTION_VERB_FORMS and not may_be_noun
    before = doc[index - 1].lower_
    is_counted = before in DETERMINERS or before == "half" or number_of(before) > 1  # "two towers"
    if is_verb and not is_counted and _is_verb_after(token, token):
        return False  # "an adult | standing"
    if token.pos_ in ("ADJ", "NUM", "X", "SYM") or _is_noun(token) or token.lower_ == "half":
        return True
    if token.pos_ in ("VERB", "ADV", "INTJ") or token.pos_ == "AUX" and index == start + 1:
        determined = doc[start].lower_ in DETERMINERS or doc[start].pos_ == "NUM"
        return determined or token.dep_ in ("amod", "advmod") and token.head.i > index
    if token.text == "," or token.pos_ == "CCONJ":  # "a big, old tree", "a black and white cat"
        sides = doc[index - 1], doc[min(index + 1, len(doc) - 1)]
        joined = all(side.pos_ in ("ADJ", "VERB", "NOUN") for side in sides) and sides[0].pos_ != "NOUN"
        return joined and sides[1].lower_ not in DETERMINERS and not _parts_clauses(doc, start, index)
    return False


def _parts_clauses(doc: Doc, start: int, index: int) -> bool:
    """Whether a clause ends at a joint after a predicate: "the sky is blue | and white birds fly"."""
    verb = doc[start - 1].lower_ if start else ""
    if verb not in BEING_SINGULAR | BEING_PLURAL:
        return False
    following = doc[index + 1 : index + _LONGEST_GROUP]
    words = list(takewhile(lambda token: token.pos_ == "ADJ" or _is_noun(token), following))
    end = next((i for i, word in enumerate(words) if i and _is_verb_after(word, words[i - 1])), len(words))
    verbs = following[end : end + 1]
    has_verb = end < len(words) or any(t.pos_ in ("VERB", "AUX") and t.tag_ not in ("VBG", "VBN") for t in verbs)
    return has_verb or verb in BEING_SINGULAR and any(is_plural(word.lower_) for word in words[:end])


def _mistagged_noun(doc: Doc, start: int, end: int) -> int | None:
    """After an article there has to be a noun ("the orange", "a remote"): the last word before the next boundary."""
    words = [i for i in range(start + 1, end) if doc[i].is_alpha]
    while len(words) > 1 and (doc[words[-1]].lower_ in ACTION_VERB_FORMS or doc[words[-1]].pos_ in ("ADV", "CCONJ")):
        words.pop()
    if not words or doc[words[-1]].lower_ in COLOURS - {"orange"}:  # "painted a bright yellow"
        return None
    return words[-1]


def _chunked_groups(doc: Doc, spatial: set[int]) -> list[NounGroup]:
    """The spans of a chunker, parted at "of", less verbs ("a horse | gallops") and predicates ("is happy")."""
    groups = []
    for span in doc.spans.get(PHRASES_KEY, ()):
        cuts = [token.i for token in span if token.lower_ == "of"] + [span.end]
        starts = [span.start] + [cut + 1 for cut in cuts[:-1]]
        starts = [_free_start(doc, start, end, spatial) for start, end in zip(starts, cuts)]
        groups += [group for start, end in zip(starts, cuts) if (group := _trimmed_group(doc, start, end))]
    return groups


def _free_start(doc: Doc, start: int, end: int, spatial: set[int]) -> int:
    """Where a group begins in a chunk that a spatial expression reaches into: "three | cups", but not "side stand"."""
    first = next((i for i in range(start, end) if i not in spatial), end)
    return first if first == start or number_of(doc[first - 1].lower_) > 1 else end


def _trimmed_group(doc: Doc, start: int, end: int) -> NounGroup | None:
    words = [token.lower_ for token in doc[start:end]]
    while len(words) > 1 and words[0] in PREDETERMINERS and words[1] in DETERMINERS:
        words.pop(0)
    while len(words) > 1 and words[-1] in ACTION_VERB_FORMS and words[-2] not in DETERMINERS:
        words.pop()
        end -= 1
    is_predicate = len(words) == 1 and end > 1 and doc[end - 2].lower_ in VERB_PASTS
    if not words or is_predicate and not is_plural(words[0]):
        return None
    return NounGroup(end - len(words), end, end - 1)


def _is_whole(doc: Doc, group: NounGroup, nouns: set[str], content: NounGroup) -> bool:
    """A cup (of tea) or a statue (of a king); but a painting that opens the text is the picture itself."""
    if nouns & DEPICTIONS:
        is_object = group.start > 0 and doc[group.start].lower_ in DETERMINERS
        return is_object or not nouns & MEDIA_WORDS
    return bool(nouns & CONTAINERS) and singular(doc[content.head].lower_) not in PEOPLE | nouns


def _is_part(doc: Doc, nouns: set[str], whole: NounGroup) -> bool:
    """ "The head of the man" is a part of him, "a head of lettuce" is lettuce."""
    return bool(nouns & BODY_PARTS) and doc[whole.head].lower_ in ACTORS


def names_of(doc: Doc, group: NounGroup) -> set[str]:
    """What a group is called: the "glasses" of "four glasses" are drinking glasses, too."""
    word = doc[group.head].lower_
    return {singular(word), counted_singular(word)}


def _join_measures(doc: Doc, groups: list[NounGroup]) -> list[NounGroup]:
    """Joins "a pair" + "scissors" (about the scissors) and "a cup" + "tea" (about the cup) across an "of"."""
    joined: list[NounGroup] = []
    for group in reversed(groups):
        following = joined[-1] if joined else None
        adjacent = following is not None and following.start == group.end + 1 and doc[group.end].lower_ == "of"
        nouns = names_of(doc, group)
        if adjacent and nouns & MEASURES and not _is_part(doc, nouns, following):
            joined[-1] = NounGroup(group.start, following.end, following.head, measure=group.head)
        elif adjacent and _is_whole(doc, group, nouns, following):
            content = None if nouns & DEPICTIONS else following
            joined[-1] = NounGroup(group.start, following.end, group.head, content=content)
        else:
            joined.append(group)
    return joined[::-1]


def _share_nouns(doc: Doc, groups: list[NounGroup]) -> list[NounGroup]:
    """Adds groups that share the noun of the next one: "a red, a green and | a blue cup"."""
    complete: list[NounGroup] = []
    for group in reversed(groups):
        if complete and group.end > complete[-1].start:  # "a small", taken for a noun
            continue
        complete.append(group)
        noun = max(_attributes_end(doc, group.start), group.start + 2)
        is_shared = noun <= group.head and _is_determiner(doc[group.start])
        while is_shared and (start := _attributes_before(doc, complete[-1].start)) is not None:
            if group.head - start > _LONGEST_GROUP:
                break
            end = _attributes_end(doc, start)
            shared = noun, group.end
            complete.append(NounGroup(start, end, group.head, shared=shared, content=group.content))
    return complete[::-1]


def _attributes_before(doc: Doc, index: int) -> int | None:
    """Where the "a small and" begins that ends at a token; None if no such thing does."""
    end = index
    while end > 0 and doc[end - 1].lower_ in JOINING_WORDS:
        end -= 1
    start = end
    while start > 0 and (is_attribute(doc[start - 1]) or start < end and _joins_attributes(doc, start - 1)):
        start -= 1
    if not (end < index and 0 < start < end and _is_determiner(doc[start - 1])):
        return None
    is_part = doc[index].lower_ in ARTICLES or start > 1 and doc[start - 2].is_punct
    return None if is_part and doc[start - 1].lower_ == "one" else start - 1  # "cats, | one black and a white dog"


def _attributes_end(doc: Doc, start: int) -> int:
    """The end of a determiner, or a numeral, and the attributes after it."""
    end = start + 1 if _is_determiner(doc[start]) else start
    while end < len(doc) and (is_attribute(doc[end]) or _joins_attributes(doc, end)):
        end += 1
    return end


def _joins_attributes(doc: Doc, index: int) -> bool:
    """ "A black | and | white cat" """
    is_inside = 0 < index < len(doc) - 1 and doc[index].lower_ in JOINING_WORDS
    return is_inside and is_attribute(doc[index - 1]) and is_attribute(doc[index + 1])


def _is_determiner(token: Token) -> bool:
    return token.lower_ in ARTICLES or token.lower_ in POSSESSIVES or token.lower_ in NUMERALS or token.lower_ == "one"
