"""Training batches: the same for the same config and step, however they are read; weights; augmentation."""

import collections
import itertools
import pathlib

import cv2
import numpy as np
from PIL import Image
import pytest

from gln_jax import config
from gln_jax.data import augmentation, cache, faces, pipeline
from gln_jax.runtime import errors

SIZES = {'web': 12, 'studio': 6, 'phone': 3}
NO_AUGMENTATION = {'flip': False, 'scale': 0.0, 'shift': 0.0, 'roll': 0.0, 'gamma': 0.0, 'contrast': 0.0}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """21 faces whose sources can be told by their brightness, one grey level per face."""
    root = tmp_path_factory.mktemp('faces')
    levels = itertools.count(20, 10)
    for source, count in SIZES.items():
        (root / 'train' / source).mkdir(parents=True)
        for number in range(count):
            noise = np.random.default_rng(number).integers(-4, 5, (128, 128))
            face = np.clip(next(levels) + noise, 0, 255).astype(np.uint8)
            Image.fromarray(face).convert('RGB').save(root / 'train' / source / f'{number}.png')
    return root


@pytest.fixture
def settings(root):
    settings = config.default()
    settings.data.name, settings.data.path, settings.data.directory = 'folder', str(root), str(root / 'prepared')
    return settings


def plain(settings):
    settings.augmentation.update(NO_AUGMENTATION)
    return settings


def first_batches(count, settings, *arguments, **options):
    batches = pipeline.training_batches(faces.load(settings, 'train'), settings, *arguments, **options)
    found = [next(batches) for _ in range(count)]
    batches.close()
    return found


def level(face):
    return round((face.mean() - 20) / 10)


def test_batches_are_luminance_and_repeat_exactly(settings):
    batches = first_batches(5, settings, 8)
    assert all(batch.shape == (8, 128, 128, 1) and batch.dtype == np.uint8 for batch in batches)
    np.testing.assert_array_equal(batches, first_batches(5, settings, 8))
    settings.seed = 1
    assert not np.array_equal(batches, first_batches(5, settings, 8))


def test_without_augmentation_every_face_comes_as_it_is_and_equally_often(settings):
    copies = -(-pipeline.SHUFFLED_AT_LEAST // 21)
    first, second = np.split(np.concatenate(first_batches(2 * copies, plain(settings), 21)), 2)
    found = faces.load(settings, 'train')
    for epoch in (first, second):
        assert collections.Counter(face.tobytes() for face in epoch) == {
            found.luminance(index).tobytes(): copies for index in range(21)}
    assert not np.array_equal(first, second)  # in another order


@pytest.mark.parametrize('workers', [0, 2])
def test_decoded_once_or_at_every_visit_gives_the_same(settings, workers):
    settings.data.workers = workers
    once = first_batches(3, settings, 8)
    settings.data.decoded = False
    np.testing.assert_array_equal(once, first_batches(3, settings, 8))


@pytest.mark.parametrize('damage', [lambda content: content[:-1000], lambda content: b'', None])
def test_decoded_faces_are_made_anew_where_they_are_not_whole(settings, damage):
    found = faces.load(settings, 'train')
    path = pathlib.Path(found.directory) / pipeline.DECODED
    first = cache.luminance(found, path)[20]
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    np.testing.assert_array_equal(cache.luminance(found, path)[20], first)
    np.testing.assert_array_equal(first, found.luminance(20))
    assert [file.name for file in path.parent.iterdir() if file.name.startswith('.')] == [], 'nothing is left lying'


def test_decoded_faces_and_their_digest_are_made_anew_where_the_pixels_are_others(settings, monkeypatch):
    """As where the alignment of lfw or celeb_a has changed since: the data set itself is the same."""
    found = faces.load(settings, 'train')
    path = pathlib.Path(found.directory) / pipeline.DECODED
    before, digest = cache.luminance(found, path)[3], pipeline.digest(found)
    read = faces.Faces.luminance
    with monkeypatch.context() as patch:
        patch.setattr(faces.Faces, 'luminance', lambda self, number: 255 - read(self, number))
        np.testing.assert_array_equal(cache.luminance(found, path)[3], 255 - before)
        assert pipeline.digest(found) != digest
    np.testing.assert_array_equal(cache.luminance(found, path)[3], before)
    assert pipeline.digest(found) == digest


def test_the_digest_is_of_all_faces_and_is_not_made_twice(settings, monkeypatch, tmp_path):
    found = faces.load(settings, 'train')
    digest = cache.digest(found, tmp_path / 'a.npy')
    assert digest == pipeline.digest(found) and not (tmp_path / 'a.npy').exists()
    assert cache.luminance(found, tmp_path / 'a.npy').array.shape == (21, 128, 128, 1)  # not taken for decoded by then
    read = faces.Faces.luminance
    monkeypatch.setattr(cache, 'SAMPLED', 2)
    monkeypatch.setattr(faces.Faces, 'luminance', lambda self, number: read(self, number) ^ (number == 7))
    assert cache.digest(found, tmp_path / 'b.npy') != digest
    read_now = []
    monkeypatch.setattr(faces.Faces, 'luminance', lambda self, number: read_now.append(number) or read(self, number))
    cache.digest(found, tmp_path / 'b.npy')
    assert read_now == [0, 20]


def test_augmentation_differs_at_every_visit(settings):
    batch, = first_batches(1, settings, 40)
    assert len({face.tobytes() for face in batch}) == 40


@pytest.mark.parametrize('weights', ['', 'web:3'])
@pytest.mark.parametrize('workers', [0, 2])
def test_resuming_at_a_step_equals_not_having_stopped(settings, weights, workers):
    settings.data.source_weights = weights
    from_the_start = first_batches(7, settings, 4)
    settings.data.workers = workers
    np.testing.assert_array_equal(first_batches(3, settings, 4, first_step=4), from_the_start[4:])


def test_hosts_share_the_batch_of_a_single_host(settings):
    single = first_batches(3, settings, 6, first_step=5)
    shares = [first_batches(3, settings, 6, first_step=5, host=host, hosts=3) for host in range(3)]
    assert shares[0][0].shape == (2, 128, 128, 1)
    np.testing.assert_array_equal(np.concatenate(shares, axis=1), single)
    with pytest.raises(errors.InputError, match='7 faces cannot be divided among 2 hosts'):
        first_batches(1, settings, 7, hosts=2)


def test_batch_may_be_larger_than_the_data_set_and_a_step_may_be_far_away(settings):
    batch, = first_batches(1, plain(settings), 50, first_step=10**9)
    assert batch.shape == (50, 128, 128, 1) and set(map(level, batch)) <= set(range(21))


@pytest.mark.parametrize('weights, expected', [
    ('', {'web': 12, 'studio': 6, 'phone': 3}),
    ('phone:4', {'web': 12, 'studio': 6, 'phone': 12}),
    ('studio:2,phone:0', {'web': 12, 'studio': 12, 'phone': 0}),
    ('web:0.5, studio:0.5', {'web': 6, 'studio': 3, 'phone': 3}),
])
def test_weights_are_how_often_a_face_is_drawn(settings, weights, expected):
    settings.data.source_weights = weights
    batch = np.concatenate(first_batches(20, plain(settings), 60))
    source_of_level = np.repeat(list(SIZES), list(SIZES.values()))
    drawn = collections.Counter(source_of_level[level(face)] for face in batch)
    for source, share in expected.items():
        assert abs(drawn[source] / 1200 - share / sum(expected.values())) < 0.01


def test_weights_that_make_no_sense_are_told(settings):
    settings.data.source_weights = 'web:2,uspol:4'
    with pytest.raises(errors.InputError, match="there is no source 'uspol' in train; there are phone, studio, web"):
        first_batches(1, settings, 4)
    settings.data.source_weights = 'web:0,studio:0,phone:0'
    with pytest.raises(errors.InputError, match='all faces have a weight of 0'):
        first_batches(1, settings, 4)


@pytest.fixture
def face():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 50, 200, cv2.NORM_MINMAX)[..., None]


def augmented(face, count=40, **changes):
    return [augmentation.augment(face, np.random.default_rng(seed), NO_AUGMENTATION | changes) for seed in range(count)]


def test_flip_is_an_exact_mirror_of_about_every_second_face(face):
    mirrored = [np.array_equal(found, face[:, ::-1]) for found in augmented(face, flip=True)]
    assert 10 < sum(mirrored) < 30
    assert sum(np.array_equal(found, face) for found in augmented(face, flip=True)) == 40 - sum(mirrored)
    assert all(np.array_equal(found, face) for found in augmented(face))


def test_shifts_alone_are_whole_pixels_and_keep_the_rest_to_the_bit(face):
    around = cv2.copyMakeBorder(face[..., 0], *[3] * 4, cv2.BORDER_REFLECT_101)
    shifted = {(right, down): around[3 - down:131 - down, 3 - right:131 - right, None] for right in range(-3, 4) for down in range(-3, 4)}
    found = [next(shift for shift, there in shifted.items() if np.array_equal(image, there)) for image in augmented(face, shift=3.0)]
    assert len(set(found)) > 15


@pytest.mark.parametrize('changes, limit', [({'shift': 3.0}, 3 * 2**0.5), ({'roll': 5.0}, 3.5), ({'scale': 0.08}, 3.2)])
def test_moves_stay_within_their_ranges(changes, limit):
    """A dot 40 pixels to the right of the centre moves, and by no more than the setting says."""
    y, x = np.mgrid[:128, :128]
    dot = (255 * np.exp(-((x - 103.5) ** 2 + (y - 63.5) ** 2) / 18)).astype(np.uint8)[..., None]
    distances = []
    for found in augmented(dot, **changes):
        weights = found[..., 0].astype(float)
        distances.append(np.hypot(np.average(x, weights=weights) - 103.5, np.average(y, weights=weights) - 63.5))
    assert limit / 2 < max(distances) < limit + 0.1


def test_light_changes_leave_the_picture_in_place(face):
    for changes in ({'gamma': 0.1}, {'contrast': 0.1}):
        found = augmented(face, **changes)
        assert all(np.corrcoef(image.ravel(), face.ravel())[0, 1] > 0.999 for image in found)
        assert np.ptp([image.mean() for image in found]) > 10 or np.ptp([image.std() for image in found]) > 3
    means = [image.mean() for image in augmented(face, contrast=0.1)]
    assert max(abs(np.array(means) - face.mean())) < 0.5


def test_switching_one_variation_off_leaves_the_others_as_they_were(face):
    moved, moved_mirror = augmented(face, shift=3.0), augmented(np.ascontiguousarray(face[:, ::-1]), shift=3.0)
    for both, *either in zip(augmented(face, shift=3.0, flip=True), moved, moved_mirror):
        assert any(np.array_equal(both, found) for found in either)
