"""
The icons in all their colours, as one small file: made once from the font, read without it.

    python examples/icon_world/sprites.py

The font is Noto Color Emoji (Debian: fonts-noto-color-emoji).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from spacetime_attn.examples.icon_world.things import CATEGORIES, COLOURS


FONT = "NotoColorEmoji.ttf"  # Debian: fonts-noto-color-emoji; Pillow finds it by its name
FONT_SIZE = 109  # the only one that the font has
FAINT = 0.6  # alpha up to which a pixel of an icon is left out
SPRITE_SIZE = 64  # pixels
ATLAS = Path("runs/icon_world/atlas.npz")


@dataclass(frozen=True, eq=False)
class Atlas:
    """
    All sprites.

    Args:
        pixels (array of shape (categories, 1 + colours, size, size, 4), uint8): RGB premultiplied by alpha, and
            alpha, 0..255. The icon's visible part fills its square. The first colour is the icon's own; the others
            are those of `COLOURS`, in their order.
    """

    pixels: np.ndarray

    @property
    def flat(self) -> np.ndarray:
        """The sprites in one row, as `sprite_index` counts them: (sprites, size, size, 4)."""
        return self.pixels.reshape(-1, *self.pixels.shape[2:])

    def save(self, path: str | Path) -> None:
        """Writes a compressed .npz file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, pixels=self.pixels)

    @classmethod
    def load(cls, path: str | Path = ATLAS) -> "Atlas":
        """
        Reads what `save` wrote.

        Raises:
            FileNotFoundError: There is no such file; the message says how to make it.
            ValueError: The file is of another set of categories or colours.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(
                f"There is no sprite atlas at {path}. Make it with `python examples/icon_world/sprites.py`; that "
                "needs the font Noto Color Emoji (Debian: fonts-noto-color-emoji)."
            )
        with np.load(path) as file:
            pixels = file["pixels"]
        if pixels.shape[:2] != (len(CATEGORIES), 1 + len(COLOURS)):
            raise ValueError(
                f"The atlas {path} holds {pixels.shape[0]} categories in {pixels.shape[1]} colours, the world has "
                f"{len(CATEGORIES)} in {1 + len(COLOURS)}: make it again."
            )
        return cls(pixels)

    @classmethod
    def from_font(cls, font: str = FONT) -> "Atlas":
        """
        Draws the icons.

        Raises:
            OSError: The font is not installed.
        """
        face = ImageFont.truetype(font, size=FONT_SIZE)
        icons = [icon(category.emoji, face) for category in CATEGORIES.values()]
        return cls(np.stack([_all_colours(picture) for picture in icons]))


def sprite_index(category: str, colour: str | None) -> int:
    """The place of a sprite in `Atlas.flat`."""
    palette = [None, *COLOURS]
    return list(CATEGORIES).index(category) * len(palette) + palette.index(colour)


def icon(emoji: str, face: ImageFont.FreeTypeFont) -> np.ndarray:
    """An emoji without its glow and steam, cropped to what is left: (height, width, 4), RGB and alpha in 0..1."""
    canvas = Image.new("RGBA", (2 * FONT_SIZE, 2 * FONT_SIZE))
    ImageDraw.Draw(canvas).text((FONT_SIZE // 4, FONT_SIZE // 4), emoji, font=face, embedded_color=True)
    picture = np.asarray(canvas, dtype=np.float32) / 255
    picture = np.where(picture[..., 3:] > FAINT, picture, 0)
    rows, columns = (np.flatnonzero(picture[..., 3].any(axis=axis)) for axis in (1, 0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def tint(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """
    The picture in shades of one colour. Its brightness is spread so that a tone a little darker than the median
    becomes the colour itself; what is darker goes towards black, what is brighter towards white, and neither far.

    Args:
        picture (array of shape (height, width, 4)): RGB and alpha in 0..1.
        colour: sRGB, 0..255.
    """
    target = np.asarray(colour, dtype=np.float32) / 255
    brightness = picture[..., :3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    visible = brightness[picture[..., 3] > 0.5]
    low, middle, high = np.percentile(visible, [2, 35, 98])
    low, high = min(low, middle - 0.05), max(high, middle + 0.05)
    light = 0.45 * target.max()  # less for dark colours, which would turn grey
    shades = np.stack([0.38 * target, target, target + light * (1 - target)])
    rgb = [np.interp(brightness, [low, middle, high], shades[:, channel]) for channel in range(3)]
    return np.stack([*rgb, picture[..., 3]], axis=-1).astype(np.float32)


def _all_colours(picture: np.ndarray) -> np.ndarray:
    pictures = [picture, *(tint(picture, colour) for colour in COLOURS.values())]
    return np.stack([_sprite(each) for each in pictures])


def _sprite(picture: np.ndarray) -> np.ndarray:
    premultiplied = np.concatenate([picture[..., :3] * picture[..., 3:], picture[..., 3:]], axis=-1)
    channels = [
        np.asarray(Image.fromarray(premultiplied[..., i]).resize((SPRITE_SIZE, SPRITE_SIZE), Image.Resampling.BOX))
        for i in range(4)
    ]
    return np.round(np.stack(channels, axis=-1) * 255).astype(np.uint8)


def main(argv: list[str] | None = None) -> None:
    """Makes the atlas."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ATLAS, help="file to write (default: %(default)s)")
    arguments = parser.parse_args(argv)
    atlas = Atlas.from_font()
    atlas.save(arguments.output)
    print(f"{len(atlas.flat)} sprites, {arguments.output.stat().st_size / 2**20:.1f} MiB: {arguments.output}")


if __name__ == "__main__":
    main()
