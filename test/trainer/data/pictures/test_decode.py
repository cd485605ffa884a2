"""Pictures of every PNG kind come out as RGB bytes; what cannot be decoded is the user's mistake, by name."""

import io

import numpy as np
import pytest
from draftsmith_trainer.base.errors import UserError
from draftsmith_trainer.data.pictures.decode import decode
from PIL import Image
from shard_maker import png_of


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_mode_becomes_rgb(mode):
    source = Image.fromarray(np.random.default_rng(3).integers(0, 256, (7, 5, 3), np.uint8)).convert(mode)
    out = io.BytesIO()
    source.save(out, "PNG")
    pixels = decode(out.getvalue(), "x")
    assert pixels.shape == (7, 5, 3) and pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.asarray(source.convert("RGB")))


@pytest.mark.parametrize("keep", [0, 4, 30, 0.5, 0.98])
def test_cut_pngs_are_refused(keep):
    whole = png_of(1, 90, 70)
    with pytest.raises(UserError, match="image deadbeef cannot be decoded") as error:
        decode(whole[: keep if isinstance(keep, int) else int(len(whole) * keep)], "deadbeef")
    assert error.value.code == "image-damaged"


def test_a_flipped_byte_in_the_data_is_refused():
    whole = bytearray(png_of(1, 90, 70))
    whole[len(whole) // 2] ^= 0x40
    with pytest.raises(UserError) as error:
        decode(bytes(whole), "x")
    assert error.value.code == "image-damaged"
