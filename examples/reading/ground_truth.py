"""Marked prompts in the form that layouts are scored in: `ground_truth`."""

from markup import LATER, Marked, Mention

from spacetime_attn.layout.words import DETERMINERS, head_and_modifiers


_OWNED, _LOOSE = ("part", "worn"), ("place", "stuff", "part", "worn")
_WITHOUT_NAME = frozenset(
    "one ones first second third other others two three four rest last left right middle".split()
)


def ground_truth(marked: Marked, id: str) -> dict:
    """
    A prompt's objects, with what else may have a region, what must not, counts, and relations between objects.

    Things of one name are told apart by a word before them. What is said of a part is said of its owner. Members that
    are only "the left one" have their group's name, and take the group's place.
    """
    first = {m.things[0]: m for m in marked.mentions if m.label not in (LATER, "absent")}
    groups = {a: b for a, what, b, *_ in marked.statements if what == "member"}
    owners = {a: b for a, what, b, *_ in marked.statements if what == "of"}
    names: dict[str, str] = {}
    for thing, mention in first.items():
        if mention.label == "object":
            names[thing] = _unique(_name(marked, first, groups, thing), names)
    for group in set(groups.values()):
        if _amount(first, groups, group) <= 0 and group in names:
            del names[group]
    counts = {
        name: amount
        for thing, name in names.items()
        if (amount := _amount(first, groups, thing)) > 1 and thing not in groups
    }
    relations = []
    for subject, what, *others in marked.statements:
        subject, *others = (_holder(first, owners, thing) for thing in (subject, *others))
        if what in ("of", "member", "at", "as", "between") or not names.keys() >= {subject, *others}:
            continue
        if subject != others[0]:
            relations.append({"subject": names[subject], "relation": what, "object": names[others[0]]})
    return {
        "id": id,
        "prompt": marked.prompt,
        "objects": list(names.values()),
        "optional": [_text(marked, mention) for mention in first.values() if mention.label in _LOOSE],
        "excluded": [_text(marked, mention) for mention in marked.mentions if mention.label == "absent"],
        "relations": relations,
        "counts": counts,
    }


def _amount(first: dict[str, Mention], groups: dict[str, str], thing: str) -> int:
    """How many a thing is, less its members."""
    members = [first[member].count or 1 for member, group in groups.items() if group == thing]
    return (first[thing].count or (0 if members else 1)) - sum(members)


def _holder(first: dict[str, Mention], owners: dict[str, str], thing: str) -> str:
    for _ in owners:
        if thing in first and first[thing].label in _OWNED and thing in owners:
            thing = owners[thing]
    return thing


def _name(marked: Marked, first: dict[str, Mention], groups: dict[str, str], thing: str) -> str:
    head, _ = head_and_modifiers(_text(marked, first[thing]))
    if thing in groups and (head in _WITHOUT_NAME or first[thing].label != "object"):
        return head_and_modifiers(_text(marked, first[groups[thing]]))[0]
    return _text(marked, first[thing])


def _text(marked: Marked, mention: Mention) -> str:
    words = marked.prompt[mention.start : mention.end].split()
    while len(words) > 1 and words[0].lower() in DETERMINERS:
        words = words[1:]
    return " ".join(words)


def _unique(name: str, names: dict[str, str]) -> str:
    number, result = 2, name
    while result in names.values():
        result, number = f"n{number} {name}", number + 1
    return result
