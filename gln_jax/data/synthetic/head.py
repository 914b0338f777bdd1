"""The large parts of a drawn face: relief and shading of the skin, ears, neck, clothes and background."""

from types import SimpleNamespace

import cv2
import numpy as np

from gln_jax.data.synthetic.brushes import (SUPERSAMPLING, X, Y, blurred, bump, coloured, coverage, ellipse, everywhere,
                                            noise, paint, step, strands, tint)
from gln_jax.data.synthetic.person import across


def head(who):
    """The head's outline: `centre` and `half_width` [rows, 1] of each row, in pixels; `u` [rows, columns], -1 at the
    face's left edge, 0 at its middle line and 1 at its right edge; `mask` [rows, columns] covers face and forehead.
    """
    below = np.clip((Y - 58) / (who.chin - 58), 0, 1)
    half_width = who.cheek_width * (1 - who.temple * np.clip((56 - Y) / 50, 0, 1.3) ** 2)
    half_width = half_width * np.clip(1 - below ** who.jaw_power, 0, 1) ** 0.56 * (1 - 0.04 * np.sin(np.pi * below))
    centre = 64 - 7 * who.turn + (9 * who.turn + who.crooked * 0.6) * below
    middle = np.clip(across(who, 6) + (across(who, 9) - across(who, 6)) * below,
                     centre - 0.6 * half_width, centre + 0.6 * half_width)
    left, right = centre - half_width, centre + half_width
    u = (X - middle) / np.where(X < middle, np.maximum(middle - left, 0.5), np.maximum(right - middle, 0.5))
    inside = np.minimum(np.minimum(X - left, right - X), who.chin - Y)
    return SimpleNamespace(centre=centre, half_width=half_width, u=u, mask=coverage(inside))


def relief(who, form):
    """Height of the skin in pixels towards the viewer, [rows, columns]."""
    height = 27 * np.clip(1 - np.abs(form.u) ** 2.4, 0, 1) ** 0.6
    height += 11 * np.sqrt(np.clip(1 - ((Y - 56) / (who.chin - 54)) ** 2, 0, 1)) - 8 * who.nod * (Y - 60) / 30
    cheek_y = 73 + 4 * who.nod - 1.5 * max(who.smile, 0)
    for side in (-1, 1):
        eye = 64 + 18.5 * side
        height += -4.2 * bump(eye - 1.5 * side, 47.5, 8.5, 5.5) + 2.4 * bump(eye, 50, 6.0, 3.6)
        height += (1.2 + 1.6 * who.masculine) * bump(eye, 50 - who.brow_height, 11, 3.6)
        height += (2.2 + 1.8 * max(who.smile, 0)) * bump(eye + 5 * side + 4 * who.turn, cheek_y, 8, 7)
        height -= 2.0 * bump(eye + 6 * side, 88, 6, 9)
        height -= 2.5 * bump(64 + 37 * side, 34, 6, 12)
    height += _nose_relief(who)
    mouth_x = across(who, 10)
    height += 3.0 * bump(mouth_x, who.mouth, 12, 8)
    height += 1.2 * bump(mouth_x, who.mouth - 0.6 * who.upper_lip, 9, 1.4)
    height += 2.2 * bump(mouth_x, who.mouth + 0.6 * who.lower_lip + 0.8 * who.gap, 7.5, 2.0)
    height -= 2.2 * bump(mouth_x, who.mouth + who.lower_lip + who.gap + 3.2, 8, 2.2)
    height -= 0.9 * bump(mouth_x, 0.5 * (who.nose + who.mouth), 1.7, 3.5)
    height += 3.6 * bump(across(who, 8), who.chin - 8.5, 8, 5.5)
    return height


def _nose_relief(who):
    down = np.clip((Y - 40) / (who.nose - 3 - 40), 0, 1)  # 0 between the brows, 1 at the tip
    height = (2.0 + (who.nose_length - 3) * down ** 1.4) * step(Y, 32, 46)
    width = 3.7 + 0.06 * who.nose_width * down + 1.5 * step(down, 0.4, 1)
    off_ridge = X - across(who, 4 + 12 * down)
    below = step(Y + 0.05 * off_ridge ** 2, who.nose - 4, who.nose + 3.5)  # the tip hangs lower than the wings
    ridge = height * np.exp(-0.5 * (off_ridge / width) ** 2) * (1 - below)
    tip = across(who, 16)
    wings = sum(bump(across(who, 11) + side * 0.72 * who.nose_width, who.nose - 2.6, 2.3, 2.6) for side in (-1, 1))
    return ridge + 1.8 * bump(tip, who.nose - 4, 3.8, 3.2) + 2.8 * wings


def lit(who, height, albedo):
    """Skin of the colour `albedo` [rows, columns, 3] on the relief `height`, with soft shadows and a faint gloss."""
    slope_y, slope_x = np.gradient(height, 1 / SUPERSAMPLING)
    facing = 1 / np.sqrt(1 + slope_x ** 2 + slope_y ** 2)
    normal_x, normal_y = -slope_x * facing, -slope_y * facing
    light = who.light
    toward = normal_x * light[0] + normal_y * light[1] + facing * light[2]
    toward = np.where(toward > 0, toward * (1 - 0.75 * _cast_shadow(height, light)), toward)
    hollow = np.clip(1 - 0.10 * np.clip(blurred(height, 4) - height, 0, 5), 0.4, 1)
    sky = (0.75 - 0.25 * normal_y) * hollow
    half_way = light + np.array([0, 0, 1])
    half_way = (half_way / np.linalg.norm(half_way)).astype(np.float32)
    gloss = np.clip(normal_x * half_way[0] + normal_y * half_way[1] + facing * half_way[2], 0, 1) ** 22
    gloss = 0.11 * gloss * np.clip(toward, 0, 1)
    channels = []
    # Light that enters the skin leaves it beside, red light farthest: shadows of skin have warm borders.
    for colour, wrap, light_colour in zip(cv2.split(albedo), (0.30, 0.17, 0.12), who.light_colour):
        direct = (1.05 - who.ambient) * light_colour * np.clip((toward + wrap) / (1 + wrap), 0, None)
        channels.append(colour * (who.ambient * sky + direct) + light_colour * gloss)
    return cv2.merge(channels)


def _cast_shadow(height, light):
    """1 where the relief itself hides the light, at the nose's far side for example, else 0; blurred a little."""
    flat = max(np.hypot(light[0], light[1]), 1e-3)
    rise = 1.15 * light[2] / flat
    shadow = np.zeros_like(height)
    for distance in (3, 6, 9, 13):
        shift = np.round(distance * SUPERSAMPLING * light[:2] / flat).astype(int)
        hider = np.roll(height, (-shift[1], -shift[0]), (0, 1))
        shadow = np.maximum(shadow, step(hider - height - distance * rise, -0.8, 1.2))
    return blurred(shadow, 1.2)


def face_albedo(rng, who):
    """Colour of the skin under white light, [rows, columns, 3]: flushed cheeks and nose, dark eye sockets, freckles."""
    flush = sum(bump(64 + 23 * side + 4 * who.turn, 72, 8, 7) for side in (-1, 1))
    flush = 0.7 * flush + 0.8 * bump(across(who, 15), who.nose - 4, 5, 4)
    flush = flush + 0.25 * bump(across(who, 8), who.chin - 8, 8, 6)
    sockets = sum(bump(64 + 17.5 * side, 50, 9, 6) for side in (-1, 1))
    strength = rng.uniform(0.3, 1)
    grain = 1 + 0.014 * noise(rng, 2.5) + 0.008 * noise(rng, 0.6)
    flush = strength * (1 - 0.4 * who.darkness) * flush
    sockets = (0.08 + 0.14 * who.age) * sockets
    channels = [grain - 0.8 * sockets, grain - 0.13 * flush - sockets, grain - 0.12 * flush - 0.9 * sockets]
    if who.freckles:
        where = np.clip(bump(across(who, 12), 68, 24, 9) * 1.3, 0, 1)
        spots = step(noise(rng, 0.6), 1.4, 2.2) * where * who.freckles
        channels = [channel - strength * spots for channel, strength in zip(channels, (0.14, 0.22, 0.26))]
    return cv2.merge([channel * colour for channel, colour in zip(channels, who.skin)])


def draw_background(rng):
    """A new picture [rows, columns, 3]: a wall, a sky of soft lights, a window frame or foliage, out of focus."""
    first, second = rng.uniform(0.08, 0.9) * rng.uniform(0.75, 1.15, (2, 3))
    second = np.clip(second * rng.uniform(0.4, 1.5), 0.03, 0.95)
    first, second = first.astype(np.float32), second.astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    way = np.broadcast_to(0.5 + ((X - 64) * np.cos(angle) + (Y - 64) * np.sin(angle)) / 160, (Y.size, X.size))
    kind = rng.choice(['wall', 'clouds', 'panels', 'lights', 'foliage'], p=[0.3, 0.22, 0.2, 0.14, 0.14])
    if kind == 'clouds':
        way = 0.5 + 0.35 * noise(rng, 12)
    elif kind == 'foliage':
        way = 0.5 + 0.3 * noise(rng, 5) + 0.12 * noise(rng, 2.5)
    elif kind == 'panels':
        edges = np.sort(rng.uniform(-10, 138, 3))
        levels = rng.uniform(0, 1, 4)
        rises = zip(np.diff(levels), edges)
        way = 0.8 * (levels[0] + sum(rise * step(X, edge - 1.5, edge + 1.5) for rise, edge in rises)) + 0.2 * way
    picture = first + coloured(np.clip(way, 0, 1), second - first)
    if kind == 'lights':
        for _ in range(rng.integers(4, 9)):
            radius = rng.uniform(5, 14)
            spot = ellipse(rng.uniform(0, 128, 2), (radius, radius), softness=2)
            paint(picture, spot, np.clip(second * rng.uniform(0.6, 1.6), 0, 1), rng.uniform(0.3, 0.8))
    return np.clip(picture, 0, 1)


def draw_ears(who, picture, form):
    for side in (-1, 1):
        row = 60 * SUPERSAMPLING
        edge = float(form.centre[row, 0] + side * form.half_width[row, 0])
        seen = np.clip(1 - 3.0 * side * who.turn, 0, 1.6)  # the ear on the side that the head turns to hides
        if seen < 0.15:
            continue
        x, width = edge + side * (1.0 * seen - 0.8), 3.8 * who.ear * seen
        top, bottom = 49 - 4 * who.nod, 71 - 7 * who.nod
        ear = ellipse((x, (top + bottom) / 2), (width, (bottom - top) / 2), 0.4)
        brightness = np.clip(0.62 + 0.4 * side * who.light[0], 0.3, 1)
        paint(picture, ear, who.skin * brightness * np.array([1.0, 0.92, 0.90]))
        inner = ellipse((x + side * 0.15 * width, (top + bottom) / 2 - 1.5), (0.5 * width, 0.3 * (bottom - top)), 0.8)
        tint(picture, inner, (0.72, 0.62, 0.60), 0.8)


def draw_neck_and_clothes(rng, who, picture):
    top = 80 * SUPERSAMPLING
    picture, y = picture[top:], Y[top:]
    centre = 64 - 6 * who.turn + who.lean * (y - 60)
    beside = np.abs(X - centre) - who.neck_width - 0.25 * np.clip(y - 112, 0, None) ** 1.2
    v = np.clip((X - centre) / (np.abs(X - centre) - beside), -1.5, 1.5)
    round_light = np.clip(0.52 + who.light[2] * 0.25 - 0.25 * v ** 2 + 0.45 * v * who.light[0], 0.15, 1)
    below_chin = np.sqrt(np.clip((y - who.chin + 12) / 34, 0, 1))
    shadow = 0.35 + 0.45 * below_chin + 0.25 * np.clip(v ** 2, 0, 1) * (1 - below_chin)
    skin = coloured(round_light * shadow * (0.7 + 0.6 * who.ambient), who.skin)
    paint(picture, everywhere(coverage(-beside)), skin)
    _draw_clothes(rng, who, picture, y, centre, np.abs(v))


def _draw_clothes(rng, who, picture, y, centre, off_middle):
    """`off_middle` is 0 in the neck's middle and 1 at its sides."""
    cloth = (rng.uniform(0.05, 0.85) * rng.uniform(0.6, 1.2, 3)).astype(np.float32)
    collar = str(rng.choice(['round', 'open', 'high', 'shirt']))
    depth = {'round': 123, 'open': 131, 'high': 117, 'shirt': 128}[collar] + rng.normal(0, 1.5)
    height = depth - 111  # how far the collar dips between the sides of the neck
    dip = height * (1 - np.clip(off_middle, 0, 1) ** (1.3 if collar in ('open', 'shirt') else 2.4))
    edge_y = 111 + dip + 0.26 * np.clip(np.abs(X - centre) - who.neck_width, 0, None)
    folds = 1 + 0.05 * strands(rng, 0.5 * (X + 0.3 * Y), Y)[-len(y):]
    folds = folds + 0.5 * who.light[0] * np.clip((X - centre) / 64, -1, 1)
    rim = 1 - 0.35 * np.exp(-0.5 * ((y - edge_y - 1.5) / 1.2) ** 2)
    cover = coverage(y - edge_y)
    tint(picture, everywhere(blurred(cover, 1.5)), 0.75)
    paint(picture, everywhere(cover), np.clip(coloured(0.75 * folds * rim, cloth), 0, 1))
