"""Hair of the drawn faces: behind the head, around the face and over the forehead; hats."""

import numpy as np

from gln_jax.data.synthetic.brushes import X, Y, blurred, coloured, coverage, everywhere, noise, paint, step, strands, tint

_LONG = ('long', 'curtains', 'fringe')


def hair_picture(rng, who):
    """The hair's colour at every canvas pixel, [rows, columns, 3], and the texture in it, [rows, columns]."""
    crown_x, crown_y = 64 + 30 * who.part * (who.style in ('side part', 'long', 'curtains')) - 6 * who.turn, -22.0
    spread = 1 - np.exp(-(Y - crown_y) / 42)
    lane = (X - crown_x) / spread
    lane = lane + who.wave * 3.5 * np.sin((Y + 0.3 * np.abs(lane)) / 6.5 + rng.uniform(0, 6))
    if who.style in ('afro', 'curly'):
        texture = 0.7 * noise(rng, 2.5) + 0.45 * noise(rng, 0.6)
    elif who.style in ('buzz', 'bald', 'receding'):
        texture = 0.5 * noise(rng, 0.6) + 0.3 * noise(rng, 2.5)
    else:
        texture = strands(rng, 0.8 * lane, Y)
    side = (X - 64 + 6 * who.turn) / 52
    round_light = 0.62 + 0.35 * np.clip(who.light[2] - 0.5 * side ** 2 + 0.8 * side * who.light[0], -0.6, 1)
    round_light = round_light * (1 - 0.25 * step(Y, 60, 120))
    sheen_y = 4 + 14 * side ** 2 + 10 * who.light[1]
    sheen = np.exp(-0.5 * ((Y - sheen_y - 3 * texture) / 7) ** 2) * np.clip(0.6 + side * who.light[0], 0.1, 1)
    colour = coloured(round_light * np.clip(1 + 0.24 * texture, 0.3, 1.8), who.hair)
    gloss = 0.0 if who.style in ('afro', 'buzz', 'bald') else 0.16
    return np.clip(colour + coloured(gloss * sheen, 0.35 + who.hair), 0, 1), texture


def _outer_edge(who, form, texture):
    """Distance in pixels to the hair's outer edge, positive inside."""
    volume = who.hair_volume
    if who.style == 'afro':
        radius = 58 + 12 * volume
        return radius - np.hypot(X - form.centre[60], Y - 22) + 1.5 * texture
    extra = {'short': 1.5 + 3 * volume, 'side part': 2 + 3 * volume, 'quiff': 1 + 2 * volume, 'receding': 1 + volume,
             'buzz': 0.6, 'bald': 0.4, 'tied': 1 + 2 * volume, 'bob': 6 + 6 * volume, 'curly': 7 + 9 * volume,
             'long': 4 + 7 * volume, 'curtains': 4 + 7 * volume, 'fringe': 4 + 7 * volume}[who.style]
    half = who.cheek_width * (1 - 0.3 * who.temple) + extra
    width = np.broadcast_to(half - 9 * np.clip((20 - Y) / 40, 0, 1) ** 2, Y.shape)
    if who.style in _LONG:
        width = width + 0.07 * np.clip(Y - 50, 0, None) + 1.5 * who.wave * np.sin(Y / 6.5)
    edge = width - np.abs(X - form.centre) + (2.0 if who.style == 'curly' else 0.5) * texture
    ends = {'bob': 98 + 14 * volume, 'curly': 92 + 30 * volume if who.masculine < 0.5 else 60}.get(who.style)
    if ends is not None:
        edge = np.minimum(edge, ends - Y + 1.5 * texture)
    elif who.style not in _LONG:
        edge = np.minimum(edge, 62 - 4 * who.nod - Y)
    return edge


def _hairline(who, form, texture):
    """y of the lower edge of the hair at every pixel: the face shows below it."""
    u = form.u
    ragged = 1.0 * texture
    # The chin is narrower than the opening that hanging hair leaves, so this grows evenly below the cheeks.
    bound = np.abs(X - form.centre) / np.maximum(form.half_width, 0.8 * who.cheek_width)
    ends = 140.0 if who.style in _LONG + ('bob',) else 50.0 - 5 * who.nod
    ends = (118.0 if who.masculine < 0.5 else 60.0) if who.style == 'curly' else ends
    side_start = {'long': 0.90, 'curtains': 0.84, 'fringe': 0.93, 'bob': 0.86}.get(who.style, 0.97)
    side_start = side_start - 0.06 * who.hair_volume
    sides = (ends - who.hairline) * step(bound, side_start - 0.14, side_start + 0.16)
    top = who.hairline + 5 * bound ** 2
    if who.style == 'fringe':
        top = 31 + 4 * who.hair_volume - 3 * bound ** 2 + 1.5 * ragged
    elif who.style == 'curtains':
        top = who.hairline - 6 + 34 * np.clip(bound, 0, 1) ** 1.5
    elif who.style in ('long', 'bob', 'side part'):
        over = np.clip((u - who.part) * -np.sign(who.part), -0.8, 1.7)  # the larger side of the part
        top = who.hairline - 3 + np.where(over > 0, 20 * np.clip(over, 0, 2) ** 1.3, 26 * np.clip(-over, 0, 2) ** 1.2)
    elif who.style == 'receding':
        top = who.hairline - 8 - 16 * np.exp(-0.5 * ((bound - 0.5) / 0.18) ** 2)
    elif who.style == 'quiff':
        top = who.hairline - 4 + 1.5 * ragged
    elif who.style == 'bald':
        top = np.full_like(u, -60.0)
    return top + sides + ragged


def draw_back_hair(rng, who, picture, form):
    """Hair behind neck and ears. Returns what `draw_front_hair` needs."""
    colour, texture = hair_picture(rng, who)
    outer = coverage(_outer_edge(who, form, texture)).astype(np.float32)
    if who.style != 'bald':
        paint(picture, everywhere(outer), 0.62 * colour)
    return colour, texture, outer


def draw_front_hair(who, picture, form, back):
    colour, texture, outer = back
    soft = {'buzz': 3.0, 'bald': 3.0, 'receding': 2.5}.get(who.style, 1.0)
    cover = outer * step(_hairline(who, form, texture) - Y, -soft, soft)
    if who.style in ('buzz', 'bald'):
        cover = cover * (0.72 if who.style == 'buzz' else 0.45)
    cover = cover.astype(np.float32)
    shadow = np.roll(blurred(cover, 2.2), (4, int(-4 * np.sign(who.light[0]))), (0, 1))
    tint(picture, everywhere(shadow * form.mask), (0.55, 0.48, 0.46), 0.75)
    paint(picture, everywhere(cover), colour)


def draw_hat(rng, who, picture, form):
    if not who.hat:
        return
    colour = rng.uniform(0.08, 0.8) * rng.uniform(0.5, 1.2, 3)
    rim = 18 + 8 * np.clip(np.abs(form.u), 0, 1.3) ** 2
    side = (X - form.centre) / 46
    knit = 1 + 0.08 * np.sin(X * 1.6) * (Y < rim - 9) + 0.10 * (Y > rim - 9)
    shade = (0.55 + 0.4 * np.clip(1 - side ** 2, 0, 1) + 0.35 * side * who.light[0]) * knit
    cover = (coverage(rim - Y) * coverage(who.cheek_width + 5 - np.abs(X - form.centre))).astype(np.float32)
    tint(picture, everywhere(np.roll(blurred(cover, 2), 5, 0) * (1 - cover)), 0.55)
    paint(picture, everywhere(cover), np.clip(coloured(shade, colour), 0, 1))
