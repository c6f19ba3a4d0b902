"""What icon world is made of: categories, colours and backgrounds, as plain tables."""

from dataclasses import dataclass


SIZE = 64  # pixels; pictures are square


@dataclass(frozen=True)
class Category:
    """
    A kind of thing.

    Args:
        emoji (`str`): The character whose picture in Noto Color Emoji is the icon.
        aspect (`float`): Width over height of that icon.
        kind (`str`): `"animal"`, `"vehicle"` or `"thing"`: what captions let it do.
        coloured (`bool`): Whether it comes in colours. Others keep the icon's own.
        plural (`str`, *optional*): Where it is not the name and an s.
    """

    emoji: str
    aspect: float
    kind: str = "thing"
    coloured: bool = True
    plural: str | None = None


CATEGORIES = {
    "apple": Category("🍎", 0.93),
    "banana": Category("🍌", 0.88),
    "cake": Category("🎂", 0.80),
    "pizza": Category("🍕", 0.79, coloured=False),
    "donut": Category("🍩", 1.24),
    "cup": Category("☕", 1.26),
    "vase": Category("🏺", 0.62),
    "chair": Category("🪑", 0.62),
    "clock": Category("⏰", 0.85),
    "umbrella": Category("☂", 1.02),
    "cat": Category("🐱", 1.12, "animal"),
    "dog": Category("🐶", 1.29, "animal"),
    "bird": Category("🐦", 1.18, "animal"),
    "horse": Category("🐎", 1.12, "animal"),
    "sheep": Category("🐑", 1.00, "animal", plural="sheep"),
    "elephant": Category("🐘", 1.08, "animal"),
    "car": Category("🚗", 1.58, "vehicle"),
    "bus": Category("🚌", 1.49, "vehicle", plural="buses"),
    "boat": Category("⛵", 0.90, "vehicle"),
    "airplane": Category("✈", 1.02, "vehicle"),
}

# sRGB, 0..255
COLOURS = {
    "red": (226, 35, 35),
    "yellow": (250, 222, 30),
    "green": (40, 165, 60),
    "blue": (40, 95, 230),
    "pink": (255, 125, 190),
    "black": (52, 52, 58),
}

# Pale and dull, so that no object is lost in front of them or takes its colour from them.
BACKGROUNDS = (
    (250, 250, 250),
    (226, 228, 232),
    (212, 215, 220),
    (216, 226, 238),
    (236, 228, 210),
    (210, 224, 212),
    (222, 214, 230),
)
