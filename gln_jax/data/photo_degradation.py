"""LR faces as photographs hold them: blurred by an unknown width, reduced by an unknown kernel, noisy, JPEG.

The order is that of BSRGAN (Zhang et al. 2021) and Real-ESRGAN (Wang et al. 2021) with one pass: blur, reduction, noise,
JPEG. Then the face is brought from the photograph's pixels to the LR grid, as `alignment.lr_face` does it with a face of a
real photograph. JPEG acts on luminance alone, as that is what the networks take. What a face gets depends on a key and the
face's number alone, so that a batch is the same over any number of devices.

Not covered: a face that is turned against the photograph's pixels, sharpening, JPEG twice over.
"""

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images

KERNELS = ('sampled', 'area', 'bilinear', 'bicubic', 'lanczos')
"""How a photograph is reduced. 'sampled' is bicubic without antialiasing, the others are antialiased."""

BLOCK = 8  # pixels along the sides of a JPEG block

LUMINANCE_TABLE = np.array([
    [16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56],
    [14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92],
    [49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]], np.float32)
"""Steps of quantisation at quality 50, rows by vertical frequency (ITU-T T.81, table K.1)."""

BORDER = 16
"""HR pixels of nothing beside a face, so that the blur in the Fourier domain does not bring one side to the other."""

CORRELATION = np.array([0.25, 0.5, 0.25])
"""The filter, along both axes, of noise that demosaicing has spread over neighbours."""

QUADRATURE = np.polynomial.hermite_e.hermegauss(7)
"""Places in standard deviations and weights, by which a Gaussian of what is interpolated becomes a sum."""


def degrade(hr, scale, settings, key, first=0):
    """LR luminance [n, h / scale, h / scale, 1] in [0, 1] of HR luminance [n, h, h, 1] in [0, 1].

    Args:
        scale: HR pixels per LR pixel.
        settings: `config.photo`, or a dict of what it holds.
        key: JAX's random key.
        first: number of the first face; face i gets what `key` and the number first + i say.
    """
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, first + jnp.arange(len(hr)))
    clean = images.degrade(hr, scale)
    damaged, is_clean = jax.vmap(lambda face, own: _one(face, scale, settings, own))(hr[..., 0], keys)
    return jnp.where(is_clean[:, None, None, None], clean, damaged[..., None])


def _one(hr, scale, settings, key):
    """(the damaged LR face [h, w] of one face, whether it is to be left clean)."""
    drawn = iter(jax.random.uniform(key, (24,)))
    between = lambda low_and_high: low_and_high[0] + (low_and_high[1] - low_and_high[0]) * next(drawn)
    is_clean, spares_blur, spares_size, spares_noise, spares_jpeg = (
        next(drawn) < settings[name] for name in ('clean', 'blur_spared', 'size_spared', 'noise_spared', 'jpeg_spared'))
    lr_size = len(hr) // scale

    size = jnp.where(spares_size, 1.0, between(settings['size'])) * lr_size
    corner = jnp.stack([next(drawn), next(drawn)]) * BLOCK  # of the face, on the photograph's pixels from a block's corner
    corner = jnp.where(spares_size, jnp.floor(corner), corner) * (next(drawn) >= settings['at_corner'])
    pitch = len(hr) / size

    kernel = jnp.where(spares_blur, 0, jnp.floor(len(KERNELS) * jnp.maximum(0, 1.4 * next(drawn) - 0.4)))
    width = jnp.where(kernel == 0, between(settings['blur']), between(settings['blur_antialiased']))
    ratio, angle = 1 - next(drawn) * settings['anisotropy'], jnp.pi * next(drawn)
    own = images.BLUR_SIGMA[scale] * jnp.sqrt((pitch**2 - 1) / (scale**2 - 1))  # see alignment.lr_face
    width, ratio = own * jnp.where(spares_blur, 1, width), jnp.where(spares_blur, 1, ratio)
    image = blurred(hr, width * ratio**0.5, width * ratio**-0.5, angle)

    canvas = canvas_size(lr_size, settings['size'][1])
    rows, columns = (_reduction(canvas, len(hr), pitch, start, kernel) for start in corner)
    image = rows @ image @ columns.T

    noise = jax.random.normal(jax.random.fold_in(key, 1), (canvas, canvas))
    noise = jnp.where(next(drawn) < 0.5, noise, _spread(noise))
    constant = next(drawn)
    deviation = between(settings['noise']) / 255 * jnp.sqrt(constant + (1 - constant) * 2 * jnp.clip(image, 0, 1))
    image = image + jnp.where(spares_noise, 0, deviation) * noise

    image = jnp.round(255 * jnp.clip(image, 0, 1))
    image = jnp.where(spares_jpeg, image, jpeg(image, between(settings['quality']))) / 255

    missing = images.BLUR_SIGMA[scale]**2 - own**2
    rows, columns = (_to_grid(canvas, lr_size, scale, pitch, start, jnp.sqrt(jnp.maximum(missing, 0))) for start in corner)
    return jnp.clip(rows @ image @ columns.T, 0, 1), is_clean


def canvas_size(lr_size, largest_size):
    """Pixels, whole blocks, along the sides of the part of a photograph that holds a face wherever blocks begin."""
    return BLOCK * int(np.ceil((largest_size * lr_size + BLOCK) / BLOCK))


def blurred(image, sigma_along, sigma_across, angle):
    """An image [H, W] blurred by a Gaussian of these sigmas in pixels, along `angle` (radians) and across.

    At the borders only the pixels that exist count, as in `images.degrade`.
    """
    padded = jnp.pad(jnp.stack([image, jnp.ones_like(image)]), ((0, 0), (0, BORDER), (0, BORDER)))
    down, right = jnp.fft.fftfreq(padded.shape[1])[:, None], jnp.fft.rfftfreq(padded.shape[2])
    along = right * jnp.cos(angle) + down * jnp.sin(angle)
    across = down * jnp.cos(angle) - right * jnp.sin(angle)
    passed = jnp.exp(-2 * jnp.pi**2 * ((sigma_along * along) ** 2 + (sigma_across * across) ** 2))
    sums, weights = jnp.fft.irfft2(jnp.fft.rfft2(padded) * passed, padded.shape[1:])
    return (sums / weights)[:-BORDER, :-BORDER]


def jpeg(image, quality):
    """Grey levels [H, W], whole numbers in 0..255, as a JPEG of this quality (1 to 100) gives them back.

    H and W are multiples of 8. It differs from libjpeg's by at most one grey level, by rounding on the way back.
    """
    steps = quantization_table(quality)[:, None, :]
    blocks = image.reshape(image.shape[0] // BLOCK, BLOCK, -1, BLOCK)
    coefficients = dct(blocks.astype(jnp.int32) - 128) / 8
    numbers = jnp.sign(coefficients) * jnp.floor(jnp.abs(coefficients) / steps + 0.5)
    blocks = jnp.einsum('ky,akbl,lx->aybx', DCT, numbers * steps, DCT, precision='highest')
    return jnp.clip(jnp.round(blocks + 128), 0, 255).reshape(image.shape)


def dct(blocks):
    """Eight times the orthonormal DCT of int32 [rows, 8, columns, 8], with the roundings of libjpeg's (jfdctint.c)."""
    by_rows = _shifted(jnp.einsum('aybx,lx->aybl', blocks, INTEGER_DCT), INTEGER_BITS - 2)
    return _shifted(jnp.einsum('ky,aybl->akbl', INTEGER_DCT, by_rows), INTEGER_BITS + 2)


def _shifted(numbers, bits):
    """Whole numbers divided by 2^bits, rounded."""
    return (numbers + (1 << bits - 1)) >> bits


def quantization_table(quality):
    """The steps [8, 8] of luminance at a quality of 1 to 100, as the Independent JPEG Group makes them."""
    percent = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    return jnp.clip(jnp.floor((LUMINANCE_TABLE * percent + 50) / 100), 1, 255)


def _dct():
    """The matrix float32 [8, 8] of the orthonormal DCT: frequencies x pixels."""
    frequency, pixel = np.arange(BLOCK)[:, None], np.arange(BLOCK)
    matrix = np.cos(np.pi * frequency * (pixel + 0.5) / BLOCK) * np.sqrt(2 / BLOCK)
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


def _integer_dct():
    """The matrix int32 [8, 8] that jfdctint.c multiplies by along one axis, sqrt(8) * 2^13 times the orthonormal one.

    The method is that of Loeffler, Ligtenberg and Moschytz (1989), whose eight constants libjpeg rounds to 13 bits.
    """
    first, second = np.eye(BLOCK)[:4], np.eye(BLOCK)[:3:-1]
    (a, b, c, d), (h, g, f, e) = first + second, first - second
    odd = 1.175875602, 0.298631336, 2.053119869, 3.072711026, 1.501321110, -0.899976223, -2.562915447, -1.961570560, -0.390180644
    both, of_e, of_f, of_g, of_h, of_eh, of_fg, of_eg, of_fh = (np.round(constant * 2**INTEGER_BITS) for constant in odd)
    low, of_second, of_sixth = (np.round(constant * 2**INTEGER_BITS) for constant in (0.541196100, 0.765366865, -1.847759065))
    shared = both * (e + f + g + h)
    eg, fh, eh, fg = of_eg * (e + g) + shared, of_fh * (f + h) + shared, of_eh * (e + h), of_fg * (f + g)
    rows = [2**INTEGER_BITS * (a + b + c + d), of_h * h + eh + fh, low * (a - d + b - c) + of_second * (a - d),
            of_g * g + fg + eg, 2**INTEGER_BITS * (a + d - b - c), of_f * f + fg + fh,
            low * (a - d + b - c) + of_sixth * (b - c), of_e * e + eh + eg]
    return np.array(rows).astype(np.int32)


INTEGER_BITS = 13
DCT, INTEGER_DCT = _dct(), _integer_dct()


def _reduction(canvas, hr_size, pitch, start, kernel):
    """The matrix [canvas, hr_size] from HR pixels to those of a photograph, of which a face covers `start` and on."""
    last = hr_size - 1
    centres = (jnp.arange(canvas) - start + 0.5) * pitch - 0.5
    centres = last - jnp.abs(last - jnp.mod(centres, 2 * last))  # beyond the face, the mirrored face
    distance = jnp.abs(jnp.arange(hr_size) - centres[:, None])
    kinds = [_keys(distance), jnp.clip((pitch + 1) / 2 - distance, 0, 1), jnp.maximum(0, 1 - distance / pitch),
             _keys(distance / pitch), _lanczos(distance / pitch, 3)]
    return _normalized(jnp.select([kernel == number for number in range(len(KERNELS) - 1)], kinds[:-1], kinds[-1]))


def _to_grid(canvas, lr_size, scale, pitch, start, missing_blur):
    """The matrix [lr_size, canvas] from a photograph's pixels to LR ones: interpolation, and the blur that is missing."""
    centres = scale * jnp.arange(lr_size) + (scale - 1) / 2
    weights = 0
    for place, weight in zip(*QUADRATURE):
        at = (centres + missing_blur * place + 0.5) / pitch - 0.5 + start
        weights += weight * _normalized(_lanczos(jnp.abs(jnp.arange(canvas) - at[:, None]), 4))
    return _normalized(weights)


def _normalized(weights):
    return weights / weights.sum(axis=1, keepdims=True)


def _keys(distance):
    near, far = (1.5 * distance - 2.5) * distance**2 + 1, ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return jnp.where(distance < 1, near, jnp.where(distance < 2, far, 0))


def _lanczos(distance, lobes):
    return jnp.where(distance < lobes, jnp.sinc(distance) * jnp.sinc(distance / lobes), 0)


def _spread(noise):
    """White noise [H, W] made correlated, of the same variance."""
    size = len(noise)
    matrix = sum(weight * np.eye(size, k=shift) for weight, shift in zip(CORRELATION, (-1, 0, 1)))
    matrix = (matrix / np.sqrt((matrix**2).sum(axis=1, keepdims=True))).astype(np.float32)
    return matrix @ noise @ matrix.T
