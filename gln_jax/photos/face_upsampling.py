"""LR faces through a network, and how far what comes out can be held against what went in."""

import copy
import functools
from typing import NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images, weights
from gln_jax.models import factory
from gln_jax.photos import consistency, uncertainty
from gln_jax.runtime import errors, processes

SHIFT = 0.25  # LR pixels, or one HR pixel, by which a face is moved to see how much the network's answer depends on its place

LIMITS = {8: 22.4, 4: 41, 2: 78}
"""{scale of a network for photographs: pixels from which on the next one, or interpolation, keeps more of a face}: on faces of
val, clean and as JPEG (`measure_sizes`)."""

SCALES = tuple(LIMITS)

WAYS = ((0.0, 0.25), (1.75, 0.25), (2.76, 0.35), (3.64, 0.53), (4.59, 0.82), (5.15, 1.0), (5.56, 1.08), (5.87, 1.15))
"""(`strength` of JPEG, share of the way from the network without damage to the one that was trained with it), by PSNR on faces
of val of quality 98, 95, 90, 80, 70, 60 and 50 for 8x and 4x; without JPEG a little on the side of noise."""

MOST_BETWEEN = 4  # networks in between that are kept

_to_yuv = jax.jit(images.rgb_to_yuv)


def strength(jpeg_steps):
    """How strong JPEG was: the logarithm to base 2 of 1 + the mean step, 0 of no JPEG."""
    return 0.0 if jpeg_steps is None else float(np.log2(1 + np.mean(jpeg_steps)))


class Disagreement(NamedTuple):
    """RMS differences in grey levels (0..255) between outputs that ought to be one and the same."""

    mirrored: float  # for the mirrored input, mirrored back
    shifted: float  # for the input moved by SHIFT along x and along y, moved back; the larger of both


class RestoredFaces(NamedTuple):
    rgb: np.ndarray  # uint8 [n, 128, 128, 3]
    luminance: np.ndarray  # float32 [n, 128, 128] in [0, 1]
    network_consistency: list  # of floats in dB, as returned by `consistency.consistency`, before any back-projection
    consistency: list  # the same, of what is returned, with the slack that JPEG leaves
    disagreement: list  # of Disagreement, or of None where it was not asked for


class FaceUpsampler:
    """A network with its weights, compiled for one batch shape only.

    With `undamaged`, a network of the same kind that knows no damage, it restores by weights between both: as far from it as
    JPEG has damaged a photograph (`for_jpeg`, by `weights.mixed`). `scale`, `lr_size` and `degradation` say which LR faces it
    takes, `description` where it comes from; `calibration` is its `uncertainty.Calibration`, or None. A face that spans less than
    `fewest_pixels` is one for another network, or at 8x for none. `note` is for photographs with a face that it restored, or None.
    """

    _undamaged = note = None

    def __init__(self, loaded, batch_size=4, undamaged=None):
        """`loaded`, `undamaged`: each a `weights.Loaded`; `batch_size`: faces that go through the network at once."""
        processes.check_is_no_fork()
        self.scale, self.degradation = loaded.config.scale, loaded.config.degradation
        self.lr_size = images.FACE_SIZE // self.scale
        self.description = loaded.description
        self.fewest_pixels = LIMITS.get(2 * self.scale, 0.9 * self.lr_size)
        self.calibration = uncertainty.from_dict(loaded.card['trust']) if 'trust' in loaded.card else None
        self.batch_size = batch_size
        self._network = factory.upsampler(loaded.config, loaded.parameters)
        self._own, self._undamaged, self._between = loaded.parameters, undamaged and undamaged.parameters, {}
        self._own_share = loaded.card.get('share', 1.0)  # of the way, at which the weights in the file lie

    def for_jpeg(self, jpeg_steps):
        """The FaceUpsampler for photographs whose luminance was rounded by these steps, [8, 8] in grey levels; None is no JPEG."""
        if self._undamaged is None:
            return self
        share = round(float(np.interp(strength(jpeg_steps), *zip(*WAYS))), 2)
        if share not in self._between:
            other = copy.copy(self)
            way = share / self._own_share
            parameters = weights.mixed((1 - way, self._undamaged), (way, self._own))
            other._network, other._undamaged = functools.partial(self._network.func, parameters), None
            self._between = {**dict(list(self._between.items())[-MOST_BETWEEN + 1:]), share: other}
        return self._between[share]

    def __call__(self, lr):
        """HR luminance float32 [n, 128, 128, 1] in [0, 1] of LR luminance float32 [n, lr_size, lr_size, 1] in [0, 1].

        Raises RunError where the network's answer is not finite.
        """
        parts = []
        for start in range(0, len(lr), self.batch_size):
            batch = np.asarray(lr[start:start + self.batch_size], np.float32)
            filled = np.concatenate([batch, np.repeat(batch[-1:], self.batch_size - len(batch), axis=0)])
            parts.append(np.asarray(self._network(filled))[:len(batch)])
        hr = np.concatenate(parts)
        if not np.isfinite(hr).all():
            raise errors.RunError(f'{self.description}: gave values that are not finite; are these the weights of a '
                                  'training that diverged?')
        return np.clip(hr, 0, 1)

    def with_disagreement(self, lr):
        """(HR luminance [n, 128, 128, 1], [Disagreement of each]); four times the work of a plain call."""
        step = max(1, round(SHIFT * self.scale))  # HR pixels
        moves = [(step / self.scale, 0), (0, step / self.scale)]
        variants = np.stack([lr, lr[:, :, ::-1], *(_moved(lr, *move) for move in moves)], axis=1)
        hr = self(variants.reshape(-1, *lr.shape[1:]))
        hr = hr.reshape(*variants.shape[:2], images.FACE_SIZE, images.FACE_SIZE, 1)
        plain, mirrored, right, down = hr.swapaxes(0, 1)
        disagreements = [
            Disagreement(_rms(face - mirrored[i][:, ::-1]),
                         max(_rms(face[:, :-step] - right[i][:, step:]), _rms(face[:-step] - down[i][step:])))
            for i, face in enumerate(plain)]
        return plain, disagreements


def restore(upsampler, lr_rgb, consistent=False, disagreement=False, slack=None):
    """`RestoredFaces` of LR faces in colour: luminance by a FaceUpsampler, chroma bicubic.

    Args:
        lr_rgb: float32 [n, lr_size, lr_size, 3] in [0, 1]. A grey face stays grey to the bit.
        consistent: whether `consistency.back_projected` is applied.
        disagreement: whether it is measured.
        slack: float32 [n, 8, 8], how far JPEG leaves open what the faces were (`consistency.slack`); None is not at all.
    """
    slack = np.zeros((len(lr_rgb), 8, 8), np.float32) if slack is None else slack
    scale, degradation = upsampler.scale, upsampler.degradation
    yuv = np.asarray(_to_yuv(lr_rgb))
    lr = yuv[..., :1]
    hr, measured = upsampler.with_disagreement(lr) if disagreement else (upsampler(lr), [None] * len(lr))
    is_grey = (lr_rgb == lr_rgb[..., :1]).all(axis=(1, 2, 3), keepdims=True)  # its U and V are zero but for rounding
    chroma = np.where(is_grey, 0, yuv[..., 1:])
    rgb, hr, *consistencies = _finished(hr, lr, chroma, slack, scale, degradation, consistent)
    return RestoredFaces(images.to_bytes(rgb), np.asarray(hr[..., 0]), *(dB.tolist() for dB in consistencies),
                         measured)


@functools.partial(jax.jit, static_argnums=(4, 5, 6))  # as one, which is compiled a second sooner than each by itself
def _finished(hr, lr, chroma, slack, scale, degradation, consistent):
    """(RGB, luminance, consistency of the network's output, consistency of what is returned), of n faces."""
    of_network = consistency.consistency(hr, lr, scale, degradation)
    if consistent:
        hr = consistency.back_projected(hr, lr, scale, degradation, slack)
    of_result = consistency.consistency(hr, lr, scale, degradation, slack)
    rgb = images.yuv_to_rgb(jnp.concatenate([hr, images.upsample(chroma, scale, 'bicubic')], axis=-1))
    return rgb, hr, of_network, of_result


def load(path, scale=None, batch_size=4, sharpness=None):
    """The FaceUpsampler of a workdir, a checkpoint, a weights file or a released name.

    Args:
        path: what `weights.load_generator` takes; None is `weights.best_for_photographs` of the scale, or of 8.
        scale: 2, 4 or 8, the scale that it has to have; None takes whatever it has.
        sharpness: as in `weights.sharpened`; None leaves the network as it is.
    Raises:
        InputError: there is none, it is damaged, its scale or the size of its faces is another, or it has no such sharpness.
    """
    if path is None:
        path = weights.best_for_photographs(scale or 8)
    loaded = weights.load_generator(path)
    if scale not in (None, loaded.config.scale):
        raise errors.InputError(f'{path}: is a network for {loaded.config.scale}x, and the scale asked for is '
                                f'{scale}x; give a network for {scale}x or leave the scale to it')
    if loaded.config.face_size != images.FACE_SIZE:
        raise errors.InputError(f'{path}: is a network for faces of {loaded.config.face_size} pixels; photographs need one '
                                f'for {images.FACE_SIZE}')
    undamaged = weights.load_generator(loaded.card['undamaged']) if 'undamaged' in loaded.card else None
    if sharpness is not None:
        loaded, undamaged = (each and weights.sharpened(each, sharpness) for each in (loaded, undamaged))
    return FaceUpsampler(loaded, batch_size, undamaged)


def load_each_scale(batch_size=4, sharpness=None):
    """The FaceUpsamplers of `weights.best_for_photographs` of each of SCALES, for `for_size`. Raises InputError as `load`.

    That for 2x stays as it is at any sharpness, since there is no adversarial one, and its `note` says so.
    """
    upsamplers = tuple(load(None, scale, batch_size, sharpness if scale != 2 else None) for scale in SCALES)
    if sharpness:
        upsamplers[-1].note = f'no sharpness for faces of {LIMITS[4]} pixels and more: {upsamplers[-1].description} has no adversarial partner'
    return upsamplers


def for_size(upsamplers, source_pixels):
    """The upsampler for a face that spans so many pixels, or None where interpolation keeps more of it than any.

    upsamplers: one that is for all sizes below 128 pixels, since somebody chose it, or several of rising `lr_size`.
    """
    reduced_to = [(images.FACE_SIZE if len(upsamplers) == 1 else LIMITS[upsampler.scale], upsampler)
                  for upsampler in upsamplers]
    return next((upsampler for limit, upsampler in reduced_to if source_pixels < limit), None)


def _moved(lr, right, down):
    transform = np.array([[1.0, 0, right], [0, 1, down]])
    size = lr.shape[1:3]
    return np.stack([cv2.warpAffine(face, transform, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REPLICATE)
                     for face in lr[..., 0]])[..., None]


def _rms(difference):
    return float(255 * np.sqrt(np.mean(np.square(difference))))
