"""A 5x7 pixel font, rendered at twice its size: letters, digits and some punctuation.

With a bitmap font in the source, screenshots are byte-equal everywhere; font libraries render differently by version.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

GLYPH_WIDTH = 5
GLYPH_HEIGHT = 7
SCALE = 2
ADVANCE = (GLYPH_WIDTH + 1) * SCALE  # px from one character to the next

# One glyph per line: the character, then its seven rows as base-32 digits (0-9, a-v); the highest bit is the leftmost.
_GLYPHS = """
A 4ahhvhh
B uhhuhhu
C ehggghe
D sihhhis
E vggsggv
F vggsggg
G ehgnhhf
H hhhvhhh
I e44444e
J 7222iic
K hikokih
L ggggggv
M hrllhhh
N hhpljhh
O ehhhhhe
P uhhuggg
Q ehhhlid
R uhhukih
S fgge11u
T v444444
U hhhhhhe
V hhhhha4
W hhhllla
X hha4ahh
Y hha4444
Z v1248gv
a 00e1fhf
b ggmphhu
c 00eggge
d 11djhhf
e 00ehvge
f 698s888
g 0fhhf1e
h ggmphhh
i 40c444e
j 20622ic
k ggikoki
l c44444e
m 00qlllh
n 00mphhh
o 00ehhhe
p 00uhugg
q 00djf11
r 00mpggg
s 00fge1u
t 88s8896
u 00hhhjd
v 00hhha4
w 00hhlla
x 00ha4ah
y 0hhhf1e
z 00v248v
0 ehjlphe
1 4c4444e
2 eh1248v
3 v2421he
4 26aiv22
5 vgu11he
6 68guhhe
7 v124888
8 ehhehhe
9 ehhf12c
. 0000004
- 000v000
: 0440440
? eh12404
! 4444404
"""


def _parse() -> dict[str, list[int]]:
    glyphs: dict[str, list[int]] = {" ": [0] * GLYPH_HEIGHT}
    for line in _GLYPHS.strip().splitlines():
        rows = line[2:]
        if len(rows) != GLYPH_HEIGHT:
            raise ValueError(f"glyph {line[0]!r} has {len(rows)} rows")
        glyphs[line[0]] = [int(digit, 32) for digit in rows]
    return glyphs


GLYPHS = _parse()


@cache
def text_mask(text: str) -> npt.NDArray[np.bool_]:
    """The pixels of `text`: bool [14, 12 * len(text)], True where a pixel is set."""
    mask = np.zeros((GLYPH_HEIGHT, (GLYPH_WIDTH + 1) * len(text)), dtype=np.bool_)
    for i, char in enumerate(text):
        for y, bits in enumerate(GLYPHS[char]):
            for x in range(GLYPH_WIDTH):
                mask[y, i * (GLYPH_WIDTH + 1) + x] = bool(bits >> (GLYPH_WIDTH - 1 - x) & 1)
    return mask.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
