"""Pure array functions on images: luminance and chroma, degradation, interpolation.

Images are float32 in [0, 1] with shape [..., height, width, channels] unless a docstring says otherwise. Pixel (0, 0)
is centred at (0, 0); an LR pixel i at scale s is centred at HR position s * i + (s - 1) / 2, as in Pillow and MATLAB.
"""

import functools

import jax.numpy as jnp
import numpy as np

FACE_SIZE = 128  # height and width of an HR face, in pixels

TEMPLATE_EYES = ((45.5, 50.0), (82.5, 50.0))
"""Eye centres (x, y) of an aligned HR face, in pixels: the left one in the image first."""

LUMINANCE_WEIGHTS = (0.299, 0.587, 0.114)  # shares of R, G and B in Y (ITU-R BT.601), as in the paper's YUV (section 4)

BLUR_SIGMA = {2: 0.6, 4: 1.2, 8: 2.4}
"""Standard deviation of the paper's Gaussian blur, in HR pixels, for each scale; the paper has no 2x."""

DEGRADATIONS = ('gaussian', 'bicubic', 'photo')
"""'photo' is for training: it damages faces at random (photo_degradation.py). Of faces that nothing damaged it is 'gaussian'."""


def conventions(scale):
    """What the faces that a network was trained on have in common, by name; with faces made otherwise it fails silently."""
    return {'template_eyes': TEMPLATE_EYES, 'luminance_weights': LUMINANCE_WEIGHTS, 'blur_sigma': BLUR_SIGMA[scale]}


def luminance(rgb):
    """Y in [0, 1], shape [..., H, W, 1], of RGB in [0, 1], shape [..., H, W, 3]."""
    return jnp.dot(rgb, jnp.array(LUMINANCE_WEIGHTS), precision='highest')[..., None]


def rgb_to_yuv(rgb):
    """Y in [0, 1], U in [-0.436, 0.436] and V in [-0.615, 0.615] of RGB in [0, 1]; both [..., H, W, 3]."""
    y = luminance(rgb)[..., 0]
    return jnp.stack([y, 0.492 * (rgb[..., 2] - y), 0.877 * (rgb[..., 0] - y)], axis=-1)


def yuv_to_rgb(yuv):
    """The inverse of `rgb_to_yuv`, clipped to [0, 1]. Where U and V are 0, R, G and B are equal to the bit."""
    red_weight, green_weight, blue_weight = LUMINANCE_WEIGHTS
    y, blue_difference, red_difference = yuv[..., 0], yuv[..., 1] / 0.492, yuv[..., 2] / 0.877
    green_difference = -(red_weight * red_difference + blue_weight * blue_difference) / green_weight
    return jnp.clip(jnp.stack([y + red_difference, y + green_difference, y + blue_difference], axis=-1), 0, 1)


def of_size(hr, size):
    """Images [..., size, size, C] from [..., n * size, n * size, C]: the mean of each n x n pixels."""
    times = hr.shape[-2] // size
    if times == 1:
        return hr
    return hr.reshape(*hr.shape[:-3], size, times, size, times, hr.shape[-1]).mean(axis=(-4, -2))


def degrade(hr, scale, degradation='gaussian'):
    """LR images [..., H/scale, W/scale, C] from HR images [..., H, W, C].

    'gaussian' is the paper's: a Gaussian blur of `BLUR_SIGMA[scale]` HR pixels, then subsampling at the centres of the
    LR pixels (section 4), and so is 'photo' here, without damage. 'bicubic' is antialiased bicubic, as MATLAB's imresize and
    Pillow's BICUBIC make it. At the borders both use only the pixels that exist, with their weights scaled up to sum to one.
    """
    return _resample(hr, *(reduction_matrix(size, scale, degradation) for size in hr.shape[-3:-1]))


def upsample(lr, scale, method):
    """HR images [..., H*scale, W*scale, C]: `method` is 'nearest', 'bilinear' or 'bicubic' (Keys, a = -0.5).

    Bicubic may leave [0, 1] by a little at sharp edges; nothing is clipped here.
    """
    if method == 'nearest':
        return jnp.repeat(jnp.repeat(lr, scale, axis=-3), scale, axis=-2)
    return _resample(lr, *(enlargement_matrix(size, scale, method) for size in lr.shape[-3:-1]))


def _resample(images, rows, columns):
    """In float32, whatever the images come and go in."""
    images = jnp.asarray(images)
    return jnp.einsum('yh,...hwc,xw->...yxc', rows, images, columns, precision='highest').astype(images.dtype)


def bicubic_kernel(distance):
    """Keys's kernel (a = -0.5) at distances of at least 0, in pixels of the coarser grid; an array like `distance`."""
    near, far = (1.5 * distance - 2.5) * distance**2 + 1, ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def gaussian_reduction(size, scale, sigma):
    """The matrix float32 [size / scale, size] of a Gaussian blur of `sigma` HR pixels, then subsampling by `scale`."""
    return _weights(size, size // scale, lambda distance: np.exp(-0.5 * (distance / sigma) ** 2))


@functools.cache
def reduction_matrix(size, scale, degradation):
    """The matrix float32 [size / scale, size] by which `degrade` reduces columns, and rows as well."""
    if degradation == 'bicubic':
        return _weights(size, size // scale, lambda distance: bicubic_kernel(distance / scale))
    if degradation not in ('gaussian', 'photo'):
        raise ValueError(f'degradation {degradation!r}: known are {", ".join(DEGRADATIONS)}')
    return gaussian_reduction(size, scale, BLUR_SIGMA[scale])


@functools.cache
def enlargement_matrix(size, scale, method):
    """The matrix float32 [size * scale, size] by which `upsample` enlarges columns, and rows; not for 'nearest'."""
    return _weights(size, size * scale, {'bilinear': lambda distance: np.maximum(0, 1 - distance), 'bicubic': bicubic_kernel}[method])


def _weights(size, new_size, kernel):
    """The matrix float32 [new_size, size] that resamples; `kernel` is of the old pixels' distance from new centres."""
    centres = (np.arange(new_size)[:, None] + 0.5) * size / new_size - 0.5
    weights = kernel(np.abs(np.arange(size) - centres))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def to_bytes(picture):
    """uint8 of a picture in [0, 1], rounded; what lies outside is clipped."""
    return np.round(255 * np.clip(np.asarray(picture, np.float32), 0, 1)).astype(np.uint8)
