"""Who a drawn face shows and how: every random choice that decides the shape, colours, expression, pose and light."""

from types import SimpleNamespace

import numpy as np

SKIN_TONES = np.array([(0.97, 0.83, 0.75), (0.94, 0.77, 0.66), (0.88, 0.68, 0.54), (0.80, 0.59, 0.44),
                       (0.66, 0.45, 0.32), (0.48, 0.31, 0.22), (0.34, 0.22, 0.16)])
HAIR_COLOURS = {'black': (0.09, 0.08, 0.08), 'dark brown': (0.20, 0.13, 0.09), 'brown': (0.35, 0.23, 0.14),
                'auburn': (0.45, 0.20, 0.10), 'blond': (0.74, 0.58, 0.36), 'ash': (0.55, 0.46, 0.36),
                'grey': (0.52, 0.51, 0.50), 'white': (0.82, 0.81, 0.79)}
IRIS_COLOURS = {'brown': (0.26, 0.15, 0.08), 'hazel': (0.38, 0.29, 0.14), 'green': (0.36, 0.45, 0.30),
                'blue': (0.36, 0.52, 0.66), 'grey': (0.48, 0.53, 0.56)}

LONG_STYLES = ('long', 'curtains', 'bob', 'fringe', 'tied', 'curly')
SHORT_STYLES = ('short', 'side part', 'quiff', 'receding', 'buzz', 'bald', 'afro', 'curly')


def person(rng):
    """All traits of one face. Lengths are pixels of the 128x128 face; unnamed strengths lie in [0, 1]."""
    who = SimpleNamespace(masculine=float(rng.beta(0.6, 0.6)), age=float(rng.beta(1.2, 1.8)))
    _choose_colours(rng, who)
    _choose_pose_and_expression(rng, who)
    _choose_shape(rng, who)
    _choose_hair(rng, who)
    _choose_light(rng, who)
    for name, value in vars(who).items():  # NumPy numbers would turn whole pictures into float64
        if isinstance(value, (np.ndarray, np.floating)):
            setattr(who, name, value.astype(np.float32) if value.ndim else float(value))
    return who


def across(who, depth):
    """x on the canvas of a point in the face's middle plane, `depth` pixels in front of the eyes' plane."""
    return 64 + depth * who.turn + who.crooked * depth / 30


def _choose_colours(rng, who):
    tone = rng.uniform(0, len(SKIN_TONES) - 1) * rng.uniform(0.5, 1)
    lower = min(int(tone), len(SKIN_TONES) - 2)
    who.darkness = tone / (len(SKIN_TONES) - 1)
    who.skin = SKIN_TONES[lower] + (tone - lower) * (SKIN_TONES[lower + 1] - SKIN_TONES[lower])
    who.skin = np.clip(who.skin * rng.normal(1, [0.012, 0.012, 0.03]), 0, 1)
    names = list(HAIR_COLOURS)
    dark, fair = [0.6, 0.33, 0.05, 0.02, 0, 0, 0, 0], [0.12, 0.25, 0.25, 0.08, 0.18, 0.12, 0, 0]
    chances = np.array(dark if who.darkness > 0.42 else fair)
    if who.age > 0.7 and rng.random() < 0.6:
        chances = np.array([0, 0, 0, 0, 0, 0, 0.6, 0.4])
    who.hair_name = rng.choice(names, p=chances)
    who.hair = np.clip(np.array(HAIR_COLOURS[who.hair_name]) * rng.normal(1, 0.08) * rng.normal(1, 0.03, 3), 0.04, 0.95)
    who.brow = 0.7 * who.hair * (0.7 if who.hair.mean() > 0.4 else 1) + 0.06 * who.skin
    brown_only = who.darkness > 0.42 or who.hair_name == 'black'
    iris = 'brown' if brown_only or rng.random() < 0.35 else rng.choice(list(IRIS_COLOURS))
    who.iris = np.array(IRIS_COLOURS[iris]) * rng.normal(1, 0.1)
    who.lipstick = float(rng.uniform(0.3, 1)) * (who.masculine < 0.4 and rng.random() < 0.6)
    who.lips = np.array([0.88, 0.66, 0.66]) * (1 - who.lipstick) + who.lipstick * np.array(
        [(0.85, 0.35, 0.38), (0.80, 0.45, 0.50), (0.66, 0.28, 0.33), (0.95, 0.55, 0.52)][rng.integers(4)])
    who.freckles = float(rng.uniform(0.2, 1)) * (who.darkness < 0.3 and rng.random() < 0.2)


def _choose_pose_and_expression(rng, who):
    who.turn = float(np.clip(rng.normal(0, 0.14), -0.34, 0.34))  # tangent of the yaw; positive looks to the right
    who.nod = float(np.clip(rng.normal(0, 0.10), -0.22, 0.22))  # tangent of the pitch; positive looks down
    who.lean = float(rng.normal(0, 0.07))  # slope of the neck, what is left of the roll once the eyes are level
    who.crooked = float(rng.normal(0, 1.0))  # sideways shift of the chin
    who.smile = float(np.clip(rng.normal(0.35, 0.4), -0.3, 1))
    who.gap = float(rng.choice([0, rng.uniform(1.5, 4), rng.uniform(3, 8)], p=[0.5, 0.38, 0.12]))
    who.eye_opening = float(np.clip(rng.normal(1 - 0.12 * max(who.smile, 0), 0.13), 0.55, 1.3))
    who.frown = float(rng.normal(0, 0.6))
    who.gaze = rng.normal(0, [0.7, 0.25]) + np.array([who.turn * 3, 0])


def _choose_shape(rng, who):
    man = who.masculine
    who.eye_jitter = rng.normal(0, 0.25, (2, 2))
    who.cheek_width = rng.normal(39.5 + 1.0 * man, 1.8)
    who.chin = rng.normal(113.5 + 3.5 * man, 2.5) + 0.5 * who.gap - 8 * who.nod
    who.jaw_power = np.clip(rng.normal(2.3 + 0.7 * man, 0.35), 1.8, 4.0)
    who.temple = rng.uniform(0.02, 0.10)
    who.nose = rng.normal(77.5 + 1.2 * man, 1.8) + 13 * who.nod
    who.nose_width = np.clip(rng.normal(8.0 + 0.8 * man + 1.8 * who.darkness, 0.8), 6.3, 12)
    who.nose_length = rng.normal(10 + 1.5 * man - 1.5 * who.darkness, 1.0)
    who.mouth = 0.45 * who.nose + 0.55 * who.chin - rng.normal(4.6, 1.2) - 0.2 * who.gap
    who.mouth_width = rng.normal(14.2, 1.1) + 2.5 * max(who.smile, 0)
    who.upper_lip = np.clip(rng.normal(3.0 - 0.9 * man + 1.8 * who.darkness - 0.8 * who.age, 0.5), 1.2, 5)
    who.lower_lip = np.clip(who.upper_lip * rng.normal(1.35, 0.15), 2.2, 6.5)
    who.eye_width = rng.normal(8.9 - 0.3 * man, 0.45)
    who.eye_height = rng.normal(3.5 - 0.5 * man, 0.4)
    who.eye_slant = rng.normal(0.6, 0.6)
    who.lid_crease = float(rng.choice([0.15, rng.uniform(0.5, 1)], p=[0.2, 0.8]))
    who.brow_height = rng.normal(11.6 - 1.8 * man, 1.1) - 0.6 * who.frown + 5 * who.nod
    who.brow_thickness = np.clip(rng.normal(2.2 + 1.5 * man, 0.5), 1.3, 4.6)
    who.brow_arch = np.clip(rng.normal(2.6 - 1.2 * man, 0.8), 0, 5)
    who.ear = rng.normal(1, 0.15)
    who.neck_width = rng.normal(25 + 6 * man, 2)


def _choose_hair(rng, who):
    who.style = str(rng.choice(SHORT_STYLES, p=[0.28, 0.2, 0.12, 0.14, 0.1, 0.06, 0.05, 0.05]) if who.masculine > 0.5
                    else rng.choice(LONG_STYLES, p=[0.26, 0.22, 0.18, 0.14, 0.12, 0.08]))
    if who.style in ('receding', 'bald') and who.age < 0.3:
        who.style = 'short'
    who.part = float(rng.choice([-1, 1])) * rng.uniform(0.2, 0.6)
    who.hair_volume = float(rng.uniform(0, 1))
    who.hairline = float(np.clip(rng.normal(13, 4) + 10 * who.nod, 2, 22))
    who.wave = float(rng.uniform(0, 1)) ** 2
    who.hat = bool(rng.random() < 0.05)
    beard = 'none' if who.masculine < 0.55 else rng.choice(
        ['none', 'shadow', 'stubble', 'moustache', 'goatee', 'full'], p=[0.4, 0.2, 0.14, 0.07, 0.06, 0.13])
    who.beard = str(beard)
    who.glasses = str(rng.choice(['none', 'oval', 'square', 'thin', 'sun'], p=[0.82, 0.05, 0.06, 0.05, 0.02]))
    frames = [(0.06, 0.05, 0.05), (0.25, 0.13, 0.07), (0.35, 0.33, 0.32), (0.30, 0.07, 0.08)]
    who.frame = np.array(frames[rng.integers(4)])


def _choose_light(rng, who):
    light = np.array([rng.normal(0, 0.5), rng.uniform(-0.75, -0.15), rng.uniform(0.55, 1.0)])
    who.light = light / np.linalg.norm(light)  # towards the light: x to the right, y down, z to the viewer
    who.ambient = float(rng.uniform(0.22, 0.5))
    who.light_colour = np.clip(np.array([1, 1, 1]) + rng.normal(0, 0.07) * np.array([1, 0.1, -1]), 0.8, 1.2)
    who.exposure = float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.25))
    who.contrast = float(np.clip(rng.normal(1.08, 0.12), 0.8, 1.35))
