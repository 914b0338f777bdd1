"""The paper's losses (section 3), from arrays to scalars.

Images come in [0, 1]; here alone they are brought to the paper's unit, pixels in 0..255 with the squared error *summed*
over the pixels, so that a lambda or a learning rate quoted from the paper means the same. D(.) is the probability that
an image is a reconstruction; it comes as the discriminator's logits,
[n, 2], or [n, h, w, 2] where it judges patches: every mean is then one over patches too.
"""

import jax
import jax.numpy as jnp

RECONSTRUCTION = 1  # which of the discriminator's two classes means 'a reconstruction'; the other means 'a real HR image'

CHARBONNIER = 0.255
"""The error, in grey levels, about which Charbonnier's loss turns from squared to absolute: LapSRN's 1e-3 of the range."""


def reconstruction_loss(sr, hr):
    """L_MS = (1/n) sum_i ||G(xL_i) - xH_i||^2, for images [n, H, W, 1] in [0, 1]."""
    return jnp.sum(jnp.square(255 * (sr - hr))) / len(hr)


def absolute_loss(sr, hr):
    """(1/n) sum_i |G(xL_i) - xH_i|, for images as in `reconstruction_loss`: not the paper's."""
    return jnp.sum(jnp.abs(255 * (sr - hr))) / len(hr)


def charbonnier_loss(sr, hr):
    """(1/n) sum_i sqrt((G(xL_i) - xH_i)^2 + CHARBONNIER^2), for the same images (Lai et al. 2017, LapSRN): smooth at zero."""
    return jnp.sum(jnp.sqrt(jnp.square(255 * (sr - hr)) + CHARBONNIER**2)) / len(hr)


STAGE_1 = {'squared': reconstruction_loss, 'absolute': absolute_loss, 'charbonnier': charbonnier_loss}
"""What stage 1 can minimise, by its name in the config; the paper minimises the squared error."""


def adversarial_loss(sr_logits):
    """-(1/n) sum_i log(1 - D(G(xL_i))): small where the discriminator takes reconstructions for real, by its logits.

    The generator's loss is L_G = L_MS + lambda times this (`training.steps`).
    """
    return -jnp.mean(_log_real(sr_logits))


def discriminator_loss(hr_logits, sr_logits):
    """L_D = -(1/2n) sum_i [log(1 - D(xH_i)) + log D(G(xL_i))], for the logits of both."""
    return -(jnp.mean(_log_real(hr_logits)) + jnp.mean(_log_reconstruction(sr_logits))) / 2


def discriminator_accuracy(hr_logits, sr_logits):
    """Share in [0, 1] of all images, or patches, that the discriminator puts on the right side."""
    right = [jnp.argmax(hr_logits, axis=-1) != RECONSTRUCTION, jnp.argmax(sr_logits, axis=-1) == RECONSTRUCTION]
    return jnp.mean(jnp.concatenate(right).astype(jnp.float32))


def psnr_of_loss(reconstruction, pixels):
    """PSNR in dB of a whole batch's L_MS, for images of so many pixels. A progress figure: metrics.py has the protocols."""
    return 10 * jnp.log10(255**2 * pixels / reconstruction)


def _log_real(logits):
    return jax.nn.log_softmax(logits)[..., 1 - RECONSTRUCTION]


def _log_reconstruction(logits):
    return jax.nn.log_softmax(logits)[..., RECONSTRUCTION]
