"""Sides: the places of the picture, and which relations are opposite or lie at which side."""

# Sides and corners of the picture as (column, row); they hold without a landmark.
PICTURE_PLACES: dict[str, tuple[int, int]] = {
    "left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1), "centre": (0, 0),
    "top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1),
}  # fmt: skip
# The places of several corners at once (`CORNERS` in the lexicon), one for each thing.
PLACES_OF_CORNERS: dict[str, tuple[str, ...]] = {
    "each corner": ("top left", "top right", "bottom left", "bottom right"),
    "four corners": ("top left", "top right", "bottom left", "bottom right"),
    "opposite corners": ("top left", "bottom right"),
}
OPPOSITES: dict[str, str] = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
# What a place means where a landmark is understood: "a bus with a tree on the left".
LATERAL_SIDES: dict[str, str] = {"left": "left of", "right": "right of"}
SIDES_OF_PLACES: dict[str, str] = LATERAL_SIDES | {"top": "above", "bottom": "below"}
# A thing is on, or inside, one other only: "on the table and the chair" hardly ever means both.
SINGLE_SUPPORTS: tuple[str, ...] = ("on", "inside")
