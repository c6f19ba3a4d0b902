"""Who holds what: `held_in`."""

from itertools import pairwise, product

from .reading import Reading
from .regions import grouped
from .things import ANIMALS, PEOPLE
from .words import collect_words


_HELD = collect_words("held carried hugged embraced cradled gripped grasped clutched wielded brandished")
_HOLDS = _HELD | collect_words(
    "hold holds holding carry carries carrying hug hugs hugging embrace embraces embracing cradle cradles cradling"
    " grip grips gripping grasp grasps grasping clutch clutches clutching wield wields wielding brandish brandishing"
)
_JOINTS = (",", "and", "while")


def held_in(reading: Reading) -> list[tuple[int, int]]:
    """
    Indices of entities, of what is held and of what holds it. The words between two neighbours in the text tell:
    "holding", "held by", "in" a part ("his hand"), and "and" between several that are held. A part or a garment may
    stand for its owner ("a man in a red coat holding a cup").
    """
    entities = reading.entities
    animacy = [(entity.head in PEOPLE, entity.head in ANIMALS) for entity in entities]
    placed = {relation.subject for relation in reading.relations}
    beside = grouped((r.object, r.subject) for r in reading.relations if len(r.ends) > 1 and r.subject < r.object)
    liveliest = [max([n, *beside.get(n, ())], key=animacy.__getitem__) for n in range(len(entities))]
    named = grouped((place, index) for index, entity in enumerate(entities) for place in entity.mentions)
    pairs, listed = [], set()
    able, holders = [], []  # the last that may hold something, and what holds the last one
    for ((_, end), before), ((start, _), indices) in pairwise([((0, 0), []), *sorted(named.items())]):
        gap = reading.prompt[end:start].lower()
        words = [word for word in gap.split() if word != "up"]  # "holding up a sign"
        if {entities[index].kind for index in before} <= {"object", "part", "worn"}:
            able = before
        if not {*".;!?\n"}.isdisjoint(gap):
            able = []
        if words and words[-1] in _HOLDS:
            goes_on = words[0] in _JOINTS
            is_loose = goes_on or len(words) == 1 and words[0].endswith("ing")  # "a woman on a bench holding a cup"
            if not (goes_on and holders):  # "wielding a sword and holding a shield"
                holders = [liveliest[index] if is_loose else index for index in able]
        elif words == ["and"] and not any(index in placed or any(animacy[index]) for index in indices):
            listed.update(product(indices, holders))
        else:
            holders = []
        pairs += product(indices, holders)
        is_in_part = words == ["in"] and all(entities[index].kind == "part" for index in indices)
        if is_in_part or words[-1:] == ["by"] and not _HELD.isdisjoint(words):
            pairs += product(before, indices)
    busy = {holder for _, holder in pairs}  # "a robot holding a cup and an alien holding a plate"
    return [pair for pair in pairs if pair not in listed or pair[0] not in busy]
