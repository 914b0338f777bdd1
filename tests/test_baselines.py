"""The methods that learn from faces without a network: shapes, determinism, known answers, and what they gain."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import images, metrics
from gln_jax.data.synthetic import drawing
from gln_jax.evaluation.comparison import baselines
from gln_jax.evaluation.comparison.baselines import linear, lsf, mzq, pca

FOR_FEW_FACES = {'pca': {'components': 64}, 'lsf': {'noise': 1e-2}}
"""Settings for some hundred training faces, where they are not a method's own."""


@functools.cache
def drawn(first, count):
    """uint8 [count, 128, 128, 1]"""
    faces = jnp.stack([drawing.draw_face(seed) for seed in range(first, first + count)])
    return np.round(255 * np.asarray(images.luminance(faces / 255))).astype(np.uint8)


def lr_of(hr, scale=8, degradation='gaussian'):
    return images.degrade(jnp.asarray(hr, jnp.float32) / 255, scale, degradation)


def fit(name, hr, scale=8):
    return baselines.METHODS[name].fit(hr, scale, 'gaussian', **FOR_FEW_FACES.get(name, {}))


@functools.cache
def some_hundred():
    """uint8 [300, 128, 128, 1], the first 150 and these mirrored: drawing takes most of the time."""
    faces = np.concatenate([drawn(0, 12), drawn(12, 138)])
    return np.concatenate([faces, faces[:, :, ::-1]])


@functools.cache
def fitted(name, scale=8):
    return fit(name, drawn(0, 12), scale)


def restored(name, model, lr, scale=8):
    return np.asarray(baselines.METHODS[name].restorer(model, scale)(lr))


@pytest.mark.parametrize('scale', [4, 8])
@pytest.mark.parametrize('name', baselines.METHODS)
def test_faces_come_out_in_their_shape(name, scale):
    hr = restored(name, fitted(name, scale), lr_of(drawn(500, 16)[:3], scale), scale)
    assert hr.shape == (3, 128, 128, 1) and hr.dtype == np.float32 and np.isfinite(hr).all()


@pytest.mark.parametrize('name', baselines.METHODS)
def test_same_faces_give_the_same_model_and_the_same_faces(name):
    again = fit(name, drawn(0, 12))
    assert again.keys() == fitted(name).keys()
    for array in again:
        np.testing.assert_array_equal(again[array], fitted(name)[array])
    lr = lr_of(drawn(500, 16)[:3])
    first, second = (restored(name, again, lr) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(restored(name, again, lr[:1]), first[:1], atol=1e-5)  # whatever it is restored with


@pytest.mark.parametrize('name', ['mzq'])
def test_training_face_comes_back(name):
    faces = drawn(0, 12)
    np.testing.assert_allclose(restored(name, fitted(name), lr_of(faces)), faces / 255, atol=1e-4)


def test_pca_recovers_faces_inside_its_subspace():
    faces = drawn(0, 12) / 255
    weights = np.random.default_rng(0).dirichlet(np.ones(12), size=5)
    mixed = np.einsum('mn,nhwc->mhwc', weights, faces)
    np.testing.assert_allclose(restored('pca', fitted('pca'), lr_of(255 * mixed)), mixed, atol=1e-4)


def test_fewer_components_give_a_plainer_face():
    lr = lr_of(drawn(500, 16)[:4])
    models = [pca.fit(drawn(0, 12), 8, 'gaussian', components) for components in (1, 4)]
    spread = [np.std(pca.restorer(model, 8)(lr) - model['hr_mean'].reshape(128, 128, 1)) for model in models]
    assert spread[0] < spread[1]


@pytest.mark.parametrize('count', [5, 36])
def test_mzq_is_what_explicit_weights_give(count):
    """With fewer and with more training faces than the 16 pixels of a patch; patches do not overlap here."""
    faces = np.concatenate([drawn(0, 12), drawn(0, 12)[:, ::-1], drawn(0, 12)[:, :, ::-1]])[:count]
    model = mzq.fit(faces, 8, 'gaussian', patch=4, step=4, ridge=1e-12)
    lr = lr_of(drawn(500, 16)[:1])
    hr = np.asarray(mzq.restorer(model, 8)(lr))
    lr_faces = linear.low_resolution(faces, 8, 'gaussian').reshape(count, 16, 16)
    for y, x in ((0, 0), (4, 8), (12, 12)):
        patches = lr_faces[:, y:y + 4, x:x + 4].reshape(count, -1)
        difference = np.asarray(lr, np.float64)[0, y:y + 4, x:x + 4].reshape(-1) - patches.mean(axis=0)
        weights = 1 / count + np.linalg.pinv((patches - patches.mean(axis=0)).T, rcond=1e-6) @ difference
        assert weights.sum() == pytest.approx(1)
        expected = np.einsum('n,nhw->hw', weights, faces[:, 8 * y:8 * y + 32, 8 * x:8 * x + 32, 0] / 255)
        np.testing.assert_allclose(hr[0, 8 * y:8 * y + 32, 8 * x:8 * x + 32, 0], expected, atol=2e-4)


def test_patches_reach_the_end_of_a_face():
    assert mzq.places(16, 4, 4) == [0, 4, 8, 12] and mzq.places(16, 5, 3) == [0, 3, 6, 9, 11]


def test_low_resolution_is_that_of_the_network():
    for scale, degradation in ((8, 'gaussian'), (4, 'bicubic')):
        rows = linear.low_resolution(drawn(0, 12), scale, degradation)
        np.testing.assert_allclose(rows.reshape(12, 128 // scale, -1, 1), lr_of(drawn(0, 12), scale, degradation),
                                   atol=1e-6)


@pytest.mark.parametrize('name', baselines.METHODS)
def test_faces_never_seen_are_better_than_bicubic(name):
    model = fit(name, some_hundred())
    unseen = drawn(500, 16)
    lr = lr_of(unseen)
    gain = metrics.psnr(restored(name, model, lr), unseen / 255) - metrics.psnr(
        images.upsample(lr, 8, 'bicubic'), unseen / 255)
    assert gain.mean() > 0.3 and (gain > 0).mean() > 0.8


def test_lsf_gives_back_a_face_that_it_has_and_no_other():
    """More faces than LR pixels, so that the global model alone cannot."""
    faces = some_hundred()
    own = faces[:3]
    having, lacking = fit('lsf', faces), fit('lsf', np.concatenate([faces[3:150], faces[153:]]))
    assert metrics.psnr(restored('lsf', having, lr_of(own)), own / 255).min() > 80
    assert metrics.psnr(linear.restorer(having, 8)(lr_of(own)), own / 255).max() < 35
    assert metrics.psnr(restored('lsf', lacking, lr_of(own)), own / 255).max() < 30


def test_lsf_keeps_some_faces_only_and_is_sharper_than_its_global_face():
    model = lsf.fit(some_hundred(), 8, 'gaussian', noise=1e-2, faces=30)
    assert model['local_hr'].shape == (30, 128, 128, 1)
    lr = lr_of(drawn(500, 16)[:4])
    sharp, smooth = (np.abs(np.diff(method.restorer(model, 8)(lr), axis=1)).mean() for method in (lsf, linear))
    assert sharp > 1.1 * smooth


@pytest.mark.parametrize('shape', [(1, 5), (5, 1)])
def test_lsf_chooses_the_least_sum_where_there_are_no_loops(shape):
    rng, choose = np.random.default_rng(0), jax.jit(lsf._chosen, static_argnums=2)
    for _ in range(10):
        alone, between = rng.random((5, 3), np.float32), rng.random((4, 3, 3), np.float32)
        beside, below = (between[None], np.zeros((0, 5, 3, 3))) if shape[0] == 1 else (
            np.zeros((5, 0, 3, 3)), between[:, None])
        chosen = choose(jnp.asarray(alone.reshape(*shape, 3)), (jnp.float32(beside), jnp.float32(below)), 8)
        sums = {choice: sum(alone[i, a] for i, a in enumerate(choice)) + sum(
            between[i, choice[i], choice[i + 1]] for i in range(4)) for choice in itertools.product(range(3), repeat=5)}
        assert tuple(np.ravel(chosen)) == min(sums, key=sums.get)
