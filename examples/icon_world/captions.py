"""What can be said of a scene, in varied English, and which relations a caption states."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from .scenes import RELATIONS, IconObject, Scene, holds
from .things import CATEGORIES, COLOURS


_ARTICLES = ("a", "an", "the")
_NUMBERS = {2: "two", 3: "three", 4: "four"}
_VERBS = ("is", "are", "was", "were")
_SMALL, _LARGE = ("small", "little", "tiny"), ("large", "big", "huge")
_PREPOSITIONS = {
    "left of": ("to the left of", "to the left of", "left of", "on the left of", "on the left side of"),
    "right of": ("to the right of", "to the right of", "right of", "on the right of", "on the right side of"),
    "above": ("above", "above", "above", "over", "on top of"),
    "below": ("below", "below", "under", "beneath", "underneath"),
}
_BESIDE = ("next to", "beside", "by the side of", "close to")
_OF_IT = {  # {i}: its or their; {m}: it or them
    "left of": ("to {i} left", "to {i} left", "on {i} left", "to the left of {m}"),
    "right of": ("to {i} right", "to {i} right", "on {i} right", "to the right of {m}"),
    "above": ("above {m}", "over {m}", "directly above {m}"),
    "below": ("below {m}", "under {m}", "beneath {m}", "directly below {m}"),
}
_POSES = {
    "animal": ("sitting", "standing", "resting", "waiting", "shown"),
    "vehicle": ("parked", "parked", "standing", "waiting", "placed", "shown"),
    "thing": ("placed", "placed", "standing", "lying", "positioned", "situated", "located", "resting", "set", "put"),
}
_INTRODUCTIONS = ("",) * 4 + ("a photo of ",) * 3 + ("a picture of ", "an image of ", "a drawing of ")
_OPENINGS = ("there {v} ",) * 2 + (
    "in this picture there {v} ",
    "this is a picture of ",
    "the picture shows ",
    "we see ",
)
_BACKGROUNDS = {
    True: (" on a plain background", " in front of a plain background"),
    False: (" on a soft gradient", " in front of a gradient"),
}

# a stands in the relation to b. {r}: preposition; {v}, {w}: is or was, for a and b; {p}, {q}: their poses.
_PAIRS = (
    "{opening}{new_a} {r} {b}",
    "{opening}{new_a} {p} {r} {b}",
    "{a} {r} {b}",
    "{a} {v} {r} {b}",
    "{a} {v} {r} {b}",
    "{a} {v} {p} {r} {b}",
    "{a} {v} {p} {r} {b}",
    "{r} {b} {v} {new_a}",
    "{r} {b} there {v} {new_a}",
    "{b} and, {of_it}, {new_a}",
    "{b}, with {new_a} {of_it}",
    "{b} {w} {q}, with {new_a} {of_it}",
    "{b} {w} {q}, with {new_a} {p} {of_it}",
)
_ADDITIONS = (  # b has been named before
    ", with {new_a} {r} {b}",
    ", with {new_a} {p} {r} {b}",
    ", and {new_a} {r} {b}",
    ", and {new_a} {v} {p} {r} {b}",
    ", while {a} {v} {r} {b}",
    ", while {a} {v} {p} {r} {b}",
    ". {a} {v} {r} {b}",
    ". {a} {v} {p} {r} {b}",
    ". {r} {b} {v} {new_a}",
    "; {a} {v} {r} {b}",
)
_LOOSE_ADDITIONS = (", with {new_a} nearby", ", and there {v} also {new_a}", ". there {v} also {new_a}")

_CORNERS = ("in the {} corner", "in the {} corner", "at the {}", "in the {} corner of the picture")
_EDGES = {
    "left": ("on the left", "on the left side", "at the left edge", "on the left of the picture"),
    "right": ("on the right", "on the right side", "at the right edge", "on the right of the picture"),
    "top": ("at the top", "in the upper part", "at the top of the picture", "near the top"),
    "bottom": ("at the bottom", "in the lower part", "at the bottom of the picture", "near the bottom"),
    "": ("in the middle", "in the centre", "in the center", "in the middle of the picture"),
}


@dataclass(frozen=True)
class Caption:
    """
    A description and what it claims.

    Args:
        text (`str`): English.
        relations: `(subject, relation, landmark)`, objects by their place in the scene, for every relation between two
            objects that the text states.
        exact (`bool`): Whether the objects' phrases and these relations are all that the text says: nothing of sizes,
            numbers, nearness, backgrounds or places in the picture.
    """

    text: str
    relations: tuple[tuple[int, str, int], ...]
    exact: bool


def caption(scene: Scene, rng: random.Random) -> Caption:
    """
    Describes a scene. All objects are named, equal ones together ("two red apples"). Of the captions of several
    objects, about half only list them, one in ten says where in the picture they are, and the others state relations:
    for all objects or for some.

    The same scene and the same state of the generator give the same caption.
    """
    groups = _groups(scene)
    rng.shuffle(groups)
    writer = _Writer(scene, rng, sentence=rng.random() < (0.65 if len(groups) > 1 else 0.3))
    style = rng.random()
    if style < 0.1:
        text = writer.place(groups)
    elif style < 0.6 or len(groups) == 1:
        text = writer.list_all(groups)
    else:
        text = writer.relate(groups)
    return Caption(writer.finish(text), tuple(writer.relations), writer.exact)


def exact_caption(scene: Scene, rng: random.Random) -> Caption:
    """A caption whose `exact` is true; there has to be no repeated object."""
    description = caption(scene, rng)
    while not description.exact:
        description = caption(scene, rng)
    return description


def vocabulary() -> set[str]:
    """Every word that a caption can contain."""
    texts = [*_ARTICLES, *_NUMBERS.values(), *_VERBS, *_SMALL, *_LARGE, *_BESIDE, *COLOURS, *CATEGORIES]
    texts += [category.plural or f"{name}s" for name, category in CATEGORIES.items()]
    texts += [*_INTRODUCTIONS, *_OPENINGS, *_PAIRS, *_ADDITIONS, *_LOOSE_ADDITIONS, *_CORNERS]
    for table in (_PREPOSITIONS, _OF_IT, _POSES, _BACKGROUNDS, _EDGES):
        texts += [text for row in table.values() for text in row]
    texts += ["its their it them"]
    return {word for text in texts for word in re.findall(r"[a-z]+", re.sub(r"{\w+}", "", text))}


@dataclass(frozen=True)
class _Group:
    """Equal objects and their places in the scene."""

    objects: tuple[IconObject, ...]
    places: tuple[int, ...]

    @property
    def plural(self) -> bool:
        return len(self.objects) > 1

    @property
    def name(self) -> str:
        category = self.objects[0].category
        return (CATEGORIES[category].plural or f"{category}s") if self.plural else category

    @property
    def poses(self) -> Sequence[str]:
        return _POSES[CATEGORIES[self.objects[0].category].kind]


class _Writer:
    """Writes one caption and keeps account of what it claims."""

    def __init__(self, scene: Scene, rng: random.Random, sentence: bool):
        self.relations: list[tuple[int, str, int]] = []
        self.exact = True
        self._scene = scene
        self._rng = rng
        self._sentence = sentence  # or a phrase, without capitals and full stop
        self._definite = rng.random() < 0.4  # "the silver bus", or "a silver bus"
        self._past = rng.random() < 0.3
        self._nouns: dict[_Group, str] = {}

    def list_all(self, groups: Sequence[_Group]) -> str:
        """A cat, a red bus and a clock. Phrases that are no sentence may go without articles."""
        bare = not self._sentence and self._rng.random() < 0.15
        name = self._noun if bare else self._new if self._sentence else self._named
        *names, last = [name(group) for group in groups]
        text = last
        if names:
            joint = self._rng.choice((" and ", " and ", " with " if len(names) == 1 else ", and "))
            text = ", ".join(names) + joint + last
        if self._rng.random() < 0.06:
            self.exact = False
            text += self._rng.choice(_BACKGROUNDS[self._scene.plain])
        return self._opening(groups[0]) + text

    def place(self, groups: Sequence[_Group]) -> str:
        """A cat at the top and a red bus in the bottom left corner."""
        self.exact = False
        names = [self._new(group) + self._position(group) for group in groups]
        joint = self._rng.choice((" and ", ", and ", ", ", "; "))
        return self._opening(groups[0]) + ", ".join(names[:-1]) + (joint if names[:-1] else "") + names[-1]

    def relate(self, groups: Sequence[_Group]) -> str:
        """The silver bus was parked below the green umbrella, with a cat sitting to its left."""
        pairs = [(a, relation, b) for a, b in product(groups, groups) if a is not b for relation in _relations(a, b)]
        if not pairs:
            return self.list_all(groups)
        first, relation, second = self._rng.choice(pairs)
        text = self._say(self._rng.choice(_PAIRS), first, relation, second, self._named(second))
        named = [first, second]
        share = self._rng.choice((0.4, 1, 1))  # of the other objects that are related to something
        for group in [group for group in groups if group not in named]:
            links = [(relation, other) for other in named for relation in _relations(group, other)]
            if links and self._rng.random() < share:
                relation, other = self._rng.choice(links)
                text += self._say(self._rng.choice(_ADDITIONS), group, relation, other, self._again(other))
            else:
                template = self._rng.choice(_LOOSE_ADDITIONS)
                text += template.format(new_a=self._new(group), v=self._verb(group))
            named.append(group)
        return text

    def finish(self, text: str) -> str:
        """The text, with capitals and a full stop where it is a sentence."""
        if not self._sentence:
            return text
        return re.sub(r"(?:^|\. )[a-z]", lambda start: start[0].upper(), text) + "."

    def _say(self, template: str, a: _Group, relation: str, b: _Group, landmark: str) -> str:
        """Fills in a template about a, seen from b."""
        near = "{r}" in template and relation in RELATIONS[:2] and _near(a, b) and self._rng.random() < 0.15
        if near:
            self.exact = False
        else:
            self.relations += [(i, relation, j) for i, j in product(a.places, b.places)]
        its, it = ("their", "them") if b.plural else ("its", "it")
        return template.format(
            opening=self._opening(a),
            a=self._named(a),
            new_a=self._new(a),
            b=landmark,
            r=self._rng.choice(_BESIDE if near else _PREPOSITIONS[relation]),
            of_it=self._rng.choice(_OF_IT[relation]).format(i=its, m=it),
            v=self._verb(a),
            w=self._verb(b),
            p=self._rng.choice(a.poses),
            q=self._rng.choice(b.poses),
        )

    def _opening(self, group: _Group) -> str:
        choices = _OPENINGS if self._sentence else _INTRODUCTIONS
        return self._rng.choice(choices).format(v=self._verb(group))

    def _verb(self, group: _Group) -> str:
        return _VERBS[2 * self._past + group.plural]

    def _named(self, group: _Group) -> str:
        """A noun phrase in the style of this caption, definite or not."""
        return f"the {self._noun(group)}" if self._definite else self._new(group)

    def _again(self, group: _Group) -> str:
        """What has been named before: with its colour or, if there is no other of its kind, perhaps without."""
        alone = sum(thing.category == group.objects[0].category for thing in self._scene.objects) == len(group.places)
        return f"the {group.name}" if alone and self._rng.random() < 0.3 else f"the {_phrase(group)}"

    def _new(self, group: _Group) -> str:
        noun = self._noun(group)
        if group.plural:
            return f"{_NUMBERS[len(group.places)]} {noun}"
        return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

    def _noun(self, group: _Group) -> str:
        """Size (seldom, and only if it is remarkable), colour and name."""
        if group not in self._nouns:
            sides = [thing.long_side for thing in group.objects]
            sizes = _LARGE if min(sides) > 0.45 else _SMALL if max(sides) < 0.27 else ()
            sized = bool(sizes) and self._rng.random() < 0.12
            self.exact = self.exact and not (sized or group.plural)
            self._nouns[group] = f"{self._rng.choice(sizes)} {_phrase(group)}" if sized else _phrase(group)
        return self._nouns[group]

    def _position(self, group: _Group) -> str:
        """Where in the picture the objects are, if they are all in the same part of it."""
        parts = {_part(thing) for thing in group.objects}
        if len(parts) > 1:
            return ""
        row, column = parts.pop()
        if row and column:
            return " " + self._rng.choice(_CORNERS).format(f"{row} {column}")
        return " " + self._rng.choice(_EDGES[row or column])


def _groups(scene: Scene) -> list[_Group]:
    places: dict[tuple[str, str | None], list[int]] = {}
    for place, thing in enumerate(scene.objects):
        places.setdefault((thing.category, thing.colour), []).append(place)
    return [_Group(tuple(scene.objects[i] for i in group), tuple(group)) for group in places.values()]


def _phrase(group: _Group) -> str:
    colour = group.objects[0].colour
    return f"{colour} {group.name}" if colour else group.name


def _relations(a: _Group, b: _Group) -> list[str]:
    """The relations in which each object of a stands to each of b."""
    return [name for name in RELATIONS if all(holds(name, i, j) for i, j in product(a.objects, b.objects))]


def _near(a: _Group, b: _Group) -> bool:
    """Whether two objects are side by side, with a gap of less than a fifth of the picture."""
    if a.plural or b.plural:
        return False
    one, other = a.objects[0], b.objects[0]
    return max(one.box[0], other.box[0]) - min(one.box[2], other.box[2]) < 0.2


def _part(thing: IconObject) -> tuple[str, str]:
    """("top", "left"), ("", "right"), ("", "") in the middle, and so on."""
    x, y = thing.centre
    column = "left" if x < 0.36 else "right" if x > 0.64 else ""
    row = "top" if y < 0.36 else "bottom" if y > 0.64 else ""
    return row, column
