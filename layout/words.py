"""Word lists: the closed classes of English, plurals and verbs."""


def collect_words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


ARTICLES = collect_words("a an the")
POSSESSIVES = collect_words("its their his her my your our")
DETERMINERS = collect_words(
    "a an the its their his her my your our some any this that these those another other each every both all no"
    " several many few more most such neither either enough what which"
)
PREDETERMINERS = collect_words("both all either neither such half")
DEFINITES = collect_words("the this that these those both") | POSSESSIVES
NEGATIONS = collect_words("no without not neither nor never lacks lacking excluding minus")

NUMERALS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "couple": 2, "pair": 2, "trio": 3, "quartet": 4, "dozen": 12,
}  # fmt: skip
MOST_INSTANCES = 12  # larger counts stay one region

# Subordinate comments (", creating a cosy atmosphere") and purposes ("ready for a swim") name nothing in the picture.
COMMENT_VERBS = collect_words(
    "creating adding providing making giving bringing lending offering forming evoking completing contrasting"
    " complementing enhancing showcasing emphasizing highlighting accentuating suggesting symbolizing representing"
    " conveying causing allowing enabling ensuring resembling waiting imparting infusing producing casting"
)
PURPOSE_WORDS = collect_words("ready prepared eager poised meant designed intended perfect ideal")

# --- Verbs: a tagger may take them for the last part of a compound ("the donut sits") ------------------------------
# Only those whose -s form names no common thing ("watches", "flies" and "rolls" are left to the tagger).
ACTION_VERBS = collect_words(
    "sit lie rest hang hover float lean soar sleep perch stay wait appear remain seem graze run walk ride hold wear"
    " tower kneel crouch sprawl lounge dangle drift glide swim jump eat carry stretch recline occupy hide nestle"
    " chase follow peek peer poke pose look stare gaze gallop trot leap climb crawl creep dive fall flutter"
    " follow grow hop howl kiss lick loom march meow move nap nibble paddle pedal perform play pull push reach read"
    " rise roam scurry sail skip smile snooze sniff snuggle speed stroll strut surf sway talk touch"
    " travel trail tumble wander wave weave whisper wrestle yawn zoom block cross enjoy face drive bark bask bounce"
    " chew cling cover crowd cuddle dance doze drag embrace fill overlook surround tilt tow balance arrange place"
    " position park mount situate locate suspend prop tuck scatter drape wrap attach seat stack lay keep put stand"
    " contain support pass shine glow twinkle sparkle shimmer"
)
VERB_PASTS = collect_words(
    "flying is are was were be been being has have had am sat lay laid lain hung leant slept flew flown ran rode"
    " ridden held wore worn knelt swam ate eaten hid hidden stood kept put set seen shown took taken rose risen"
    " grew drove driven fell made built flanked sandwiched accompanied"
)


def _verb_forms(verb: str) -> set[str]:
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
    doubled = verb + verb[-1] if verb in _DOUBLING_VERBS else stem
    third = verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z")) else "s")
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return {verb[:-1] + "ies", verb + "ing", verb[:-1] + "ied"}
    return {third, ("ly" if verb == "lie" else doubled) + "ing", doubled + "ed"}


_DOUBLING_VERBS = collect_words("sit run hop nap trot swim strut skip snip wrap prop hug jog put set")
ACTION_VERB_FORMS = VERB_PASTS | frozenset(form for verb in ACTION_VERBS for form in _verb_forms(verb))
PLACING_PARTICIPLES = collect_words(
    "parked placed positioned situated located seated perched set kept put left mounted installed stacked lined"
)
COMPOUND_PARTICIPLES = collect_words(
    "covered shaped sized colored coloured patterned flavored flavoured themed topped filled style styled standing"
    " haired eyed framed handled mounted powered driven"
)
