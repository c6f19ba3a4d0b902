"""Tells prompts that are not English, which English rules would misread, by their function words."""

import re
import unicodedata


_ENGLISH_WORDS = frozenset(
    "a an the this that these those and or of on in at to by with from for is are was were be it its above below"
    " under over beside behind near left right next front top bottom between inside two three four while there".split()
)
_FOREIGN_WORDS = {
    "Dutch": "de het een en met op onder naast van links rechts achter voor tussen boven",
    "French": "un une le la les des du de et avec sur dans à au aux sous devant derrière entre gauche droite",
    "German": "der die das ein eine einen einem einer und mit auf unter neben dem den im ist zwischen links rechts",
    "Indonesian": "sebuah seekor dan di dengan yang kiri kanan atas bawah",
    "Italian": "il lo la gli le un una uno e con su sopra di del della nel alla al sotto accanto vicino",
    "Polish": "i z na pod obok w nad po lewej prawej jest oraz",
    "Portuguese": "o os um uma e com sobre de do da na em ao à ao lado esquerda direita",
    "Scandinavian": "en et ett och og med på av den det bredvid til høyre vänster höger",
    "Spanish": "el la los las un una unos y con sobre de del en al es junto entre debajo izquierda derecha",
    "Turkish": "bir ve ile bu için sağında solunda üstünde altında",
}
_FOREIGN_WORD_SETS = [frozenset(words.split()) - _ENGLISH_WORDS for words in _FOREIGN_WORDS.values()]


def is_foreign(text: str) -> bool:
    """
    Whether a text is certainly not English: most of its letters are not Latin, or it has more function words of
    another language than of English. A few bare nouns of another language cannot be told.
    """
    letters = [character for character in text if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    if latin < len(letters) / 2:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in _ENGLISH_WORDS for word in words)
    return any(sum(word in foreign for word in words) > english for foreign in _FOREIGN_WORD_SETS)
