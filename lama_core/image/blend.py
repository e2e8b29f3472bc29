"""Putting new pixels over a picture's own, by a blend of 0 to 1."""

from __future__ import annotations

import numpy as np

from lama_core.image.pixels import Floats, Pixels, pixel_format, to_values


def blend_into(picture: Pixels, fill: Pixels, blend: Floats) -> None:
    """Blend `fill` into `picture`, in place.

    Where blend is 0 not a bit changes; where it is 1 the result is the fill exactly. Between them it is
    linear in the picture's own numbers, colours weighed by alpha, so that the colour of a transparent pixel
    does not show. A value of the picture that is not finite has no part in it.

    Args:
        picture: (H, W, C) of a format of `pixels`; a view into a larger picture will do.
        fill: the same shape and type.
        blend: (H, W) float32 in 0..1.
    """
    # Most pixels are the fill's own, and copied; it is the ring around them that takes the arithmetic.
    whole = blend == 1
    np.copyto(picture, fill, where=whole[:, :, None])
    touched = (blend > 0) & ~whole
    pixel = pixel_format(fill)
    exact = np.float64 if pixel.dtype == np.float64 else np.float32
    new = fill[touched].astype(exact)
    old = picture[touched].astype(exact)
    share = blend[touched].astype(exact)[:, None]
    mixed = np.empty_like(new)
    new_weight, old_weight = share, 1 - share
    with np.errstate(invalid="ignore", over="ignore"):
        if pixel.has_alpha:
            opacity = np.nan_to_num(old[:, -1:] / pixel.white, nan=0, posinf=1, neginf=0).clip(0, 1)
            new_opacity = new[:, -1:] / pixel.white
            new_weight, old_weight = share * new_opacity, (1 - share) * opacity
            mixed[:, -1:] = (opacity + share * (new_opacity - opacity)) * pixel.white
            total = np.where(new_weight + old_weight > 0, new_weight + old_weight, 1)
            new_weight, old_weight = new_weight / total, old_weight / total
        colours = slice(0, pixel.colours)
        mixed[:, colours] = new[:, colours] * new_weight + old[:, colours] * old_weight
        unusable = ~np.isfinite(old[:, colours]) | (old_weight == 0)
        mixed[:, colours] = np.where(unusable, new[:, colours], mixed[:, colours])
    picture[touched] = to_values(mixed / exact(pixel.white), pixel)
