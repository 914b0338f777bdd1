import pathlib
import shutil

import numpy as np
import pytest

from gln_jax import images
from gln_jax import config as settings
from gln_jax.data import preparation
from gln_jax.data import faces as data
from gln_jax.data.synthetic import dataset, drawing

FACES = {'train': 12, 'val': 4, 'test': 5}


@pytest.fixture(scope='module')
def portraits():
    return np.stack([drawing.draw_face(seed) for seed in range(250)])


def test_a_seed_always_draws_the_same_face_and_another_another(portraits):
    np.testing.assert_array_equal(drawing.draw_face(7), portraits[7])
    assert (portraits[7] != portraits[8]).mean() > 0.5


def test_faces_are_128_pixels_of_rgb(portraits):
    assert portraits.shape == (250, 128, 128, 3) and portraits.dtype == np.uint8


def test_eyes_stand_at_the_template(portraits):
    """Averaged over all faces, each eye is the darkest place around, within a pixel across and, brows and lids being dark too, two down."""
    mean = np.asarray(images.luminance(portraits.mean(axis=0) / 255))[..., 0]
    for x, y in images.TEMPLATE_EYES:
        left, top = int(x) - 9, int(y) - 5
        darkness = np.clip(0.9 * mean.mean() - mean[top:top + 12, left:left + 20], 0, None)
        rows, columns = np.mgrid[top:top + 12, left:left + 20]
        centre = (columns * darkness).sum() / darkness.sum(), (rows * darkness).sum() / darkness.sum()
        assert abs(centre[0] - x) < 1 and abs(centre[1] - y) < 2
        cheek = mean[int(y) + 22, int(x)]
        assert mean[int(y), int(x)] < 0.8 * cheek


def test_faces_vary_everywhere(portraits):
    assert (portraits.std(axis=0) > 15).mean() > 0.98


def test_knowing_faces_helps(portraits):
    """A linear map learnt from LR faces to what bicubic leaves out gains on faces that it has not seen."""
    hr = np.asarray(images.luminance(portraits / np.float32(255)))
    lr = images.degrade(hr, 8)
    missing = (hr - np.asarray(images.upsample(lr, 8, 'bicubic'))).reshape(len(hr), -1)
    pixels = np.asarray(lr).reshape(len(hr), -1)
    seen, unseen = slice(0, 200), slice(200, None)
    mean, mean_missing = pixels[seen].mean(axis=0), missing[seen].mean(axis=0)
    centred = pixels[seen] - mean
    linear_map = np.linalg.solve(centred.T @ centred + 3 * np.eye(256), centred.T @ (missing[seen] - mean_missing))
    left_over = missing[unseen] - mean_missing - (pixels[unseen] - mean) @ linear_map
    gain = 10 * np.log10(np.square(missing[unseen]).mean(axis=1) / np.square(left_over).mean(axis=1))
    assert gain.mean() > 1.5


def test_the_data_set_holds_what_is_drawn_and_its_splits_share_no_face(tmp_path):
    preparation.prepare(dataset.DrawnFaces(faces=FACES, data_dir=tmp_path), 'a few drawn faces')
    config = settings.default()
    config.data.directory = str(tmp_path)
    splits = {split: data.load(config, split) for split in FACES}
    assert {split: len(faces) for split, faces in splits.items()} == FACES
    seeds = [int(face.identity.removeprefix('drawn:')) for faces in splits.values() for face in faces]
    assert sorted(seeds) == list(range(sum(FACES.values())))
    for face in splits['test']:
        np.testing.assert_array_equal(face.image, drawing.draw_face(int(face.identity.removeprefix('drawn:'))))
        assert face.source == 'drawn' and face.file.startswith('test/')


def test_faces_drawn_by_other_code_are_not_taken_for_ours(tmp_path, monkeypatch):
    copy = tmp_path / 'synthetic'
    shutil.copytree(pathlib.Path(drawing.__file__).parent, copy)
    monkeypatch.setattr(drawing, '__file__', str(copy / 'drawing.py'))
    first = dataset.DrawnFaces(data_dir=tmp_path).data_path
    assert dataset.DrawnFaces(data_dir=tmp_path).data_path == first
    (copy / 'head.py').write_text((copy / 'head.py').read_text() + '\nEARS = 3\n')
    assert dataset.DrawnFaces(data_dir=tmp_path).data_path != first
