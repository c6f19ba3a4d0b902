"""Tells prompts that are not English, which English rules would misread, by their function words."""

import re
import unicodedata

from spacy.lang.en.stop_words import STOP_WORDS

from .things import ANIMALS, CLOTHES, PEOPLE
from .words import DETERMINERS, NUMERALS, collect_words


_PLAIN_WORDS = collect_words(
    "want love like draw paint met pod den van art photo picture image near inside outside red orange yellow green"
    " blue purple pink brown black white gray grey silver golden gold beige tan big small large tiny huge old new"
    " shiny wooden round square tall short long bright dark little young beautiful"
)
_ENGLISH_WORDS = DETERMINERS | NUMERALS | STOP_WORDS | _PLAIN_WORDS | ANIMALS | CLOTHES | PEOPLE
# What English texts hold as well, in names, titles and borrowed words: one alone tells nothing.
_LOAN_WORDS = collect_words(
    "al alla au aux av bu com da dan de del dem der des det di die das e el em en es et gauche het il ile im junto la"
    " las le les links lo los med na nel o og op os po rechts sous sur um un una uno ve voor w y yang z à ao"
)
_FOREIGN_WORDS = {
    "Dutch": "de het een en op onder naast links rechts achter voor tussen boven",
    "French": "un une le la les des du de et avec sur dans à au aux sous devant derrière entre gauche droite",
    "German": "der die das ein eine einen einem einer und mit auf unter neben dem im ist zwischen links rechts",
    "Indonesian": "sebuah seekor dan di dengan yang kiri kanan atas bawah",
    "Italian": "il lo la gli le un una uno e con su sopra di del della nel alla al sotto accanto vicino",
    "Polish": "z na obok w nad po lewej prawej jest oraz",
    "Portuguese": "o os um uma e com sobre de da na em ao à lado esquerda direita",
    "Scandinavian": "en et ett och og med på av det bredvid til høyre vänster höger",
    "Spanish": "el la los las un una unos y con sobre de del en al es junto entre debajo izquierda derecha",
    "Turkish": "bir ve ile bu için sağında solunda üstünde altında",
}
_FOREIGN_WORD_SETS = [collect_words(words) for words in _FOREIGN_WORDS.values()]


def is_foreign(text: str) -> bool:
    """
    Whether a text is certainly not English: most of its letters are not Latin, or it has more function words of
    another language than words that are surely English. One function word suffices if English texts never hold it. A
    few bare nouns of another language cannot be told.
    """
    letters = [character for character in text if character.isalpha()]
    latin = sum("LATIN" in unicodedata.name(character, "") for character in letters)
    if latin < len(letters) / 2:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    english = sum(word in _ENGLISH_WORDS for word in words)
    return any(_is_written_in(words, foreign, english) for foreign in _FOREIGN_WORD_SETS)


def _is_written_in(words: list[str], foreign: frozenset[str], english: int) -> bool:
    """Whether words are of the language with these function words, although `english` of them are English."""
    found = [word for word in words if word in foreign]
    return len(found) > english and (len(set(found)) > 1 or not _LOAN_WORDS.issuperset(found))
