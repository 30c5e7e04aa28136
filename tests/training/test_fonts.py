from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.font_manager import findfont, get_font

from training.errors import TrainingError
from training.fonts import SHIPPED, find_fonts

IN_STIX_ONLY = "\u1d81"  # of the fonts that matplotlib brings
NOWHERE = "\U000f0000"


def test_plain_letters_need_one_font() -> None:
    assert find_fonts("naïve ▁кот") == ([SHIPPED], set())


def test_another_installed_font_helps_out() -> None:
    families, missing = find_fonts("a" + IN_STIX_ONLY + NOWHERE)
    assert missing == {NOWHERE}
    assert families[0] == SHIPPED
    assert ord(IN_STIX_ONLY) in get_font(findfont(families[1])).get_charmap()


def test_what_no_font_has_is_missing() -> None:
    assert find_fonts("a" + NOWHERE) == ([SHIPPED], {NOWHERE})


def test_a_font_that_is_named_is_taken() -> None:
    stix = Path(findfont("STIXGeneral"))
    assert find_fonts(IN_STIX_ONLY, stix) == ([SHIPPED, "STIXGeneral"], set())
    cmr = Path(findfont("cmr10"))
    assert find_fonts(IN_STIX_ONLY, cmr) == ([SHIPPED, "cmr10"], {IN_STIX_ONLY})


@pytest.mark.parametrize("content", [None, b"no font"])
def test_what_is_no_font_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=r"--font .*font\.ttf: not a font"):
        find_fonts("a", path)
