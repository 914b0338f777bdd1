"""Every setting once, with its unit; validation; to and from JSON."""

import json
import math

from ml_collections import ConfigDict

from gln_jax import images
from gln_jax.runtime import errors, precision

NETWORKS = ('gln8', 'gln6', 'gln4', 'gln3', 'gn', 'gn_only', 'ln_only', 'fast', 'srcnn', 'bccnn')
DATA_NAMES = ('drawn', 'folder', 'lfw', 'celeb_a')
DISCRIMINATORS = ('paper', 'patch')
OPTIMIZERS = ('adam', 'sgd', 'muon')
FACE_SIZES = (128, 64, 32)
LOSSES = ('squared', 'absolute', 'charbonnier')

MAY_CHANGE_ON_RESUME = ('log', 'checkpoint', 'validation', 'data.decoded', 'data.workers',
                        'data.directory', 'adversarial.turns')
"""Settings that do not change what a step computes: a run may be continued with others."""

CONVENTIONS = 'conventions'  # in the JSON of a config, what `images.conventions` says

RETIRED = ('columns_at_once',)
"""Fields of older files that no longer say anything: how convolutions are computed is the layers' own (models/layers.py)."""


def default():
    """The settings of `configs/x8.py`, which the other configs change; all fields are locked against misspelling."""
    config = ConfigDict()
    config.name = 'x8'  # the default workdir is runs/<name>
    config.seed = 0
    config.scale = 8  # HR pixels per LR pixel: 8 (from 16x16), 4 (from 32x32) or, for photographs, 2 (from 64x64)
    config.face_size = 128  # height and width of an HR face, in pixels, one of FACE_SIZES: of less, faces are reduced
    config.network = 'gln8'  # one of NETWORKS
    config.compute_dtype = 'auto'  # of training's matrix work, one of precision.DTYPES; 'auto': bfloat16 but on CPUs
    config.degradation = 'gaussian'  # how LR images are made from HR images: one of images.DEGRADATIONS

    config.photo = ConfigDict()  # the degradation 'photo' (photo_degradation.py); ranges are uniform
    config.photo.clean = 0.15  # share of faces that get the degradation 'gaussian'; of the others:
    config.photo.blur_spared = 0.4  # share with the Gaussian blur of the scale
    config.photo.blur = (0.7, 1.4)  # its width without an antialiased reduction, over the scale's own
    config.photo.blur_antialiased = (0.0, 0.5)  # the same before an antialiased reduction
    config.photo.anisotropy = 0.4  # by up to this share, the blur is narrower along one direction than across
    config.photo.size_spared = 0.5  # share with as many pixels in the photograph as the LR face
    config.photo.size = (0.75, 1.5)  # pixels in the photograph for each of the LR face's
    config.photo.noise_spared = 0.5  # share without noise
    config.photo.noise = (0.5, 8.0)  # standard deviation at middle grey, in grey levels (0..255)
    config.photo.jpeg_spared = 0.25  # share without JPEG
    config.photo.quality = (40.0, 98.0)  # of JPEG
    config.photo.at_corner = 0.25  # share whose corner lies on that of a JPEG block, as of faces kept as files of their own

    config.fast = ConfigDict()  # the network 'fast', the middle one of three sizes
    config.fast.width = 96  # channels of the body, which works at 16x16
    config.fast.blocks = 8  # residual blocks of the body
    config.fast.upsampling_widths = (48, 32)  # channels after each doubling of height and width
    config.fast.upsampling_blocks = (2, 1)  # residual blocks after each
    config.fast.global_streams = True  # False is the ablation: convolutions alone

    config.data = ConfigDict()
    config.data.name = 'drawn'  # one of DATA_NAMES
    config.data.path = ''  # 'folder': the folder of aligned 128x128 faces
    config.data.directory = ''  # where prepared data sets are kept; '' is TFDS's own, ~/tensorflow_datasets
    config.data.source_weights = ''  # how often a face is drawn, by source: 'uspol:4,ffhq256:4'; the others weigh 1
    config.data.decoded = True  # keep the luminance beside the prepared faces, 16 kB each; False decodes at every visit
    config.data.workers = 0  # processes that read and augment; 0 is a thread of this process

    config.augmentation = ConfigDict()  # each face anew at every visit; ranges are uniform
    config.augmentation.flip = True  # mirror every second face
    config.augmentation.scale = 0.08  # enlarge or shrink by up to this share
    config.augmentation.shift = 3.0  # move by up to this many HR pixels along x and along y; whole ones without scale and roll
    config.augmentation.roll = 5.0  # turn by up to this many degrees
    config.augmentation.gamma = 0.1  # raise to a power of up to 1 +- this
    config.augmentation.contrast = 0.1  # stretch about the face's mean by up to 1 +- this

    config.optimizer = ConfigDict()
    config.optimizer.name = 'adam'  # one of OPTIMIZERS; 'muon' is for stage 1, with Adam in stage 2
    config.optimizer.learning_rate = 1e-3  # of stage 1, at its peak
    config.optimizer.warmup_steps = 500  # stage 1: the rate rises linearly over these, or over a tenth of its steps
    config.optimizer.final_learning_rate_share = 0.01  # stage 1: the rate falls to this share of its peak, as a cosine
    config.optimizer.momentum = 0.9  # 'sgd': momentum; 'adam': beta 1
    # The gradient's norm is cut to this; 0 is never. In the quickstart it lies between 3e7 and 1.5e8, and GN-Only begins
    # with 1e9: the largest are cut. But for SGD, biases count 255 times as much in it as they do in the paper's unit.
    config.optimizer.clip_norm = 1e8
    config.optimizer.average_decay = 0.999  # of the generator's EMA, which evaluation uses; 0 is none

    config.reconstruction = ConfigDict()  # stage 1
    config.reconstruction.loss = 'squared'  # one of LOSSES; the squared error is the paper's
    config.reconstruction.steps = 15_000  # 0 is for a run that begins with trained weights and makes stage 2 alone
    config.reconstruction.teacher = ''  # workdir, weights file or name of a network whose image is learnt too; '' is none
    config.reconstruction.teacher_share = 1.0  # of its image in what is learnt; the rest is the HR image
    config.reconstruction.batch_size = 128  # faces a step, over all devices (docs/tpu_compiler.md)

    config.adversarial = ConfigDict()  # stage 2
    config.adversarial.turns = 200  # cycles of discriminator and generator steps; 0 is no stage 2
    config.adversarial.discriminator = 'paper'  # one of DISCRIMINATORS; 'patch' judges patches (models/discriminators.py)
    config.adversarial.discriminator_steps = 10  # in each cycle, with the generator fixed
    config.adversarial.generator_steps = 50  # in each cycle, with the discriminator fixed
    config.adversarial.batch_size = 128
    config.adversarial.weight = 'auto'  # lambda in the paper's unit, '8e3' say; 'auto': the term is L_MS / 10 at first
    config.adversarial.generator_learning_rate = 1e-4
    config.adversarial.discriminator_learning_rate = 1e-4

    config.validation = ConfigDict()
    config.validation.split = 'val'  # what the progress line's PSNR is measured on; the data's own name for it
    config.validation.faces = 64  # so many of that split, evenly spread
    config.validation.test_split = 'test'  # what is scored when training has ended

    config.checkpoint = ConfigDict()
    config.checkpoint.every_steps = 1000
    config.checkpoint.keep = 2  # the last so many; the end of stage 1 is kept besides

    config.log = ConfigDict()
    config.log.every_seconds = 5.0  # terminal, metrics.jsonl and TensorBoard scalars
    config.log.pictures_every_steps = 1000  # TensorBoard sample grids and validation PSNR
    return config.lock()


def _range(least, most):
    return lambda value: least <= value <= most


_LIMITS = (
    ('a number above 0', lambda value: 0 < value < math.inf, (
        'reconstruction.batch_size', 'adversarial.batch_size', 'validation.faces', 'adversarial.discriminator_steps',
        'adversarial.generator_steps', 'optimizer.learning_rate', 'checkpoint.every_steps', 'checkpoint.keep',
        'log.pictures_every_steps', 'fast.width', 'fast.blocks')),
    ('a number of at least 0', lambda value: 0 <= value < math.inf, (
        'reconstruction.steps', 'adversarial.turns', 'data.workers', 'optimizer.warmup_steps', 'optimizer.clip_norm',
        'adversarial.generator_learning_rate', 'adversarial.discriminator_learning_rate', 'augmentation.shift',
        'augmentation.roll')),
    ('at least 0 and below 1', lambda value: 0 <= value < 1, (
        'optimizer.average_decay', 'optimizer.momentum', 'augmentation.scale', 'augmentation.gamma', 'augmentation.contrast')),
    ('above 0 and at most 1', lambda value: 0 < value <= 1, ('reconstruction.teacher_share',)),
    ('a share of 0 to 1', _range(0, 1), (
        'optimizer.final_learning_rate_share', 'photo.clean', 'photo.blur_spared', 'photo.size_spared', 'photo.noise_spared',
        'photo.jpeg_spared', 'photo.at_corner')),
    ('a share of 0 to 0.9', _range(0, 0.9), ('photo.anisotropy',)),
    ('a whole number of 0 to 2**32 - 1', _range(0, 2**32 - 1), ('seed',)))  # of more, JAX's random keys keep 32 bits
"""(what a value must be, whether it is, the fields that must be so)."""

_PAIRS = {'blur': (0, 4), 'blur_antialiased': (0, 4), 'size': (0.5, 4), 'noise': (0, 100), 'quality': (1, 100)}
"""The least and the most that the ranges of `config.photo` may have."""


def check(config):
    """Raises InputError naming the first field whose value cannot be used."""
    for field, known in (
            ('scale', tuple(images.BLUR_SIGMA)), ('face_size', FACE_SIZES), ('network', NETWORKS),
            ('compute_dtype', precision.DTYPES), ('degradation', images.DEGRADATIONS), ('data.name', DATA_NAMES),
            ('optimizer.name', OPTIMIZERS), ('reconstruction.loss', LOSSES), ('adversarial.discriminator', DISCRIMINATORS)):
        if field_of(config, field) not in known:
            raise errors.InputError(
                f'config.{field}: {field_of(config, field)!r} is not known; choose one of {", ".join(map(str, known))}')
    if config.data.name == 'folder' and not config.data.path:
        raise errors.InputError('config.data.path: name the folder of faces, --config.data.path=DIR')
    for needed, holds, fields in _LIMITS:
        for field in fields:
            if not holds(field_of(config, field)):
                raise errors.InputError(f'config.{field}: must be {needed}, is {field_of(config, field)}')
    for name, (least, most) in _PAIRS.items():
        if len(config.photo[name]) != 2 or not least <= config.photo[name][0] <= config.photo[name][1] <= most:
            raise errors.InputError(f'config.photo.{name}: must be two numbers of {least} to {most}, the smaller one first, '
                                    f'is {tuple(config.photo[name])}')
    if not config.reconstruction.steps and not config.adversarial.turns:
        raise errors.InputError('config.reconstruction.steps: 0, and no adversarial.turns either; there is nothing to do')
    _check_fast(config.fast)
    if config.scale == 2 and config.network != 'fast':
        raise errors.InputError(f'config.scale: 2 is for the network fast, and config.network is {config.network!r}')
    adversarial_weight(config)
    source_weights(config)


def _check_fast(fast):
    widths, blocks = fast.upsampling_widths, fast.upsampling_blocks
    if len(widths) != len(blocks):
        raise errors.InputError('config.fast.upsampling_blocks: must have as many numbers as upsampling_widths')
    if len(widths) > 3 or not all(isinstance(width, int) and width > 0 for width in widths):
        raise errors.InputError('config.fast.upsampling_widths: must be up to three numbers above 0, as three doublings of '
                                f'16x16 make {images.FACE_SIZE}x{images.FACE_SIZE}; is {tuple(widths)}')
    if not all(isinstance(number, int) and number >= 0 for number in blocks):
        raise errors.InputError(f'config.fast.upsampling_blocks: must be numbers of at least 0, is {tuple(blocks)}')
    if fast.global_streams and fast.width <= 16:
        raise errors.InputError(f'config.fast.width: must be above 16, which are of the global stream, is {fast.width}')


def adversarial_weight(config):
    """lambda of the generator's loss, a float in the paper's unit, or None where it is to be found ('auto')."""
    text = str(config.adversarial.weight)
    try:
        weight = None if text == 'auto' else float(text)
    except ValueError:
        weight = -1.0
    if weight is not None and not 0 <= weight < float('inf'):
        raise errors.InputError(f"config.adversarial.weight: must be 'auto' or a number of at least 0, is {text!r}")
    return weight


def source_weights(config):
    """{source: weight} of `config.data.source_weights`; sources that it does not name weigh 1."""
    weights = {}
    for part in filter(None, config.data.source_weights.split(',')):
        source, _, number = part.partition(':')
        try:
            weights[source.strip()] = float(number)
        except ValueError:
            weights[source.strip()] = -1.0
        if not 0 <= weights[source.strip()] < float('inf'):
            raise errors.InputError(
                f"config.data.source_weights: {part!r} is not 'source:weight' with a weight of at least 0")
    return weights


def to_json(config):
    """The settings, and beside them the constants of `images` that a network trained with them relies on."""
    return json.dumps(config.to_dict() | {CONVENTIONS: images.conventions(config.scale)}, indent=2, sort_keys=True)


def from_json(text):
    """The ConfigDict of `to_json`'s text. Fields that it lacks get their defaults.

    Raises:
        ValueError: the text is not such JSON, has a field that this version does not know or a value that `check` refuses,
            or belongs to faces of another alignment, luminance or blur than those of `images`.
    """
    fields, config = json.loads(text), default()
    try:
        theirs = fields.pop(CONVENTIONS, {})
        fields = {name: value for name, value in fields.items() if name not in RETIRED}
        config.update(fields)
        check(config)
    except (AttributeError, KeyError, TypeError, errors.InputError) as error:
        raise ValueError(str(error)) from error
    ours = json.loads(json.dumps(images.conventions(config.scale)))  # tuples as lists
    for name in theirs:
        if theirs[name] != ours.get(name):
            raise ValueError(f'made for faces whose {name} is {theirs[name]}, here {ours.get(name)}')
    return config


def differences(old, new):
    """Lines 'field: old value, new value' for each field in which two configs differ and may not, sorted."""
    old, new = _flat(old), _flat(new)
    return [f'{field}: {old.get(field)!r} there, {new.get(field)!r} now' for field in sorted(old.keys() | new.keys())
            if old.get(field) != new.get(field) and not field.startswith(MAY_CHANGE_ON_RESUME)]


def field_of(config, dotted_name):
    for name in dotted_name.split('.'):
        config = config[name]
    return config


def _flat(config, prefix=''):
    flat = {}
    for name, value in config.items():
        flat.update(_flat(value, f'{prefix}{name}.') if isinstance(value, ConfigDict) else {f'{prefix}{name}': value})
    return flat
