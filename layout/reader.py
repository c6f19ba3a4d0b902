"""Reads prompts: `Reader`, a component for spaCy that turns what its network says of a text into a `Reading`."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from string import punctuation
from tempfile import TemporaryDirectory

import srsly
import torch
from spacy.language import Language
from spacy.tokens import Doc
from tokenizers import Tokenizer

from .reader_model import LABELS, PAIR_CLASSES, MentionScores, ReaderNetwork
from .reading import Entity, Reading, Statement
from .vocabulary import ARRANGEMENTS, PLACES, are_opposed
from .words import head_and_modifiers, is_plural


READER_NAME = "spacetime_reader"
WINDOW, OVERLAP = 320, 64  # sub-words that are read at once, and how many of them the next ones share
_PLACEHOLDER = re.compile(r"<([^<>\s]+)>")  # of a textual inversion, such as "<cat-toy>": read without its brackets
_SPECIAL = 2  # sub-words that begin and end each window
_ARTICLES = ("a", "an", "the")  # no mention by themselves
_PRONOUNS = frozenset(
    "it they them he him she her its their his one that which who whom whose this these those both each all".split()
)
_LIKELY = 0.25  # that a mention speaks of something known, rather than of something new
_SURE = 0.8  # the same, where another noun has an adjective again: "a blue cat", "the blue bird"
_LATER = LABELS.index("later")
_OWNED_KINDS = ("part", "worn", "shown", "stuff")


@dataclass(frozen=True)
class ReaderSettings:
    """What is measured on half of the development data."""

    regions: float = 0.5  # the score below which entities are left out
    relations: float = 0.5  # the same for statements
    temperatures: dict[str, float] | None = None  # of "tags", "pairs", "places" and "links"

    def scaled(self, name: str, logits: torch.Tensor) -> torch.Tensor:
        """Logits divided by their temperature, so that scores are shares."""
        return logits / (self.temperatures or {}).get(name, 1.0)


@dataclass
class _Mention:
    """A mention: its first and last sub-word, its characters, its label, and the share of it that is believed."""

    first: int
    last: int
    start: int
    end: int
    label: int
    score: float


class Reader:
    """
    A component for spaCy: reads `doc.text` with its own sub-words, whatever other components found, and sets
    `doc._.reading` and, by kind, `doc.spans`.

    Args:
        network ([`ReaderNetwork`]), tokenizer (`Tokenizer`), settings ([`ReaderSettings`]): Loaded by `from_disk`
            where they are not given.
    """

    def __init__(
        self,
        network: ReaderNetwork | None = None,
        tokenizer: Tokenizer | None = None,
        settings: ReaderSettings | None = None,
    ):
        self.network, self.tokenizer, self.settings = network, tokenizer, settings or ReaderSettings()

    def __call__(self, doc: Doc) -> Doc:
        reading = self.read(doc.text)
        doc._.reading = reading
        for kind in dict.fromkeys(entity.kind for entity in reading.entities):
            places = ((entity.start, entity.end) for entity in reading.of_kind(kind))
            doc.spans[kind] = [doc.char_span(*place, label=kind, alignment_mode="expand") for place in places]
        return doc

    @torch.inference_mode()
    def read(self, text: str) -> Reading:
        """What a text says."""
        shown = _PLACEHOLDER.sub(r" \1 ", text)
        encoding = self.tokenizer.encode(shown, add_special_tokens=False)
        if not encoding.ids:
            return Reading(text)
        count, step = len(encoding.ids), WINDOW - _SPECIAL - OVERLAP
        windows = [_Window(self, encoding.ids, start) for start in (0, *range(step, count - OVERLAP, step))]
        mentions = self._mentions(text, encoding, _tags(windows, count))
        for mention in mentions:
            before, after = slice(max(mention.start - 1, 0), mention.start), slice(mention.end, mention.end + 1)
            mention.start -= shown[before] != text[before]
            mention.end += shown[after] != text[after]
        decoder = _Decoder(text, mentions, self.settings, self.network.config.most_apart)
        for window in windows:
            if numbers := window.inside(mentions):
                decoder.take(numbers, window.relate([mentions[number] for number in numbers]))
        return decoder.reading()

    def _mentions(self, text: str, encoding, tags: torch.Tensor) -> list[_Mention]:
        """Words that begin a mention, of whatever label, and those that go on with it; then the label of them all."""
        shares = self.settings.scaled("tags", tags).softmax(-1)
        by_label = shares[:, 1::2] + shares[:, 2::2]  # (sub-words, labels)
        steps = torch.stack([shares[:, 0], shares[:, 1::2].sum(-1), shares[:, 2::2].sum(-1)]).argmax(0).tolist()
        mentions: list[_Mention] = []
        step, word = 0, None
        for index, (word_id, (start, end)) in enumerate(zip(encoding.word_ids, encoding.offsets)):
            before, step = (step, steps[index]) if word_id != word else (step, 2 if step else 0)
            word = word_id
            if before and (step == 2 or text[mentions[-1].start : mentions[-1].end].lower() in _ARTICLES):
                mentions[-1].last, mentions[-1].end = index, end
            elif step and text[start:end].strip(punctuation):
                mentions.append(_Mention(index, index, start, end, 0, 0.0))
            else:
                step = 0
        for mention in mentions:
            mention.end = mention.start + _closed(text[mention.start : mention.end])
            while encoding.offsets[mention.last][1] > mention.end:
                mention.last -= 1
            share = by_label[mention.first : mention.last + 1].mean(0)
            mention.score, mention.label = share.max().item(), int(share.argmax())
        return [mention for mention in mentions if text[mention.start : mention.end].lower() not in _ARTICLES]

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The files that `to_disk` writes."""
        with TemporaryDirectory() as folder:
            self.to_disk(folder)
            return srsly.msgpack_dumps({path.name: path.read_bytes() for path in Path(folder).iterdir()})

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "Reader":
        """Reads what `to_bytes` returned."""
        with TemporaryDirectory() as folder:
            for name, content in srsly.msgpack_loads(data).items():
                (Path(folder) / name).write_bytes(content)
            return self.from_disk(folder)

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Writes the network, the tokenizer and the settings."""
        path = Path(path)
        self.network.save(path)
        self.tokenizer.save(str(path / "tokenizer.json"), pretty=False)
        (path / "reader.json").write_text(json.dumps(asdict(self.settings), indent=1) + "\n", encoding="utf-8")

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "Reader":
        """Reads what `to_disk` wrote."""
        path = Path(path)
        self.network = ReaderNetwork.load(path)
        self.tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        self.settings = ReaderSettings(**json.loads((path / "reader.json").read_text(encoding="utf-8")))
        return self


def _closed(text: str) -> int:
    """How much of a text stands before its first bracket without a partner."""
    opened: list[int] = []
    for place, character in enumerate(text):
        if character == "(":
            opened.append(place)
        elif character == ")" and opened:
            opened.pop()
        elif character == ")":
            opened = [place]
            break
    return len(text[: opened[0]].rstrip()) if opened else len(text)


class _Window:
    """Some sub-words of a text, read at once."""

    def __init__(self, reader: Reader, ids: Sequence[int], start: int):
        self.reader, self.start = reader, start
        part = ids[start : start + WINDOW - _SPECIAL]
        self.end = start + len(part)
        begin, finish = (reader.tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
        self.input_ids = torch.tensor([[begin, *part, finish]])
        self.states, tags = reader.network.encode(self.input_ids)
        self.tags = tags[0, 1:-1]

    def inside(self, mentions: Sequence[_Mention]) -> list[int]:
        """Which mentions lie in it."""
        return [n for n, m in enumerate(mentions) if self.start <= m.first and m.last < self.end]

    def relate(self, inside: Sequence[_Mention]) -> MentionScores:
        """What it says of mentions that lie in it."""
        spans = torch.tensor([[[m.first - self.start + 1, m.last - self.start + 1] for m in inside]])
        labels = torch.tensor([[m.label for m in inside]])
        return self.reader.network.relate(self.states, self.input_ids != 0, spans, labels)


def _tags(windows: Sequence[_Window], count: int) -> torch.Tensor:
    """Each sub-word's tags, from the window in which it has most around it."""
    tags, end = torch.empty(count, windows[0].tags.shape[-1]), 0
    for window in windows:
        first = (window.start + end) // 2
        end = window.end
        tags[first:end] = window.tags[first - window.start :]
    return tags


class _Decoder:
    """From scores of mentions to entities and what is stated of them."""

    def __init__(self, text: str, mentions: list[_Mention], settings: ReaderSettings, reach: int):
        self.text, self.mentions, self.settings, self.reach = text, mentions, settings, reach
        count = len(mentions)
        self.counts, self.arrangements = [0] * count, [0] * count
        self.places = torch.zeros(count, len(PLACES))
        self.pairs: dict[tuple[int, int], tuple[torch.Tensor, torch.Tensor]] = {}  # relations and links
        self.entities_of: list[list[int]] = []  # of each mention, indices of the entities it speaks of
        self.mentions_of: list[list[int]] = []  # of each entity, the mentions that speak of it

    def take(self, numbers: Sequence[int], scores: MentionScores) -> None:
        """What a window says of mentions that no window before it had together."""
        counts, arrangements = scores.counts[0].argmax(-1).tolist(), scores.arrangements[0].argmax(-1).tolist()
        places = self.settings.scaled("places", scores.places[0]).sigmoid()
        relations = self.settings.scaled("pairs", scores.relations[0]).softmax(-1)
        links = self.settings.scaled("links", scores.links[0]).sigmoid()
        for row, number in enumerate(numbers):
            self.counts[number], self.arrangements[number] = counts[row], arrangements[row]
            self.places[number] = torch.maximum(self.places[number], places[row])
        for row, earlier in enumerate(numbers):
            for column in range(row + 1, min(row + self.reach + 1, len(numbers))):
                self.pairs.setdefault((earlier, numbers[column]), (relations[row, column], links[row, column]))

    def reading(self) -> Reading:
        for number, mention in enumerate(self.mentions):
            known = self._spoken_of(number) if mention.label == _LATER else []
            if not known:
                known = [len(self.mentions_of)]
                self.mentions_of.append([])
            self.entities_of.append(known)
            for index in known:
                self.mentions_of[index].append(number)
        entities = [self._entity(index) for index in range(len(self.mentions_of))]
        statements = [s for s in (*self._relations(), *self._places()) if s.score >= self.settings.relations]
        relations = tuple(sorted(statements, key=self._order))
        reading = Reading(self.text, tuple(entities), relations, tuple(self._links(entities)))
        return reading.with_only([n for n, entity in enumerate(entities) if entity.score >= self.settings.regions])

    def _spoken_of(self, number: int) -> list[int]:
        """
        The entities that a later mention speaks of: of all mentions linked to it, or of the likeliest one. None where
        it rather names something new.
        """
        near = range(max(number - self.reach, 0), number)
        scores = {n: self.pairs[n, number][1][0].item() for n in near if (n, number) in self.pairs}
        mention, likeliest = self.mentions[number], max(scores.values(), default=0.0)
        if self._words(number).lower() not in _PRONOUNS:
            share = mention.score * likeliest
            if share >= _LIKELY:
                share *= 1 - self._is_other(number, max(scores, key=scores.get))
            if share < _LIKELY or share < _SURE and self._is_contrast(number, near):
                return []
        linked = [earlier for earlier, score in scores.items() if score > 0.5 or score == likeliest > 0]
        return list(dict.fromkeys(entity for earlier in linked for entity in self.entities_of[earlier]))

    def _is_other(self, number: int, earlier: int) -> float:
        """How sure it is that a mention is another thing than an earlier one, as related to a later name of that."""
        surest = 0.0
        for later in range(number + 1, min(number + self.reach + 1, len(self.mentions))):
            if self.mentions[later].label == _LATER and {(earlier, later), (number, later)} <= self.pairs.keys():
                is_same, is_none = self.pairs[earlier, later][1][0].item(), self.pairs[number, later][0][0].item()
                surest = max(surest, self.mentions[later].score * is_same * (1 - is_none))
        return surest

    def _is_contrast(self, number: int, near: Iterable[int]) -> bool:
        """Whether a mention says of another noun what one near it said."""
        head, modifiers = head_and_modifiers(self._words(number))
        before = [head_and_modifiers(self._words(earlier)) for earlier in near]
        is_repeated = any(modifiers & others for _, others in before)
        return is_repeated and head != "one" and head not in [other for other, _ in before]

    def _words(self, number: int) -> str:
        mention = self.mentions[number]
        return self.text[mention.start : mention.end]

    def _entity(self, index: int) -> Entity:
        spoken = [self.mentions[number] for number in self.mentions_of[index]]
        start, end, label = spoken[0].start, spoken[0].end, spoken[0].label
        head, modifiers = head_and_modifiers(self.text[start:end])
        kind = "object" if label == _LATER else LABELS[label]
        count = max(self.counts[self.mentions_of[index][0]], 1)
        arrangement = (None, *ARRANGEMENTS)[max(self.arrangements[number] for number in self.mentions_of[index])]
        places, score = tuple((m.start, m.end) for m in spoken), round(spoken[0].score, 4)
        return Entity(self.text[start:end], start, end, head, modifiers, kind, count, places, arrangement, score)

    def _relations(self) -> list[Statement]:
        """The best statement of each two entities over all pairs of their mentions."""
        best: dict[tuple[int, int], Statement] = {}
        between: dict[int, list[tuple[float, int]]] = {}
        for (earlier, later), (shares, _) in self.pairs.items():
            chosen = int(shares.argmax())
            if not chosen:
                continue
            name, _, turned = PAIR_CLASSES[chosen].partition(",")
            score = round(shares[chosen].item(), 4)
            for a, b in product(self.entities_of[earlier], self.entities_of[later]):
                if a == b:
                    continue
                subject, landmark = (b, a) if turned else (a, b)
                two = min(a, b), max(a, b)
                if name == "between":
                    between.setdefault(subject, []).append((score, landmark))
                elif two not in best or best[two].score < score:
                    best[two] = Statement(subject, name, landmark, score=score)
        return [*best.values(), *(_between(subject, ends) for subject, ends in between.items())]

    def _places(self) -> list[Statement]:
        """Where in the picture things are; one of them at one place, or at several that go together."""
        result = []
        for index, spoken in enumerate(self.mentions_of):
            alone = [number for number in spoken if len(self.entities_of[number]) == 1]
            shares = dict(zip(PLACES, self.places[alone or spoken[:1]].amax(0).tolist()))
            told: list[str] = []
            for name in sorted((name for name in PLACES if shares[name] > 0.5), key=shares.get, reverse=True):
                if self._are_several(spoken[0]) or not any(are_opposed(name, other) for other in told):
                    told.append(name)
            result += [Statement(index, name, score=round(shares[name], 4)) for name in told]
        return result

    def _are_several(self, number: int) -> bool:
        """Whether a mention names more than one: trees may be on the left and on the right."""
        last = self.text[: self.mentions[number].end].split()[-1]
        return self.counts[number] > 1 or is_plural(last.lower())

    def _links(self, entities: Sequence[Entity]) -> list[Statement]:
        """Owners of what belongs to something, and groups of members."""
        best: dict[tuple[int, str, int], float] = {}
        for (earlier, later), (_, shares) in self.pairs.items():
            _, owner, owned, group, member = shares.tolist()  # the order of LINKS
            for a, b in product(self.entities_of[earlier], self.entities_of[later]):
                ways = (b, "of", a, owner), (a, "of", b, owned), (b, "member", a, group), (a, "member", b, member)
                for subject, name, other, score in ways:
                    if subject != other and (entities[subject].kind in _OWNED_KINDS) == (name == "of"):
                        best[subject, name, other] = max(score, best.get((subject, name, other), 0))
        links = [Statement(s, name, o, score=round(score, 4)) for (s, name, o), score in best.items() if score > 0.5]
        return sorted(links, key=lambda link: (link.subject, link.relation, link.object))

    def _order(self, statement: Statement) -> tuple[int, int]:
        """Where in the text a statement is complete."""
        places = sorted(self.mentions_of[index][0] for index in statement.ends)
        return places[-1], places[0]


def _between(subject: int, ends: list[tuple[float, int]]) -> Statement:
    """Of what is between things: the two likeliest of them, or one that is several."""
    scores: dict[int, float] = {}
    for score, landmark in ends:
        scores[landmark] = max(score, scores.get(landmark, 0))
    likeliest = sorted(scores, key=scores.get, reverse=True)[:2]
    first, *second = sorted(likeliest)
    return Statement(subject, "between", first, *second, score=min(scores[end] for end in likeliest))


def make_reader(nlp: Language, name: str) -> Reader:
    """The factory: an empty reader, which `from_disk` fills."""
    return Reader()


# Two copies of this module may be loaded, one of them installed and the other by diffusers.
if not Language.has_factory(READER_NAME):
    Language.factory(READER_NAME, func=make_reader)
if not Doc.has_extension("reading"):
    Doc.set_extension("reading", default=None)
