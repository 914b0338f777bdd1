"""Draws faces: soft-shaded portraits, aligned as the photographs that the networks are trained on."""

import cv2
import numpy as np

from gln_jax.data import drawing_features, drawing_hair, drawing_head
from gln_jax.data.drawing_person import person
from gln_jax.data.drawing_tools import SIZE, blurred, everywhere, paint


def draw_face(seed):
    """The face of `seed` (an int of at least 0): RGB [128, 128, 3] uint8 in [0, 255], the same at every call.

    The eye centres lie within a pixel of `images.TEMPLATE_EYES`, of one face in a thousand a little farther.
    """
    rng = np.random.default_rng(seed)
    who = person(rng)
    form = drawing_head.head(who)
    picture = drawing_head.draw_background(rng)
    hair = drawing_hair.draw_back_hair(rng, who, picture, form)
    drawing_head.draw_neck_and_clothes(rng, who, picture)
    drawing_head.draw_ears(who, picture, form)
    _draw_skin(rng, who, picture, form)
    drawing_features.draw_wrinkles(who, picture)
    drawing_features.draw_nose(who, picture)
    drawing_features.draw_mouth(who, picture)
    drawing_features.draw_beard(rng, who, picture, form)
    for side in (-1, 1):
        drawing_features.draw_eye(who, picture, side)
        drawing_features.draw_brow(rng, who, picture, side)
    drawing_hair.draw_front_hair(who, picture, form, hair)
    drawing_hair.draw_hat(rng, who, picture, form)
    drawing_features.draw_glasses(who, picture)
    return _developed(rng, who, picture)


def _draw_skin(rng, who, picture, form):
    height = drawing_head.relief(who, form)
    skin = drawing_head.lit(who, height, drawing_head.face_albedo(rng, who))
    paint(picture, everywhere(blurred(form.mask.astype(np.float32), 0.4)), skin)


def _developed(rng, who, picture):
    """The finished photograph: exposed, shrunk and quantised."""
    picture = (picture * who.exposure - 0.45) * who.contrast + 0.45
    picture = blurred(np.ascontiguousarray(picture), rng.uniform(0, 0.45))
    picture = cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return np.clip(np.round(picture * 255), 0, 255).astype(np.uint8)
