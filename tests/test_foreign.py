"""Prompts in other languages are told from English ones by their function words."""

import pytest

from spacetime_attn.layout.foreign import is_foreign


@pytest.mark.parametrize(
    "prompt",
    [
        "un chat rouge à gauche d'un autobus vert",
        "Ein roter Apfel links von einem blauen Auto",
        "el gato negro junto a la mesa",
        "um cachorro ao lado de uma bicicleta",
        "il cane sopra il divano",
        "een hond naast de fiets",
        "en röd katt på en grön buss",
        "czerwony kot obok psa",
        "Hund neben Katze",
        "gato debajo mesa",
        "kırmızı bir elma ve bir araba",
        "赤い車の左に猫",
        "красная машина слева от кошки",
        "قطة حمراء فوق الطاولة",
    ],
)
def test_other_languages_are_foreign(prompt):
    assert is_foreign(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "123 !?",
        "red apple",
        "cat, dog, horse",
        "a crème brûlée next to a café au lait",
        "a red apple to the left of a blue car",
        "The Tour de France poster hangs above the bed",
        "two dogs and a piñata",
        "a die on the table",
        "I love horses",
        "i need green pear, yellow taxi",
        "do not paint birds, brown horse",
        "whale pod, rowing boat",
        "lion den, moonlight",
        "boy met girl, blue coat",
        "studio portrait, Ana da Silva, pearl earring",
        "San Marino del Monte, bell tower",
        "Los Alamos desert, lone cactus",
        "e-reader, mug",
        "swan en route, rowing boat",
        "van, bus, tram",
        "the Eiffel tower 🗼🗼🗼🗼",
    ],
)
def test_english_and_mere_nouns_are_not(prompt):
    assert not is_foreign(prompt)
