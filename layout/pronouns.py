"""Pronouns: which phrases "it", "her", "them", "that" or "the former" mean where they stand."""

from collections.abc import Sequence

from .clauses import ClauseRow
from .ellipsis import parallel_landmark
from .lexicon import GROUP_PRONOUNS, PERSON_PRONOUNS, POINTING_PRONOUNS, PRONOUN_CLASSES
from .phrase import Phrase, are_persons
from .things import HYPERNYMS
from .words import POSSESSIVES


class PronounReader:
    """Remembers what pronouns meant: within a sentence "her" is always the same one."""

    def __init__(self, row: ClauseRow, phrases: Sequence[Phrase]):
        self.row = row
        self.phrases = phrases
        self.meant: dict[tuple[int, str | None], list[int]] = {}  # (start of a sentence, class of pronouns) -> phrases
        self.worn = {thing for cue in row.cues for thing in self._worn_at(cue)}
        self.pairs: dict[int, list[list[int]]] = {}  # start of a sentence -> its latter and its former

    def referents(self, word: str, k: int, figure: Sequence[int]) -> list[int]:
        """The phrases that a pronoun means which stands at, or is the landmark of, position k; none of the figure."""
        row = self.row
        if word == "whose":
            return self._owner_before(k, figure)
        if word in POINTING_PRONOUNS:
            return self._pointed_at(word, k, figure)
        if announced := row.announced_subject(k):
            return announced
        owner = row.with_owner(k) if word == "it" else []
        if owner and set(owner).isdisjoint(figure) and not self._are_persons(owner):
            return owner
        topic, nearest = row.topic(k, figure), row.things_before(k)
        start = row.sentence_start(k)
        known = self.meant.get((start, PRONOUN_CLASSES.get(word)), [])
        if known and set(known).isdisjoint(figure):  # "in front of her, and ... to her right"
            return known
        is_opposite = row.kind(k) == "cue" and row.elements[k].cue.relation == "opposite"  # of what has sides already
        about_topic = row.kind(k) == "pronoun" or word in POSSESSIVES or row.is_in_with(k) and not is_opposite
        marks = [] if about_topic else row.things_before(k, (i for i in row.landmarks if i >= start))
        marks = [parallel_landmark(row, k)] + marks[:1] + [topic]
        candidates = [things for things in marks + nearest if things and not set(things) & set(figure)]
        if word in GROUP_PRONOUNS or word == "both":
            return self._group(word, candidates, k, figure)
        found = self._single(word, candidates)
        self.meant[start, PRONOUN_CLASSES.get(word)] = found
        return found

    def _worn_at(self, cue: int) -> list[int]:
        """What is worn at a cue, of which "it" never speaks: "a man in a coat leans on it"."""
        row, is_inside = self.row, self.row.elements[cue].cue.relation == "inside"
        return row.things_at(i for i in row.following[cue] if is_inside and row.elements[i].is_clothing)

    def _owner_before(self, k: int, figure: Sequence[int]) -> list[int]:
        """What "whose" means: the thing right before it; in "on whose left is a tree and on whose right ..." again."""
        start = self.row.sentence_start(k)
        known = self.meant.get((start, "whose"), []) if self.row.text(k - 1) == "and" else []
        nearest = next((things for things in self.row.things_before(k) if set(things).isdisjoint(figure)), [])
        self.meant[start, "whose"] = known or nearest
        return known or nearest

    def _pointed_at(self, word: str, k: int, figure: Sequence[int]) -> list[int]:
        """What "above that" means, the last thing named, or "the former" and "the latter", two named together."""
        row, start = self.row, self.row.sentence_start(k)
        near = [things for things in row.things_before(k, range(start, k)) if not set(things) & set(figure)]
        earlier = row.things_before(start)
        if word == "that":
            return (near + earlier + [[]])[0]
        pair = self.pairs.setdefault(start, (near if len(near) > 1 else earlier or near)[:2])
        return pair[min(POINTING_PRONOUNS[word], len(pair) - 1)] if pair else []

    def _single(self, word: str, candidates: list[list[int]]) -> list[int]:
        """What "her" means: a person, else an animal, else any single thing; "it": no person, and if it can be one."""
        if word not in PERSON_PRONOUNS:
            lifeless = [things for things in candidates if not self._are_persons(things)]
            lifeless = [things for things in lifeless if not self.worn.issuperset(things)] or lifeless
            return next((things for things in lifeless if not self._are_plural(things)), (lifeless + [[]])[0])
        kinds = (self._are_persons, self._are_animals, lambda things: not self._are_plural(things))
        return next((found for fits in kinds if (found := next(filter(fits, candidates), []))), [])

    def _group(self, word: str, candidates: list[list[int]], k: int, figure: Sequence[int]) -> list[int]:
        """What "them" means: a person, a plural, things named together, or the last two things; "their": the last."""
        row = self.row
        is_between = row.kind(k) == "cue" and row.elements[k].cue.relation == "between"
        for fits in () if is_between or word == "both" else (self._are_persons, self._are_plural):
            if found := next(filter(fits, candidates), None):
                return found
        lists = [row.things_at(row.following[cue]) for cue in reversed(row.cues) if cue < k]
        for together in candidates[:1] + lists:
            if len(together) > 1 and not set(together) & set(figure):
                return together
        single = list(dict.fromkeys(index for things in candidates for index in things))
        return single[1::-1] if is_between or word in ("them", "both") else single[:1]

    def _are_persons(self, things: Sequence[int]) -> bool:
        return are_persons(self.phrases, things)

    def _are_animals(self, things: Sequence[int]) -> bool:
        return all(self.phrases[index].head in HYPERNYMS["animal"] for index in things)

    def _are_plural(self, things: Sequence[int]) -> bool:
        return len(things) > 1 or self.phrases[things[0]].plural


def owner_in(text: str) -> str:
    """The possessive in "to its left"."""
    return next((word for word in text.split() if word in POSSESSIVES or word == "whose"), "its")
