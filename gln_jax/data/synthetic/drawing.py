"""Draws faces: soft-shaded portraits, aligned as the photographs that the networks are trained on."""

import cv2
import numpy as np

from gln_jax.data.synthetic import features, hair, head
from gln_jax.data.synthetic.brushes import SIZE, blurred, everywhere, paint
from gln_jax.data.synthetic.person import person


def draw_face(seed):
    """The face of `seed` (an int of at least 0): RGB [128, 128, 3] uint8 in [0, 255], the same at every call.

    The eye centres lie within a pixel of `images.TEMPLATE_EYES`, of one face in a thousand a little farther.
    """
    rng = np.random.default_rng(seed)
    who = person(rng)
    form = head.head(who)
    picture = head.draw_background(rng)
    cut = hair.draw_back_hair(rng, who, picture, form)
    head.draw_neck_and_clothes(rng, who, picture)
    head.draw_ears(who, picture, form)
    _draw_skin(rng, who, picture, form)
    features.draw_wrinkles(who, picture)
    features.draw_nose(who, picture)
    features.draw_mouth(who, picture)
    features.draw_beard(rng, who, picture, form)
    for side in (-1, 1):
        features.draw_eye(who, picture, side)
        features.draw_brow(rng, who, picture, side)
    hair.draw_front_hair(who, picture, form, cut)
    hair.draw_hat(rng, who, picture, form)
    features.draw_glasses(who, picture)
    return _developed(rng, who, picture)


def _draw_skin(rng, who, picture, form):
    height = head.relief(who, form)
    skin = head.lit(who, height, head.face_albedo(rng, who))
    paint(picture, everywhere(blurred(form.mask.astype(np.float32), 0.4)), skin)


def _developed(rng, who, picture):
    """The finished photograph: exposed, shrunk and quantised."""
    picture = (picture * who.exposure - 0.45) * who.contrast + 0.45
    picture = blurred(np.ascontiguousarray(picture), rng.uniform(0, 0.45))
    picture = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)
