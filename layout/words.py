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
SINGULAR_DETERMINERS = collect_words("a an another each every one this that")
PLURAL_DETERMINERS = collect_words("several many few these those both")
PREDETERMINERS = collect_words("both all either neither such half")
DEFINITES = collect_words("the this that these those both") | POSSESSIVES
NEGATIONS = collect_words("no without not neither nor never lacks lacking excluding minus zero")

# --- Words that both the phrases and the chunker that needs no model stop at --------------------------------------
PREPOSITIONS = collect_words(
    "of in on at to from with without by for near beside besides beneath underneath under below above over atop behind"
    " between among around across along against through into onto inside outside within off toward towards past upon"
    " next beyond amid amidst alongside opposite up down like as during after before until via per close far away"
)
STOP_WORDS = collect_words(
    "is are was were be being been am 's has have had do does did can could will would shall should may might must"
    " and or but nor yet while whilst when where than then if because so though although whereas either neither not"
    " n't & ' it they them theirs he him she hers i me we us you itself themselves himself herself which who whom"
    " whose what everything something nothing there here nearby together alone also just still only very too again"
    " now however meanwhile overhead upright diagonally directly immediately slightly"
)
COLOURS = collect_words(
    "red orange yellow green blue purple pink brown black white gray grey silver golden gold beige tan"
)
PLAIN_MODIFIERS = COLOURS | collect_words(
    "big small large tiny huge old new shiny wooden metallic fluffy round square tall short long soft bright dark"
    " colorful little young beautiful striped empty open fresh ripe hot cold wet dry dirty clean heavy light pale deep"
    " very ready"
)
NOUN_ADJECTIVES = collect_words("orange square round oval light plain adult male female")  # may be things as well

NUMERALS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "couple": 2, "pair": 2, "trio": 3, "quartet": 4, "dozen": 12,
}  # fmt: skip
LARGE_NUMERALS = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1_000_000}  # "two dozen", "six hundred"
# Of several things: "two of the cups", "all of them", "the leftmost one" (with its index; the middle has none).
QUANTIFIERS = collect_words("all both some many most several few")
PLACES_IN_ROW = {
    "first": 0, "left": 0, "leftmost": 0, "top": 0, "topmost": 0, "upper": 0, "uppermost": 0, "second": 1, "third": 2,
    "fourth": 3, "fifth": 4, "sixth": 5, "middle": None, "central": None, "last": -1, "right": -1, "rightmost": -1,
    "bottom": -1, "lower": -1, "lowest": -1,
}  # fmt: skip
ORDINALS = collect_words("first second third fourth fifth sixth last")
SUPERLATIVE_PLACES = collect_words("leftmost rightmost topmost uppermost lowest")
SUPERLATIVES = collect_words(
    "largest biggest smallest tiniest tallest shortest longest highest widest thickest thinnest oldest youngest"
    " brightest darkest nearest closest farthest furthest"
)
PLACES_IN_COLUMN = collect_words("top topmost upper uppermost bottom lower lowest")
DISTRIBUTIVES = collect_words("each every per either")
ANYBODY_VERBS = collect_words("sees finds can could may might notices spots observes")  # of nobody counted: "one sees"
MOST_INSTANCES = 12  # larger counts stay one region


def number_of(word: str) -> int:
    """The number that a word or some digits name, 1 for none."""
    return int(word) if word.isdecimal() and len(word) < 4 else NUMERALS.get(word, 1)


# Subordinate comments (", creating a cosy atmosphere") and purposes ("ready for a swim") name nothing in the picture;
# what something is ready to do ("ready to throw a frisbee") does.
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
    " chase follow peek peer poke pose look stare gaze gallop trot leap climb crawl creep dive fall flutter grow hop"
    " howl kiss lick loom march meow move nap nibble paddle pedal perform play pull push reach read rise roam scurry"
    " sail skip smile snooze sniff snuggle speed stroll strut surf sway talk touch travel trail tumble wander wave"
    " weave whisper wrestle yawn zoom block cross enjoy face drive bark bask bounce chew cling cover crowd cuddle"
    " dance doze drag embrace fill overlook surround tilt tow balance arrange place position park mount situate"
    " locate suspend prop tuck scatter drape wrap attach seat stack lay keep put stand contain support pass shine"
    " glow twinkle sparkle shimmer quack giggle honk sip juggle spin prepare throw bring bite gnaw munch nudge glance"
    " gather shake scratch roar scream shout sing sneak snore squat twirl wade wag wink spray gleam laugh frown grin"
    " purr growl hiss bleat chirp cluck grunt snort neigh prowl pounce trudge chuckle feed kick catch wash examine"
    " inspect explore approach greet pour stir hunt fetch pluck dig fix polish toss pray meditate knit sew splash rub"
    " tickle admire"
)
# Irregular pasts that are nothing else ...
PRETERITES = collect_words(
    "is are was were am have has had ate began bit blew broke came chose crept dove drank drew drove fell fled flew"
    " froze gave grew hid knew knelt leant leapt lay ran rode rose sang sank sat shook slept sped sprang stood stole"
    " strode swam swore threw took tore went wept woke wore wove wrote"
)
# ... and those that may stand before a noun as well ("a wind swept tree"), as participles do.
VERB_PASTS = PRETERITES | collect_words(
    "flying be been being laid lain hung flown ridden held worn eaten hidden kept put set seen shown taken risen"
    " driven made built flanked sandwiched accompanied caught bent brought lit met stuck sent clung dug fed flung"
    " fought slid slung spat spun struck strung swept swung"
)


def _verb_forms(verb: str) -> set[str]:
    stem = verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb
    doubled = verb + verb[-1] if verb in _DOUBLING_VERBS else stem
    third = verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z")) else "s")
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return {verb[:-1] + "ies", verb + "ing", verb[:-1] + "ied"}
    return {third, ("ly" if verb == "lie" else doubled) + "ing", doubled + "ed"}


_DOUBLING_VERBS = collect_words(
    "sit run hop nap trot swim strut skip snip wrap prop hug jog put set sip spin squat wag"
)
# Plurals that modify nouns: "two sports cars".
PLURAL_MODIFIERS = collect_words(
    "sports games clothes glasses goods arms customs sales savings ladies kids arts crafts electronics antiques drinks"
    " jeans goggles sunglasses headphones"
)
BEING_SINGULAR, BEING_PLURAL = collect_words("is was"), collect_words("are were")  # of one thing, of several
ACTION_VERB_FORMS = VERB_PASTS | frozenset(form for verb in ACTION_VERBS for form in _verb_forms(verb))
PLACING_PARTICIPLES = collect_words(
    "parked placed positioned situated located seated perched set kept put left mounted installed stacked lined"
)
PAINTING_PARTICIPLES = collect_words("painted dyed colored coloured lacquered glazed stained tinted")
MAKING_PARTICIPLES = collect_words("made built carved constructed crafted formed woven")
DIVIDING_PARTICIPLES = collect_words("cut sliced divided split broken chopped torn separated carved folded shaped")
ADVERBS = collect_words(
    "again ahead alike alone along also always apart around aside away back below beneath beside besides beyond close"
    " down else even ever far here high inside just low more much nearby never next not now off often on once only out"
    " outside over overhead so somewhere still then there today together too twice under underneath up very well yet"
)
HANDLING_PARTICIPLES = collect_words(
    "holding carrying playing reading eating drinking using cradling wielding knitting pushing"
    " pulling planting swinging juggling throwing kicking waving catching hitting sweeping drawing painting washing"
    " mending fixing repairing polishing pouring leading making building"
)
STANDING_PARTICIPLES = collect_words("standing sitting lying kneeling resting leaning hanging floating walking")
OWNER_ENDINGS = ("'s", "’s", "'", "’")
ING_NOUNS = collect_words(  # that no verb has, or hardly ever
    "building ring king string wing swing ceiling railing clothing thing earring wedding evening morning spring sling"
    " pudding dumpling duckling sibling lightning herring bedding icing stocking viking awning"
)
LIKENESS_WORDS = collect_words("shaped look looks looked looking")
COMPOUND_PARTICIPLES = collect_words(
    "covered shaped sized colored coloured patterned flavored flavoured themed topped filled styled standing"
    " haired eyed framed handled mounted powered driven"
)
