"""Random screens from a seed: a few labelled widgets on a 16 px grid, the vision tower's patch grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .draws import Draws
from .font import ADVANCE, text_mask

CELL = 16  # px, one patch
SIZES: tuple[tuple[int, int], ...] = ((320, 192), (256, 256), (256, 192))  # width, height
KINDS = ("button", "field", "link")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (204, 36, 36),
    "green": (28, 140, 52),
    "blue": (36, 76, 216),
    "orange": (236, 124, 12),
    "purple": (128, 44, 172),
    "teal": (0, 148, 152),
    "pink": (232, 84, 160),
    "brown": (116, 72, 36),
}
BACKGROUNDS = ((246, 246, 246), (230, 237, 246), (250, 244, 230), (226, 226, 226))
_LABELS = """
Save Open Close Print Help Search Cancel Delete Name Email City Phone Next Back Home Login Logout Send Reply Copy
Paste Cut Undo Redo Edit View Files Share Filter Sort Export Import Upload Settings Profile Cart Buy Pay Total Date
Time Notes Music Video Photos Maps Mail News
"""
LABELS = tuple(_LABELS.split())


@dataclass(frozen=True)
class Widget:
    """A widget whose text is in grid row `row`; it starts in grid column `col` and is `cells` cells wide."""

    kind: str
    colour: str
    label: str
    col: int
    row: int
    cells: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The clickable area: left, top, right, bottom in px, right and bottom excluded."""
        return (self.col * CELL, self.row * CELL - 4, (self.col + self.cells) * CELL, (self.row + 1) * CELL + 4)

    @property
    def centre(self) -> tuple[float, float]:
        """x, y in px."""
        left, top, right, bottom = self.box
        return ((left + right) / 2, (top + bottom) / 2)


@dataclass(frozen=True)
class Screen:
    """The contents of a screenshot. Labels are unique on a screen, and so are pairs of colour and kind."""

    width: int
    height: int
    background: tuple[int, int, int]
    widgets: tuple[Widget, ...]

    def point(self, widget: Widget) -> tuple[int, int]:
        """The widget's centre in thousandths of width and height, 0..999."""
        x, y = widget.centre
        return (int(x * 1000 / self.width), int(y * 1000 / self.height))

    def hit(self, x: int, y: int) -> Widget | None:
        """The widget under a point in thousandths."""
        px, py = (x + 0.5) * self.width / 1000, (y + 0.5) * self.height / 1000
        for widget in self.widgets:
            left, top, right, bottom = widget.box
            if left <= px < right and top <= py < bottom:
                return widget
        return None

    @cached_property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The screenshot: uint8 [height, width, 3]."""
        image = np.empty((self.height, self.width, 3), dtype=np.uint8)
        image[:] = self.background
        for widget in self.widgets:
            _draw(image, widget)
        return image


def _draw(image: npt.NDArray[np.uint8], widget: Widget) -> None:
    left, top, right, bottom = widget.box
    colour = COLOURS[widget.colour]
    ink: tuple[int, int, int] = colour
    if widget.kind == "button":
        image[top:bottom, left + 1 : right - 1] = colour
        ink = (255, 255, 255)
    elif widget.kind == "field":
        image[top:bottom, left + 1 : right - 1] = colour
        image[top + 2 : bottom - 2, left + 3 : right - 3] = (255, 255, 255)
        ink = (40, 40, 40)
    mask = text_mask(widget.label)
    x, y = left + 8, widget.row * CELL + 1
    image[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = ink
    if widget.kind == "link":
        image[y + mask.shape[0] + 1 : y + mask.shape[0] + 3, x : x + mask.shape[1] - 2] = colour


def draw_screen(draws: Draws, size: tuple[int, int] | None = None, need_field: bool = False) -> Screen:
    """A random screen with 3 to 6 widgets; with `need_field` the first one is a field."""
    width, height = size or draws.pick(SIZES)
    columns, rows = width // CELL, height // CELL
    wanted = draws.between(3, 6)
    labels = draws.shuffled(LABELS)[:wanted]
    looks = draws.shuffled([(colour, kind) for kind in KINDS for colour in COLOURS])
    if need_field:
        looks.sort(key=lambda look: look[1] != "field")
        looks = looks[:1] + draws.shuffled(looks[1:])
    widgets: list[Widget] = []
    for label, (colour, kind) in zip(labels, looks, strict=False):
        least = -(-(len(label) * ADVANCE + 14) // CELL)
        cells = least + (0 if kind == "link" else draws.below(3))
        for _ in range(40):  # looks for a place that touches no other widget
            col, row = draws.below(columns - cells + 1), draws.between(1, rows - 2)
            if all(abs(row - w.row) >= 2 or col >= w.col + w.cells or w.col >= col + cells for w in widgets):
                widgets.append(Widget(kind, colour, label, col, row, cells))
                break
    return Screen(width, height, draws.pick(BACKGROUNDS), tuple(widgets))
