"""Which fonts draw a text, and what none of them can draw."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from training.errors import TrainingError

SHIPPED = "DejaVu Sans"
"""Comes with matplotlib; has no Chinese."""


def find_fonts(text: str, font: Path | None = None) -> tuple[list[str], set[str]]:
    """Families to draw `text` with, in turn, and the characters that none of them has.

    What the font of matplotlib lacks is drawn with `font`, or by default with the installed
    one that has most of it. Raises TrainingError when `font` is no font.
    """
    missing = _lacking(findfont(SHIPPED), set(text))
    if font is not None:
        family = _add(font)
        return [SHIPPED, family], _lacking(str(font), missing)
    if not missing:
        return [SHIPPED], missing
    left = {family: _lacking(findfont(family), missing) for family in _families()}
    best = min(left, key=lambda family: (len(left[family]), family))
    return ([SHIPPED, best], left[best]) if left[best] < missing else ([SHIPPED], missing)


def _add(font: Path) -> str:
    """Make a font file known; its family."""
    try:
        fontManager.addfont(font)
        return FontProperties(fname=font).get_name()
    except (OSError, RuntimeError) as error:
        raise TrainingError(f"--font {font}: not a font that can be read") from error


def _families() -> set[str]:
    # Last Resort draws a box for every character there is.
    return {entry.name for entry in fontManager.ttflist if "Last Resort" not in entry.name}


def _lacking(path: str, characters: Collection[str]) -> set[str]:
    known = get_font(path).get_charmap()
    return {character for character in characters if ord(character) not in known}
