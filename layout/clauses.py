"""A row of elements read as clauses: which things stand together, which are landmarks, what a clause is about."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, takewhile

from .elements import Element
from .lexicon import NEGATING_WORDS, PLACES_ALONE
from .sides import LATERAL_SIDES, SINGLE_SUPPORTS
from .words import DETERMINERS


_NOUN_KINDS = ("thing", "pronoun", "other", "each other")
_OPENERS = ("stop", "clause", "with", "order")
_ADDRESSING = ("look", "gaz", "star", "peer", "sing", "talk", "speak", "shout", "scream")  # "into a mirror", not in it
_LEADING = (":", "has", "have", "contains")  # from a place to what is there, as verbs do


class ClauseRow:
    """
    Elements of a text with what their order tells. Positions are indices into `elements`; phrases are indices too,
    in the lists of things that most methods return.

    Attributes:
        cues (`list[int]`): Positions of the spatial expressions.
        following (`dict[int, list[int]]`): Positions of the landmark that stands with each cue, if any.
        landmarks (`dict[int, int]`): All positions in `following`, each with its cue, the first of several.
        subjects (`list[int]`): Positions of the things that clauses are about.
        fronted (`dict[int, list[int]]`): Cues that open their clause, with the things after them that they speak of:
            "above the bed hangs | a lamp".
    """

    def __init__(self, elements: Sequence[Element]):
        self.elements = elements
        ends = [self._is_sentence_end(i) for i in range(len(elements))]
        self._starts = list(accumulate((i + 1 if end else 0 for i, end in enumerate(ends)), max, initial=0))
        self.cues = [k for k, element in enumerate(elements) if element.cue]
        self.following = {k: self._following_landmark(k) for k in self.cues}
        self.landmarks = {i: k for k in reversed(self.cues) for i in self.following[k]}
        self.subjects = [i for i in range(len(elements)) if self._is_subject(i)]
        self._openers: dict[int, str] = {}
        for k in self.cues:
            self._openers[k] = self._opener(k)
        self.fronted = {k: things for k in self.cues if not self.is_void(k) and (things := self._inverted_figure(k))}

    def kind(self, i: int) -> str:
        """The kind of the element at a position, "" outside of the text."""
        return self.elements[i].kind if 0 <= i < len(self.elements) else ""

    def text(self, i: int) -> str:
        """The text of the element at a position, "" outside of the text."""
        return self.elements[i].text if 0 <= i < len(self.elements) else ""

    def is_thing(self, i: int) -> bool:
        """Whether an object is mentioned there."""
        return self.kind(i) == "thing"

    def is_noun(self, i: int) -> bool:
        """Whether something is named there, object or not, or meant by a pronoun."""
        return self.kind(i) in _NOUN_KINDS

    def things_at(self, positions: Iterable[int]) -> list[int]:
        """The phrases mentioned at some positions."""
        return [index for position in positions for index in self.elements[position].things]

    def things_before(self, k: int, positions: Iterable[int] | None = None) -> list[list[int]]:
        """The things of each mention before position k, nearest first (all, or those at some positions)."""
        chosen = range(k) if positions is None else sorted(i for i in positions if i < k)
        return [list(self.elements[i].things) for i in reversed(chosen) if self.is_thing(i)]

    def last_of(self, things: Sequence[int], k: int) -> list[int]:
        """Of things joined before position k those of the mention nearest to it; none if they are not several."""
        mentions = (mentioned for mentioned in self.things_before(k) if set(mentioned) <= set(things))
        return next(mentions, []) if len(things) > 1 else []

    def sentence_start(self, k: int) -> int:
        """The position at which the sentence of position k begins."""
        return self._starts[k]

    def sentence_end(self, k: int) -> int:
        """The position, k or after it, at which its sentence ends."""
        return next((i for i in range(k, len(self.elements)) if self._is_sentence_end(i)), len(self.elements))

    def _is_sentence_end(self, i: int) -> bool:
        """Whether a sentence ends there (after a colon it goes on)."""
        return self.kind(i) == "stop" and self.elements[i].text != ":"

    def joint_after(self, position: int) -> tuple[str, int]:
        """The joining words after an element (", and"; "" for none) and the position of what follows them."""
        following, words = position + 1, []
        while self.kind(following) == "join":
            words.append(self.elements[following].text)
            following += 1
        return " ".join(words), following

    def _past_predicate(self, position: int) -> int:
        """The position after "is", "is occupied by", "has", "contains" or a colon that stands at one, if any."""
        while self.kind(position) in ("verb", "agent") or self.text(position) in _LEADING:
            position += 1
        return position

    def _past_verbs(self, position: int) -> int:
        while self.kind(position) == "verb":
            position += 1
        return position

    def is_aside(self, i: int, k: int) -> bool:
        """Whether a thing only describes the subject of the cue at k: "a girl with a hat (is) above ..."."""
        element = self.elements[i]
        if element.start in self.elements[k].asides:
            return True
        if self._is_worn(i) and i == k - 1 and any(map(self.is_thing, self.following[k])):
            return True
        if element.is_passed:
            return any(self.sentence_start(k) <= subject < i for subject in self.subjects)
        is_resumed = self.kind(i + 1) == "verb" and self.elements[i + 1].is_finite
        return is_resumed and self._describes(i)

    def _is_held(self, i: int) -> bool:
        """The staff of "a wizard holding a staff, | a cat on his left"."""
        return self.text(i + 1) == "," and self.kind(i - 1) in ("verb", "with")

    def _is_worn(self, i: int) -> bool:
        """The hat of "a man with a hat"."""
        return self.elements[i].is_clothing and self.kind(i - 1) == "with" and self.is_thing(i - 2)

    def _describes(self, i: int) -> bool:
        """Whether a thing comes with the one before it: "X with Y", "X holding Y", "X that holds Y"."""
        before = i - 1
        if self.kind(before) == "verb" and self.kind(before - 1) == "relative":
            before -= 1
        is_participle = self.kind(before) == "verb" and self.elements[before].text.endswith("ing")
        return (is_participle or self.kind(before) in ("with", "relative")) and self.is_thing(before - 1)

    def _list_from(self, first: int, is_closed: bool = False, is_fronted: bool = False) -> list[int]:
        """
        Positions of "the fork, the knife and the spoon", less a last thing with which a new clause begins.

        A closed list has one member unless a common article ("the fork and knife") says otherwise. After a fronted
        list its verb may follow: "Above the table and the chair hangs a lamp".
        """
        positions, joints = self._joined_from(first)
        while len(positions) > 1 and self._begins_clause(positions[-1], is_fronted):
            positions.pop()
        joints = joints[: len(positions) - 1]
        is_list = joints[:1] == ["and"] or len(joints) > 1 and any("and" in joint for joint in joints)
        is_closed = is_closed and any(self.elements[i].text.split()[0] in DETERMINERS for i in positions[1:])
        return positions if is_list and not is_closed else positions[:1]

    def _joined_from(self, first: int) -> tuple[list[int], list[str]]:
        """The positions of all things that are joined from one on, and what joins them."""
        positions, joints = [first], []
        while True:
            joint, following = self.joint_after(positions[-1])
            if not joint or not self.is_thing(following):
                return positions, joints
            joints.append(joint)
            positions.append(following)

    def joined_before(self, last: int, has_singular_verb: bool) -> list[int]:
        """Positions of the things that end at one: of "a cup and a plate are ..." both, of "... is ..." the last."""
        positions, i = [last], last
        while not has_singular_verb and self.kind(i - 1) == "join":
            while self.kind(i - 1) == "join":
                i -= 1
            i -= 1
            if self.kind(last + 1) == "verb" and self._is_inserted(i):
                i -= 1
            if not self.is_thing(i) or i in self.landmarks or self.kind(i - 1) == "other":  # "the back of a chair"
                break
            if self._is_worn(i) and not self.elements[last].is_clothing:  # "a man with a hat and | a dog"
                break
            if positions == [last] == [i + 2] and self._is_held(i) and self.kind(last + 1) == "cue":
                break
            if self.text(i + 1) == "," and self._begins_anew(i + 2, is_after_and=self.text(i - 1) == "and"):
                break
            positions.insert(0, i)
        return positions

    def _begins_anew(self, i: int, is_after_and: bool) -> bool:
        """Whether a clause begins with the thing at i: "a jug and a pan, | the jug is left of", "..., | a cup in"."""
        again = set(self.elements[i].things) <= set(self.things_at(range(i)))
        has_verb = self.kind(self._joined_from(i)[0][-1] + 1) == "verb"
        return self.is_thing(i) and (again or is_after_and and not has_verb)

    def _is_inserted(self, i: int) -> bool:
        """The cue of "the harp, the lute to its left and the drum are ..."."""
        return i in self.following and not self.following[i] and not self.is_in_with(i)

    def topic(self, k: int, other_than: Sequence[int] = ()) -> list[int]:
        """What the clause around position k is about: the latest subject before it, else the nearest thing."""
        excluded = set(other_than)
        fronted = self._fronted_subject(k) if self.is_in_with(k) else []
        if fronted and excluded.isdisjoint(fronted):
            return fronted
        governor, cue = self._with_before(k), self.elements[k].cue
        if cue is not None and not self.following[k] and (owner := self.with_owner(k)) and excluded.isdisjoint(owner):
            return owner
        if governor is not None and self.kind(governor - 1) == "relative":  # "a fire, which has a kettle above it"
            choices = self.things_before(governor)[:1]
            if choices and excluded.isdisjoint(choices[0]):
                return choices[0]
        for i in reversed(self.subjects):
            if i < k and excluded.isdisjoint(things := self.things_at(self._subject_list(i))):
                return things
        return next((things for things in self.things_before(k) if excluded.isdisjoint(things)), [])

    def _subject_list(self, i: int) -> list[int]:
        """The things of which one subject is the first, or the last before their verb."""
        following = i + 1
        if self.kind(following) == "verb":
            return self.joined_before(i, self.elements[following].is_singular)
        return self._list_from(i)

    def parallel_holder(self, k: int) -> list[int]:
        """The man of "a man with a dog on the left and a woman with a cat on the right"."""
        clause = range(self.sentence_start(k), self.sentence_end(k))
        sides = {self.elements[c].cue.relation for c in self.cues if c in clause and self._has_holder(c)}
        return self.things_at([k - 3]) if self._has_holder(k) and len(sides) > 1 else []

    def _has_holder(self, k: int) -> bool:
        is_side = self.elements[k].cue.relation in LATERAL_SIDES and not self.following[k]
        return is_side and self.kind(k - 2) in ("with", "verb") and self.is_thing(k - 1) and self.is_thing(k - 3)

    def with_owner(self, k: int) -> list[int]:
        """What has something on, in, above or below it, just before a "with": "by a tree with a bench below"."""
        governor, cue = self._with_before(k), self.elements[k].cue
        if governor is None or cue is None or cue.relation not in (*SINGLE_SUPPORTS, "above", "below"):
            return []
        is_at_once = self.is_thing(governor - 1) and self.kind(governor) == "with"
        return list(self.elements[governor - 1].things) if is_at_once else []

    def _fronted_subject(self, k: int) -> list[int]:
        """The subject after what opens its sentence: "With a jug on the left, a pan is", "Flanked by ... is a cat"."""
        start = self.sentence_start(k)
        first = self.elements[start]
        is_list = first.cue is not None and first.cue.landmark == "list"
        is_participle = first.kind == "verb" and first.text.endswith(("ed", "en"))
        if not is_list and not is_participle and first.text not in ("with", "having"):
            return []
        for i in range(k + 1, self.sentence_end(k + 1)):
            before, after = self.elements[i - 1], self.kind(i + 1)
            is_inverted = before.kind == "verb" and before.is_finite
            if self.is_thing(i) and (is_inverted or before.text == "," and after in ("verb", "stop", "")):
                return self.things_at(self._list_from(i))
        return []

    def announced_subject(self, k: int) -> list[int]:
        """What a text is about that opens with its places: "To its left a jug, to its right a pan, | a globe"."""
        start = self.sentence_start(k)
        cue, landmarks = self.elements[start].cue, map(self.kind, self.following.get(start, ()))
        points_ahead = cue is not None and (cue.landmark == "owner" or "pronoun" in landmarks)
        if not points_ahead or any(map(self.is_thing, range(start))):
            return []
        for i in range(k + 1, self.sentence_end(k + 1)):
            if self.is_thing(i) and self.text(i - 1) == "," and self.kind(i + 1) in ("verb", "cue"):
                return self.things_at([i])
        return []

    def _labelled(self, k: int) -> list[int]:
        """The things under a label at position k, "Top row: a drum above a lute", up to the next label; or none."""
        colon = k + 1
        while self.kind(colon) in ("order", "verb", "join"):
            colon += 1
        if self.text(colon) != ":":
            return []
        last = self.sentence_end(colon + 1)
        end = next((i for i in range(colon + 1, last) if self._opens_item(i)), last)
        return list(dict.fromkeys(self.things_at(range(colon + 1, end))))

    def _opens_item(self, k: int) -> bool:
        """Whether a place of the picture stands before what is there: ", right: a jug", ", on the right a jug"."""
        cue = self.elements[k].cue
        is_place = cue is not None and cue.landmark in PLACES_ALONE
        return is_place and self.kind(k - 1) in ("join", "stop") and self.kind(k + 1) not in ("join", "")

    def is_in_with(self, k: int) -> bool:
        """Whether position k belongs to a "with ..." (or "flanked by ...") that hangs on a topic."""
        return self.kind(k + 1) == "agent" or self._with_before(k) is not None

    def _opener(self, k: int) -> str:
        """What the clause begins with that begins with the cue at k ("stop" for a sentence); "" in mid-clause."""
        before = min([k] + self.following[k]) - 1
        kind = self.kind(before) or "stop"
        if kind == "verb" and self._opens_sentence(before):
            return "stop"
        if kind == "join":  # "Below the bridge and to the left of the tower, ..."
            if self.elements[before].text == "," and self.kind(before - 1) == "join":  # "and, below, ..."
                return "clause"
            while self.kind(before) == "join":
                before -= 1
            first = next((cue for cue in self.cues if before == cue or before in self.following[cue]), None)
            return first is not None and first < k and self._openers[first] or "join"
        if kind == "other" and self._opens_sentence(before):  # "The space above the door is taken by ..."
            following = self._past_verbs(max([k] + self.following[k]) + 1)
            return "stop" if self.kind(following) == "agent" else ""
        return kind if kind in _OPENERS else ""

    def _inverted_figure(self, k: int) -> list[int]:
        """The thing after a cue that opens its clause: "To the left of the bed is a lamp", "On top, a cherry"."""
        opener = self._openers[k]
        while True:
            if self.kind(k + 1) == "relative":  # "the bridge, on which a car drives", "the barn, behind which is ..."
                return self._list_at(self._past_predicate(k + 2))
            if self.text(k).split()[1:2] == ["whose"]:  # "a bed to whose left stands a lamp"
                return self._list_at(self._past_predicate(k + 1))
            if self.kind(k + 1) == "agent":  # "flanked on the left by a guard"
                return self._list_at(k + 2)
            if not opener:
                return []
            if labelled := self._labelled(k):
                return labelled
            joint, position = self.joint_after(max([k] + self.following[k]))
            if joint not in ("and", ",", ", and") or self.kind(position) != "cue":
                break
            k = position  # "above and | to the left of the bed is a lamp"
        if joint and (joint != "," or opener not in ("stop", "clause", "order")):
            return []
        return self._list_at(self._past_predicate(position))

    def _list_at(self, position: int) -> list[int]:
        """The things of the list that begins at a position; none where no thing stands."""
        return self.things_at(self._list_from(position)) if self.is_thing(position) else []

    def _opens_sentence(self, i: int) -> bool:
        """Whether a sentence begins there: "Placed above the door is ...", "To be seen above the door is ..."."""
        first = i - 1 if self.text(i - 1) == "be" else i
        return self.kind(first - 1) in ("", "stop")

    def _with_before(self, k: int) -> int | None:
        for i in range(k - 1, -1, -1):
            element = self.elements[i]
            if element.kind == "with" or element.cue and element.cue.landmark == "list":
                return i
            if element.kind in ("clause", "stop", "relative"):
                return None
        return None

    def _begins_clause(self, i: int, is_fronted: bool) -> bool:
        """Whether the last thing of a list has a place or a verb of its own."""
        following = i + 1
        if not is_fronted or self.kind(following) != "verb":
            return self.kind(following) in ("cue", "verb")
        return not self.is_thing(self._past_verbs(following))

    def is_void(self, k: int) -> bool:
        """
        Whether a cue tells no place: "is not above", "neither above nor below", "surveying the scene below", "flanked
        by a guard on each side".
        """
        cue = self.elements[k].cue
        if cue.relation == "both sides" and self._is_flanking(k - 1):
            return True
        if self.kind(k - 1) == "join" and self.text(k - 1) == "nor":
            return True
        if self.text(k) == "into" and self.text(k - 1).startswith(_ADDRESSING):
            return True
        if self.kind(k - 1) == "other" and self.kind(k - 2) == "verb" and not self.elements[k - 2].is_finite:
            return not self.following[k] and cue.landmark == "maybe"
        return self.kind(k - 1) == "verb" and self.text(k - 1) in NEGATING_WORDS

    def _is_flanking(self, i: int) -> bool:
        """The guard of "flanked by a guard"."""
        return any(i in self.following[cue] and self.elements[cue].cue.landmark == "list" for cue in self.cues)

    def _following_landmark(self, k: int) -> list[int]:
        """The landmark right after a cue, or the owner right before it ("to the dog's left")."""
        cue, text = self.elements[k].cue, self.elements[k].text
        if cue.landmark in PLACES_ALONE:
            return []
        if cue.landmark in ("owner", "held"):
            return [k - 1] if text[0] in "'’s" and self.is_thing(k - 1) else []
        if self.kind(k + 1) == "relative":  # "the bridge, on which ..."
            return [i for i in range(k) if self.is_thing(i)][-1:]
        if not self.is_noun(k + 1):
            return []
        is_closed = cue.relation in SINGLE_SUPPORTS and cue.landmark != "reversed"
        if cue.relation == "inside" and self.elements[k + 1].is_clothing:  # "wearing a hat and | a scarf sits on"
            return list(takewhile(lambda i: self.elements[i].is_clothing, self._joined_from(k + 1)[0]))
        if cue.relation == "between":
            return self._two_from(k + 1)
        positions = self._list_from(k + 1, is_closed, is_fronted=self.kind(k - 1) in ("", "stop", "verb"))
        if cue.landmark == "list" and len(positions) == 1 and self.kind(k + 2) == "cue":
            return []  # "joined by a dog to the left": it has a cue of its own
        return positions

    def _two_from(self, first: int) -> list[int]:
        """Positions of the two things of a "between"; none where each has a cue of its own ("a cup to the left")."""
        positions = [first]
        while len(self.things_at(positions)) < 2:
            joint, following = self.joint_after(self._relative_end(positions[-1]))
            if joint in ("", ",") or not self.is_thing(following):
                break
            positions.append(following)
        is_placed = self.kind(self.joint_after(positions[-1])[1]) == "cue"
        return [] if is_placed and len(self.things_at(positions)) == 1 else positions

    def _relative_end(self, i: int) -> int:
        """The position at which a thing and its relative clause end: "the jug, which is on the left" """
        _, end = self.joint_after(i)
        if self.kind(end) != "relative":
            return i
        while self.kind(end + 1) in ("verb", "cue", "pronoun"):
            end += 1
        return end

    def _is_subject(self, i: int) -> bool:
        if not self.is_thing(i) or i in self.landmarks:
            return False
        before = self.kind(i - 1) or "stop"
        return before in ("stop", "clause") or before == "join" and self.kind(i + 1) == "verb"
