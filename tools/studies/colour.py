"""What restoring only the luminance costs in colour."""

import jax.numpy as jnp
import numpy as np

from gln_jax import images, metrics
from gln_jax.evaluation import scoring

METHODS = BICUBIC, BICUBIC_CHROMA, TRUE_CHROMA = 'bicubic', 'GLN, bicubic chroma', 'GLN, true chroma'
"""All channels bicubic; the network's Y with bicubic U and V; its Y with the truth's, the best that chroma can do."""


def psnr(upsampler, faces, config):
    """{method: dB [n]} of faces, over R, G and B together (protocol 'rgb').

    Args:
        upsampler: function of LR luminance [n, h, w, 1] to HR luminance [n, 128, 128, 1].
        faces: a list of faces with `.image` (uint8 RGB [128, 128, 3]).
        config: its `scale` and `degradation` say how LR images are made.
    """
    collected = {method: [] for method in METHODS}
    for start in range(0, len(faces), scoring.BATCH_SIZE):
        batch = [face.image for face in faces[start:start + scoring.BATCH_SIZE]]
        filled = np.stack(batch + [batch[-1]] * (scoring.BATCH_SIZE - len(batch)))
        truth = images.rgb_to_yuv(jnp.asarray(filled, jnp.float32) / 255)
        lr = images.degrade(truth, config.scale, config.degradation)
        bicubic, luminance = images.upsample(lr, config.scale, 'bicubic'), upsampler(lr[..., :1])
        restored = {BICUBIC: bicubic,
                    BICUBIC_CHROMA: jnp.concatenate([luminance, bicubic[..., 1:]], axis=-1),
                    TRUE_CHROMA: jnp.concatenate([luminance, truth[..., 1:]], axis=-1)}
        for method, yuv in restored.items():
            values = metrics.psnr(np.asarray(images.yuv_to_rgb(yuv)), np.asarray(images.yuv_to_rgb(truth)), 'rgb')
            collected[method] += values[:len(batch)].tolist()
    return collected
