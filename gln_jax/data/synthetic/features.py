"""The small parts of a drawn face: eyes, brows, nostrils, mouth, wrinkles, beard, glasses, painted on the lit skin."""

import numpy as np

from gln_jax.data.synthetic.brushes import (X, Y, bump, coverage, curve, ellipse, everywhere, filled, paint, step, strands,
                                            stroked, tint)
from gln_jax.data.synthetic.person import across


def draw_eye(who, picture, side):
    """One eye; `side` is -1 for the left one in the picture, 1 for the right one."""
    index = (side + 1) // 2
    x, y = np.array([64 + 18.5 * side, 50]) + who.eye_jitter[index]
    width = who.eye_width * (1 - 0.25 * side * who.turn)  # the eye on the far side of a turned head is narrower
    opening = who.eye_height * who.eye_opening
    inner, outer = (x - side * width, y + 0.9), (x + side * width, y - who.eye_slant)
    upper = curve([inner, (x - side * 0.45 * width, y - 0.75 * opening), (x + side * 0.1 * width, y - opening),
                   (x + side * 0.62 * width, y - 0.72 * opening - 0.3 * who.eye_slant), outer])
    lower = curve([outer, (x + side * 0.5 * width, y + 0.62 * opening), (x, y + 0.72 * opening),
                   (x - side * 0.5 * width, y + 0.55 * opening + 0.3), inner])
    light = _brightness(who, side)
    almond = filled(np.concatenate([upper, lower]), 0.25)
    tint(picture, filled(np.concatenate([upper - (0, 1.2), lower + (0, 0.8)]), 1.3), 0.72)
    _draw_eyeball(who, picture, almond, (x, y - 0.3) + who.gaze, light, opening)
    pink = ellipse((inner[0] + side * 0.9, inner[1] - 0.2), (1.2, 0.8), 0.4)
    paint(picture, pink, np.array([0.75, 0.45, 0.42]) * light, 0.7)
    _draw_lids(who, picture, upper, lower, side, light)


def _brightness(who, side):
    facing = who.light[2] + 0.45 * side * who.light[0] - 0.2 * who.light[1]
    return np.clip(who.ambient + (1.05 - who.ambient) * np.clip(facing, 0, 1), 0.35, 1.1)


def _draw_eyeball(who, picture, almond, centre, light, opening):
    x, y = almond.grids()
    round_shade = 1 - 0.35 * np.clip(np.abs(x - centre[0]) / 10, 0, 1) ** 2 * np.ones_like(y)
    lid_shade = 0.55 + 0.45 * step(y, centre[1] - opening, centre[1] - 0.1 * opening)
    paint(picture, almond, np.array([0.90, 0.87, 0.84]) * light * 0.92)
    distance = np.hypot(x - centre[0], y - centre[1])
    iris = almond._replace(values=coverage(4.1 - distance) * almond.values)
    paint(picture, iris, who.iris * light)
    deep = almond._replace(values=step(distance, 2.6, 4.1) * iris.values)
    tint(picture, deep, 0.45)
    bright = np.exp(-0.5 * (((x - centre[0] + who.light[0]) / 2) ** 2 + ((y - centre[1] - 1.8) / 1.2) ** 2))
    tint(picture, iris.times(almond._replace(values=bright)), 1.5)
    paint(picture, almond._replace(values=coverage(1.7 - distance) * almond.values), (0.03, 0.02, 0.02))
    tint(picture, almond._replace(values=almond.values * (1 - round_shade * lid_shade)), 0.0)
    glint = np.hypot(x - centre[0] - 1.5 * np.sign(who.light[0]), y - centre[1] + 1.4)
    paint(picture, almond._replace(values=coverage(0.85 - glint) * almond.values), (1, 1, 1), 0.92)


def _draw_lids(who, picture, upper, lower, side, light):
    feminine = 1 - who.masculine
    dark = 0.25 * who.brow * light
    lashes = upper - (0, 0.35)
    paint(picture, stroked([lashes], 1.0 + 0.4 * feminine), dark, 0.85)
    if feminine > 0.5:
        tail = np.array([upper[-1], upper[-1] + (1.8 * side, -1.5)])
        paint(picture, stroked([tail], 1.0), dark, 0.7 * feminine)
    tint(picture, stroked([lower + (0, 0.3)], 0.6, 0.35), 0.55, 0.7)
    tint(picture, stroked([lower + (0, 1.2)], 0.7, 0.4), 1.10)
    gap = 1.6 + 0.22 * (who.brow_height - 8)
    fold = upper[3:-2] * (1, 0.85) + (0, 0.15 * upper[0, 1] - gap)
    tint(picture, stroked([fold], 0.7, 0.45), 0.50, who.lid_crease)
    tint(picture, stroked([upper[6:-6] - (0, 0.6 * gap)], 0.8, 0.7), 1.14, who.lid_crease)
    bag = lower * (1, 0.6) + (0, 0.4 * lower[0, 1] + 4.0)
    tint(picture, stroked([bag[4:]], 1.0, 0.9), 0.72, 0.15 + 0.75 * who.age)


def draw_brow(rng, who, picture, side):
    x, y = 64 + 18.5 * side, 50 - who.brow_height
    reach = 1 - 0.25 * side * who.turn
    line = curve([(x - side * 10.5 * reach, y + 1.2 + who.frown), (x - side * 3 * reach, y - 0.35 * who.brow_arch),
                  (x + side * 5 * reach, y - who.brow_arch), (x + side * 12.5 * reach, y + 1.8)], 6)
    t = np.linspace(0, 1, len(line))
    half = 0.5 * who.brow_thickness * np.clip(np.minimum(0.75 + 3 * t, 1.9 * (1 - t) + 0.12), 0, 1)
    offset = np.stack([np.zeros_like(half), half], 1)
    colour = who.brow * _brightness(who, side)
    body = filled(np.concatenate([line - offset, (line + offset)[::-1]]), 0.75)
    thick = 0.55 + 0.35 * who.masculine
    paint(picture, body, colour, thick)
    roots = rng.integers(0, len(line) - 1, 26)
    starts = line[roots] + offset[roots] * rng.uniform(-0.6, 1, (26, 1))
    lean = np.stack([side * (1.0 + 1.6 * t[roots]), -1.9 * (1 - t[roots])], 1)
    paint(picture, stroked([np.array([a, a + b]) for a, b in zip(starts, lean)], 0.5, 0.2), colour * 0.75, 0.6)


def draw_nose(who, picture):
    x, y = across(who, 13), who.nose
    light = _brightness(who, 0)
    reach = who.nose_width
    tint(picture, ellipse((across(who, 12), y + 1.0), (0.65 * reach, 1.1), 1.2), 0.82)
    for side in (-1, 1):
        shown = 1 - 0.8 * side * who.turn
        nostril = ellipse((x + side * 0.44 * reach * shown, y - 0.3), (0.21 * reach * shown, 1.05 - 2 * who.nod), 0.45)
        paint(picture, nostril, who.skin * np.array([0.22, 0.13, 0.11]) * light, 0.88)
        wing_x = across(who, 11) + side * reach * shown
        wing = curve([(wing_x - side * 1.0, y - 5.2), (wing_x + side * 0.2, y - 3), (wing_x - side * 0.3, y - 0.8),
                      (wing_x - side * 2.0, y + 0.4)], 6)
        tint(picture, stroked([wing], 0.8, 0.55), 0.62, 0.75)
    paint(picture, everywhere(0.16 * bump(across(who, 16) + 1.2 * who.light[0], y - 5, 1.4, 1.2)), (1, 1, 1), light)


def draw_mouth(who, picture):
    x, y, half, gap = across(who, 10), who.mouth, who.mouth_width, who.gap
    light = _brightness(who, 0)
    left = (x - half * (1 + 0.35 * who.turn), y - 1.8 * who.smile)
    right = (x + half * (1 - 0.35 * who.turn), y - 1.8 * who.smile)
    notch = across(who, 12)
    slope = y - 0.66 * who.upper_lip - 0.5 * who.smile
    top = curve([left, (notch - 0.55 * half, slope), (notch - 2.6, y - who.upper_lip),
                 (notch, y - 0.78 * who.upper_lip), (notch + 2.6, y - who.upper_lip),
                 (notch + 0.55 * half, slope), right])
    upper_line = curve([left, (x - 0.45 * half, y), (notch, y + 0.5), (x + 0.45 * half, y), right])
    lower_line = curve([left, (x - 0.5 * half, y + 0.75 * gap), (notch, y + 0.5 + gap),
                        (x + 0.5 * half, y + 0.75 * gap), right])
    bottom = curve([left, (x - 0.52 * half, y + 0.8 * gap + 0.82 * who.lower_lip), (x, y + gap + 0.5 + who.lower_lip),
                    (x + 0.52 * half, y + 0.8 * gap + 0.82 * who.lower_lip), right])
    tint(picture, filled(np.concatenate([top, upper_line[::-1]]), 0.35), 0.80 * who.lips)
    tint(picture, filled(np.concatenate([lower_line, bottom[::-1]]), 0.4), who.lips)
    if gap:
        _draw_open_mouth(who, picture, upper_line, lower_line, light)
    tint(picture, stroked([upper_line], 0.7, 0.35), 0.42, 0.9)
    for corner in (left, right):
        tint(picture, ellipse(corner, (1.4, 1.1), 0.7), 0.55)
    shine = ellipse((x + 2 * who.light[0], y + gap + 0.55 * who.lower_lip), (0.32 * half, 0.16 * who.lower_lip), 0.7)
    paint(picture, shine, (1, 0.95, 0.95), (0.16 + 0.2 * who.lipstick) * light)
    shade = ellipse((x, y + gap + who.lower_lip + 2.2), (0.5 * half, 0.9), 1.1)
    tint(picture, shade, 0.74)


def _draw_open_mouth(who, picture, upper_line, lower_line, light):
    inside = filled(np.concatenate([upper_line, lower_line[::-1]]), 0.3)
    paint(picture, inside, np.array([0.20, 0.06, 0.06]) * light)
    x, y = inside.grids()
    height = min(who.gap * (0.85 if who.smile > 0.25 else 0.3), 4.6)
    bow = 1.0 * ((x - across(who, 11)) / who.mouth_width) ** 2  # the row of teeth rises towards the corners
    teeth = coverage(who.mouth + 0.5 + height - bow - y)
    gaps = 1 - 0.22 * np.exp(-0.5 * (((x - across(who, 11)) / 3.1 % 1 - 0.5) / 0.10) ** 2)
    dim = np.clip(1.02 - 0.55 * ((x - across(who, 11)) / who.mouth_width) ** 2, 0.3, 1)
    teeth_colour = np.array([0.93, 0.90, 0.84]) * light
    paint(picture, inside._replace(values=teeth * inside.values), teeth_colour * 0.55)
    paint(picture, inside._replace(values=teeth * gaps * dim * inside.values), teeth_colour)
    tint(picture, stroked([upper_line + (0, 0.5)], 0.8, 0.4), 0.55)


def draw_wrinkles(who, picture):
    smile = max(who.smile, 0)
    for side in (-1, 1):
        wing = across(who, 11) + side * who.nose_width
        corner = across(who, 10) + side * (who.mouth_width + 3)
        fold = curve([(wing + side * 0.8, who.nose - 4), (0.45 * wing + 0.55 * corner + side, who.nose + 3),
                      (corner, who.mouth - 1)])
        tint(picture, stroked([fold], 1.0, 1.0), 0.62, np.clip(0.12 + 0.4 * smile + 0.6 * who.age, 0, 1))
        if who.age > 0.5:
            x = 64 + side * (18.5 + who.eye_width + 2)
            feet = [np.array([(x, 49 + 2 * k), (x + 4 * side, 48 + 3.5 * k)], np.float32) for k in (-1, 0, 1)]
            tint(picture, stroked(feet, 0.6, 0.5), 0.72, who.age)
    if who.age > 0.45:
        for level in range(3):
            y = 20 + 6.5 * level - 6 * who.nod
            line = curve([(44, y + 1), (56, y - 0.4 * level), (72, y - 0.4 * level), (85, y + 1)]) + (4 * who.turn, 0)
            tint(picture, stroked([line], 0.7, 0.7), 0.74, 0.9 * (who.age - 0.3))


def draw_beard(rng, who, picture, form):
    """Stubble tints the skin; longer beards cover it with strands of the brows' colour."""
    if who.beard == 'none':
        return
    mouth_x, below_nose = across(who, 10), who.nose + 2.5
    bound = np.abs(form.u)
    cheek_line = who.mouth - 4 + 16 * (0.75 - bound) * (bound < 0.75) - 60 * np.clip(bound - 0.75, 0, 1)
    inside = who.mouth_width + 2.5 - np.abs(X - mouth_x) - 1.1 * np.clip(who.mouth - Y, 0, None)
    moustache = step(Y, below_nose - 0.5, below_nose + 2) * step(inside, -2.5, 1.5) * (Y < who.mouth + 6)
    chin = step(who.mouth_width + 1 - np.abs(X - mouth_x), -2.5, 1.5) * (Y > who.mouth - 1)
    if who.beard == 'moustache':
        area = moustache * (1 - step(Y, who.mouth - 1, who.mouth + 0.5))
    elif who.beard == 'goatee':
        area = np.maximum(moustache, chin)
    else:
        area = np.maximum(moustache, step(Y - cheek_line, -2, 4))
    lips = np.clip(1.15 - ((X - mouth_x) / (who.mouth_width + 0.5)) ** 2
                   - ((Y - who.mouth - 0.5 * who.gap - 0.8) / (who.lower_lip + 0.5 * who.gap + 1.0)) ** 2, 0, 0.25) * 4
    area = (area * (1 - lips) * form.mask).astype(np.float32)
    if who.beard in ('shadow', 'stubble'):
        strength = {'shadow': 0.5, 'stubble': 1.0}[who.beard]
        tint(picture, everywhere(area), 0.55 + 0.25 * np.array([0.8, 1, 1.1]) + 0.2 * who.brow, strength)
        return
    hairs = np.clip(1 + 0.22 * strands(rng, X + 0.25 * (X - mouth_x) * (Y - 80) / 40, Y * 3), 0.4, 1.8)
    shade = 0.30 + 0.8 * picture / np.maximum(who.skin, 0.15)
    paint(picture, everywhere(area), who.brow * shade * hairs[..., None], 0.9)


def draw_glasses(who, picture):
    if who.glasses == 'none':
        return
    half_width, half_height, power, width = {'oval': (13.0, 8.5, 2.3, 1.1), 'square': (13.8, 9.0, 4.5, 2.0),
                                             'thin': (12.5, 7.5, 3.0, 0.6), 'sun': (14.5, 10.5, 2.8, 1.3)}[who.glasses]
    angles = np.linspace(0, 2 * np.pi, 41)
    corner = np.abs(np.cos(angles)) ** power + np.abs(np.sin(angles)) ** power
    unit = np.stack([np.cos(angles), np.sin(angles)], 1) / corner[:, None] ** (1 / power)
    lines, glass = [], []
    for side in (-1, 1):
        radii = (half_width * (1 - 0.3 * side * who.turn), half_height)
        rim = np.array([64 + 18.8 * side + 2 * who.turn, 52]) + unit * radii
        temple = np.array([(rim[:, 0].max() if side > 0 else rim[:, 0].min(), 48), (64 + 44 * side - 6 * who.turn, 49)])
        lines += [rim, temple]
        glass.append(rim)
    inner = [64 - 18.8 + 2 * who.turn + half_width * (1 + 0.3 * who.turn),
             64 + 18.8 + 2 * who.turn - half_width * (1 - 0.3 * who.turn)]
    lines.append(curve([(inner[0], 50), (0.5 * sum(inner), 48), (inner[1], 50)]))
    for rim in glass:
        if who.glasses == 'sun':
            paint(picture, filled(rim), who.frame * 0.5 + 0.03, 0.93)
        glare = filled(rim * (0.5, 0.3) + np.array([0.5, 0.7]) * rim.mean(0) - (3, 3.5), 1.5)
        paint(picture, glare, (1, 1, 1), 0.10)
    tint(picture, stroked([line + (0, 1.6) for line in lines], width, 0.9), 0.75)
    paint(picture, stroked(lines, width, 0.25), who.frame)
