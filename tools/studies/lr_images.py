"""LR images made otherwise than a network was trained for. Functions of HR faces [n, 128, 128, 3], YUV, to LR ones."""

import functools
import io

import jax.numpy as jnp
import numpy as np
from PIL import Image

from gln_jax import images
from gln_jax.data import photo_degradation

QUALITIES = {f'JPEG {quality}': quality for quality in (90, 70, 50)}


def compressed(hr, scale, degradation, quality):
    """LR images that were kept as JPEG files of this quality (chroma at half the resolution, as is usual).

    A quality of None is no JPEG: only rounded to 8 bits.
    """
    lr = images.to_bytes(images.yuv_to_rgb(images.degrade(hr, scale, degradation)))
    if quality is not None:
        lr = np.stack([_through_jpeg(image, quality) for image in lr])
    return images.rgb_to_yuv(jnp.asarray(lr, jnp.float32) / 255)


def noisy(hr, scale, degradation, sigma):
    """LR images with Gaussian noise of `sigma` / 255 in R, G and B, clipped; the same noise at every call."""
    rgb = images.yuv_to_rgb(images.degrade(hr, scale, degradation))
    noise = np.random.default_rng(0).normal(0, sigma / 255, rgb.shape).astype(np.float32)
    return images.rgb_to_yuv(jnp.clip(rgb + noise, 0, 1))


def wrong(config):
    """{name: function} of all that is tried; `config` has the network's `scale` and `degradation`."""
    trained_for = functools.partial(dict, scale=config.scale)
    other = 'gaussian' if config.degradation == 'bicubic' else 'bicubic'
    right = trained_for(degradation=config.degradation)
    found = {f'{other} reduction': functools.partial(images.degrade, **trained_for(degradation=other)),
             'rounded to 8 bits': functools.partial(compressed, **right, quality=None)}
    found |= {name: functools.partial(compressed, **right, quality=quality) for name, quality in QUALITIES.items()}
    return found | {f'noise {sigma}': functools.partial(noisy, **right, sigma=sigma) for sigma in (1, 3, 5)}


def jpeg_steps(name):
    """The quantisation steps [8, 8] of luminance that an LR image of one of these names was rounded by, None without JPEG."""
    return np.asarray(photo_degradation.quantization_table(QUALITIES[name])) if name in QUALITIES else None


def _through_jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'JPEG', quality=quality)
    return np.asarray(Image.open(file))
