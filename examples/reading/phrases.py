"""The words for relations and places that the grammar says."""

import nouns


def _forms(text: str) -> list[str]:
    return [" ".join(form.split()) for form in text.split(",") if form.strip()]


PREPOSITIONS = {
    "left of": _forms("""
        to the left of, to the left of, to the left of, left of, left of, on the left of, on the left side of, to
        the left-hand side of, at the left of, immediately left of, just left of, further left than, off to the left
        of, directly to the left of, on the left-hand side of, slightly to the left of, a bit left of
    """),
    "right of": _forms("""
        to the right of, to the right of, to the right of, right of, right of, on the right of, on the right side
        of, to the right-hand side of, at the right of, immediately right of, just right of, further right than, off
        to the right of, directly to the right of, on the right-hand side of, slightly to the right of, a bit right
        of
    """),
    "above": _forms("""
        above, above, above, above, over, over, directly above, high above, just above, up above, higher than,
        higher up than, right above, far above, straight over
    """),
    "below": _forms("""
        below, below, below, under, under, under, beneath, beneath, underneath, directly below, just below, right
        under, lower than, down below, directly beneath, in the shade of, on the bottom of
    """),
    "on": _forms("""
        on, on, on, on, on top of, on top of, on the top of, atop, atop, upon, right on, directly on, on the edge
        of, aboard
    """),
    "inside": _forms("""
        in, in, in, inside, inside, inside of, within, right inside, deep inside, enclosed by, enclosed in
    """),
    "next to": _forms("""
        next to, next to, beside, beside, near, near, by, alongside, close to, by the side of, right next to, right
        beside, at the side of, at the foot of, adjacent to, not far from, in the vicinity of, around, close by
    """),
    "touching": _forms("""
        touching, in contact with, pressed against, pressed up against, touching the edge of
    """),
    "far from": _forms("far from, far away from, a long way from, at a distance from, well away from, nowhere near"),
    "in front of": _forms("""
        in front of, in front of, in front of, directly in front of, right in front of, before, just in front of,
        closer to the viewer than, at the front of
    """),
    "behind": _forms("""
        behind, behind, behind, directly behind, just behind, right behind, in back of, at the back of, hidden
        behind, partly hidden behind, further back than, half concealed by, hidden by, partly hidden by, peeking out
        from behind
    """),
}  # fmt: skip
WITH_PRONOUN = {relation: forms[:8] for relation, forms in PREPOSITIONS.items()}
# "To its left": what stands before and after the possessive.
INVERTED_PRONOUNS = {
    "left of": ["to", "to", "on", "at", "off to"],
    "right of": ["to", "to", "on", "at", "off to"],
    "next to": ["by", "at"],
}  # fmt: skip
AFTER = {
    "left of": ["left", "left", "left side", "left-hand side"],
    "right of": ["right", "right", "right side", "right-hand side"],
    "next to": ["side"],
}
VERBS = {
    "above": ["hangs over", "hovers over", "towers over", "looms over", "floats above", "soars over", "overlooks",
              "arches over", "looks down on", "swings above"],
    "below": ["hides under", "shelters under", "crouches beneath", "lies under", "dangles from", "hangs from"],
    "on": ["stands on", "sits on", "tops", "rests on", "balances on", "lies on", "perches on", "rides", "crowns",
           "climbs onto", "has landed on", "lounges on"],
    "inside": ["sits in", "swims in", "sleeps inside", "is kept in", "floats in", "hides in", "is trapped in"],
    "next to": ["leans against", "stands beside", "flanks", "borders", "waits by", "adjoins", "surrounds", "circles"],
    "touching": ["touches", "is touching", "brushes against", "bumps into", "rubs against"],
    "behind": ["hides behind", "peeks out from behind", "trails behind", "lurks behind", "rises behind", "follows"],
    "in front of": ["blocks the view of", "hides", "covers up", "partly obscures", "precedes"],
    "far from": ["keeps its distance from", "stands far from", "stays away from"],
}  # fmt: skip
PLACES_SAID = {
    "left": _forms("""
        on the left, at the left, on the left side, on the far left, at the left edge of the picture, in the left
        half, on the left side of the image, to the left, on left, on the left-hand side
    """),
    "right": _forms("""
        on the right, at the right, on the right side, on the far right, at the right edge of the picture, in the
        right half, on the right side of the image, to the right, on right, on the right-hand side
    """),
    "top": _forms("""
        at the top, at the top of the picture, in the upper part, in the upper half, along the top edge, at the top
        of the image, near the top, on top of the picture, overhead, up top
    """),
    "bottom": _forms("""
        at the bottom, at the bottom of the picture, in the lower part, in the lower half, along the bottom edge, at
        the bottom of the image, near the bottom, at the very bottom
    """),
    "centre": _forms("""
        in the centre, in the center, in the middle, at the centre of the picture, in the middle of the image, at
        the center of the scene, centred, in center, in the middle of the scene, in the very centre
    """),
    "top left": _forms("""
        in the top left corner, at the top left, in the upper left, in the upper left corner, top left, in the
        top-left, in the top left-hand corner of the picture
    """),
    "top right": _forms("""
        in the top right corner, at the top right, in the upper right, in the upper right corner, top right, in the
        top-right, in the top right-hand corner of the picture
    """),
    "bottom left": _forms("""
        in the bottom left corner, at the bottom left, in the lower left, in the lower left corner, bottom left, in
        the bottom-left, in the lower left-hand corner of the picture
    """),
    "bottom right": _forms("""
        in the bottom right corner, at the bottom right, in the lower right, in the lower right corner, bottom
        right, in the bottom-right, in the lower right-hand corner of the picture
    """),
    "foreground": _forms("""
        in the foreground, in the foreground, in the front, close to the viewer, in the immediate foreground, up
        front, in the near foreground
    """),
    "background": _forms("""
        in the background, in the background, in the distance, far in the distance, at the back, in the far
        background, further back, behind, on the horizon
    """),
}  # fmt: skip
BE = [("is", "are")] * 4 + [("was", "were")] * 2 + [("is", "are")]
HAVE = [("has", "have"), ("has", "have"), ("had", "had")]
STANDING = [
    (forms[1], forms[0]) if past else (forms[2], forms[2])
    for line in """
stand stands stood, sit sits sat, lie lies lay, rest rests rested, hang hangs hung, lean leans leaned, wait
waits waited, float floats floated, sleep sleeps slept, perch perches perched, appear appears appeared, glow
glows glowed, lurk lurks lurked, loom looms loomed, stretch stretches stretched, remain remains remained,
tower towers towered, grow grows grew, crouch crouches crouched, drift drifts drifted, gleam gleams gleamed,
kneel kneels knelt, squat squats squatted, dangle dangles dangled, hover hovers hovered, rise rises rose""".split(",")
    for forms in [line.split()]
    for past in (True, True, False)
]
_PUT = """placed positioned situated located parked mounted propped hung set arranged laid seated found seen left kept
installed stationed tucked nestled displayed stood""".split()
_STANDING = """standing sitting lying resting hanging leaning waiting floating sleeping hovering perched perching
kneeling crouching squatting dangling dozing looming crouched""".split()
SAYINGS = {
    ",": ["", ","],
    "and": ["and", "and", "while", "but"],
    "put": [f"{adverb}{word}" for word in _PUT for adverb in ("", "", "", "carefully ", "neatly ")],
    "standing": _STANDING,
    "there": ["there", "there"],
    "we see": ["we see", "you can see", "one sees", "there is", "there stands", "I want", "is", "stands"],
    "draw": ["draw", "please draw", "paint", "generate", "make a picture of", "show me", "can you draw", "create"],
    "adj": [*nouns.COLOURS, "asleep", "broken", "empty", "lit", "taller", "smaller", "open", "smiling", "wet"],
}
