"""Two steps: a global linear model of the face, then a Markov network of patches for what that leaves out.

Source: C. Liu, H.-Y. Shum and W. T. Freeman, "Face hallucination: theory and practice", IJCV 75(1), 2007.

The global model is the paper's: HR faces are Gaussian, LR faces are these reduced and with noise, and the most probable
HR face is taken. We keep all eigenfaces and let the noise alone bound their weights, so that it is one matrix. It gives
smooth faces. The local model adds the residual, HR face less global face, in overlapping patches. At each place the
candidates are the residuals there of those training faces whose global faces are most alike there, and of these the
network chooses: it minimises the sum of

- how far a candidate's global face is from the one given, over its patch (`_unlikeness`), and
- how far neighbouring candidates' residuals differ where they overlap (`_disagreement`), times `smoothness`,

both in square means. Patches are averaged where they overlap.

Chosen here: the minimum is sought by belief propagation in its max-product form, some sweeps in which all places pass
messages at once to the four places beside them. It is fast and the same at every run, but the network has loops, and so
the minimum found need not be the least. Global faces are compared in middle frequencies, that is, less their means over
LR pixels, which came out better on validation faces than faces as they are. Candidates come from some of the training
faces only, as the local model keeps its faces.

What it gives is sharper than the global face, and less near the truth in the square mean.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from gln_jax import images
from gln_jax.evaluation.comparison.baselines import linear

SETTINGS = {'noise': 1e-3, 'faces': 1500, 'patch': 12, 'step': 4, 'candidates': 5, 'smoothness': 1.0, 'sweeps': 15}
"""The noise's variance as a share of the LR pixels' mean variance; how many training faces, evenly spread, the local
model has; height and width of a patch and the distance between neighbours, in HR pixels, where `step` is even
and divides `patch` and 128; candidates at each place; weight of their disagreement; sweeps of belief propagation."""

DETAIL = 2
"""Global faces are compared in means over squares of so many HR pixels: they have little that is finer."""


def fit(hr, scale, degradation, **settings):
    """The global model of all faces and the local one of some; arguments and result as of every method of `baselines`."""
    settings = SETTINGS | settings
    moments = linear.moments(hr, scale, degradation)
    variance = moments.lr_covariance
    variance = variance + settings['noise'] * np.trace(variance) / len(variance) * np.eye(len(variance))
    local = np.asarray(hr[np.linspace(0, len(hr) - 1, min(settings['faces'], len(hr))).round().astype(int)])
    return linear.model(np.linalg.solve(variance, moments.hr_lr_covariance.T).T, moments) | {
        'local_hr': local, 'local_lr': linear.low_resolution(local, scale, degradation).astype(np.float32),
        **{name: np.int32(settings[name]) for name in ('patch', 'step', 'candidates', 'sweeps')},
        'smoothness': np.float32(settings['smoothness'])}


def restorer(model, scale):
    """The function of LR faces to HR faces that `model` is. It holds 3 bytes a pixel of the local model's faces."""
    settings = tuple((name, model[name].item()) for name in ('patch', 'step', 'candidates', 'smoothness', 'sweeps'))
    arrays = {name: jnp.asarray(model[name]) for name in ('matrix', 'lr_mean', 'hr_mean')}
    lr, parts = model['local_lr'].reshape(-1, images.FACE_SIZE // scale, images.FACE_SIZE // scale, 1), []
    for start in range(0, len(lr), linear.AT_ONCE):
        part = slice(start, start + linear.AT_ONCE)
        parts.append(_training_pairs(arrays, lr[part], model['local_hr'][part], scale))
    arrays['features'], arrays['residuals'] = map(jnp.concatenate, zip(*parts))
    return functools.partial(_restored, arrays, scale, settings)


@functools.partial(jax.jit, static_argnums=3)
def _training_pairs(arrays, lr, hr, scale):
    """Features and residuals [n, 128, 128] of training faces; residuals in 16 bits, far below a grey level apart."""
    smooth = linear.restorer(arrays, scale)(lr)[..., 0]
    return _features(smooth, scale), (hr[..., 0] / np.float32(255) - smooth).astype(jnp.float16)


@functools.partial(jax.jit, static_argnums=(1, 2))
def _restored(arrays, scale, settings, lr):
    settings = dict(settings)

    def restored(lr):  # one face at a time: what it takes does not grow with their number
        smooth = linear.restorer(arrays, scale)(lr[None])[0, ..., 0]
        unlikeness = _unlikeness(_features(smooth[None], scale), arrays['features'], settings)
        nearest, which = jax.lax.top_k(-unlikeness, min(settings['candidates'], unlikeness.shape[-1]))
        patches = _patches(arrays['residuals'], which, settings)
        chosen = _chosen(-nearest, _disagreement(patches, settings), settings['sweeps'])
        patches = jnp.take_along_axis(patches, chosen[..., None, None, None], axis=2)[:, :, 0]
        return (smooth + _joined(patches, settings))[..., None]

    return jax.lax.map(restored, lr)


def _features(smooth, scale):
    """[n, 128/DETAIL, 128/DETAIL]: global faces [n, 128, 128] less their means over an LR pixel's area."""
    means = _block_means(smooth, scale)
    return _block_means(smooth, DETAIL) - jnp.repeat(jnp.repeat(means, scale // DETAIL, 1), scale // DETAIL, 2)


def _block_means(values, size):
    n, height, width = values.shape
    return values.reshape(n, height // size, size, width // size, size).mean(axis=(2, 4))


def _unlikeness(features, of_training, settings):
    """[places down, places across, training faces]: the features' mean square difference over each patch."""
    cells = _block_means((of_training - features) ** 2, settings['step'] // DETAIL)
    side = settings['patch'] // settings['step']
    patches = jax.lax.reduce_window(cells, 0.0, jax.lax.add, (1, side, side), (1, 1, 1), 'VALID') / side**2
    return patches.transpose(1, 2, 0)


def _patches(residuals, which, settings):
    """[down, across, candidates, patch, patch]: the residuals of the training faces `which` at each place."""
    down, across = jnp.indices(which.shape[:2]) * settings['step']

    def patch(face, y, x):
        return jax.lax.dynamic_slice(residuals, (face, y, x), (1, settings['patch'], settings['patch']))[0]

    at_place = jax.vmap(patch, (0, None, None))
    return jax.vmap(jax.vmap(at_place))(which, down, across).astype(jnp.float32)


def _disagreement(patches, settings):
    """What neighbouring candidates cost: [down, across - 1, left, right] and [down - 1, across, upper, lower]."""
    step, shared = settings['step'], settings['patch'] - settings['step']

    def cost(first, second):
        difference = first[:, :, :, None] - second[:, :, None]
        return settings['smoothness'] * jnp.mean(difference**2, axis=(-2, -1))

    return (cost(patches[:, :-1, ..., step:], patches[:, 1:, ..., :shared]),
            cost(patches[:-1, ..., step:, :], patches[1:, ..., :shared, :]))


def _chosen(costs, disagreement, sweeps):
    """Which candidate [down, across] has the least cost by belief propagation.

    Args:
        costs: [down, across, candidates], of each alone.
        disagreement: of neighbours, as `_disagreement` gives it.
        sweeps: how often all places pass messages to their neighbours.
    """
    beside, below = disagreement

    def sweep(_, messages):
        from_left, from_right, from_above, from_below = messages
        belief = costs + sum(messages)
        to_right = jnp.min((belief - from_right)[:, :-1, :, None] + beside, axis=2)
        to_left = jnp.min((belief - from_left)[:, 1:, None, :] + beside, axis=3)
        to_below = jnp.min((belief - from_below)[:-1, :, :, None] + below, axis=2)
        to_above = jnp.min((belief - from_above)[1:, :, None, :] + below, axis=3)
        none, before, after = (0, 0), (1, 0), (0, 1)
        sent = [(to_right, (none, before, none)), (to_left, (none, after, none)),
                (to_below, (before, none, none)), (to_above, (after, none, none))]
        return tuple(jnp.pad(message - message.min(axis=2, keepdims=True), padding) for message, padding in sent)

    messages = jax.lax.fori_loop(0, sweeps, sweep, (jnp.zeros_like(costs),) * 4)
    return jnp.argmin(costs + sum(messages), axis=-1)


def _joined(patches, settings):
    """[128, 128]: the mean of the patches [down, across, patch, patch] that lie on each pixel."""
    step, (down, across) = settings['step'], patches.shape[:2]
    side = settings['patch'] // step
    cells = patches.reshape(down, across, side, step, side, step)
    height, width = down + side - 1, across + side - 1
    total, covered = jnp.zeros((height, width, step, step)), np.zeros((height, width, 1, 1), np.float32)
    for y in range(side):
        for x in range(side):
            total = total.at[y:y + down, x:x + across].add(cells[:, :, y, :, x, :])
            covered[y:y + down, x:x + across] += 1
    return (total / covered).transpose(0, 2, 1, 3).reshape(height * step, width * step)
