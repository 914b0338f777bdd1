"""LFW and CelebA, prepared by TFDS's own builders from small made-up downloads.

`tfds.testing.mock_data` makes up examples too, but imports TensorFlow, and would not show that the archives are read.
"""

import io
import pathlib
import tarfile
import zipfile

import cv2
import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.datasets.celeb_a import celeb_a_dataset_builder

from gln_jax import config, images
from gln_jax.data import faces, public
from gln_jax.runtime import errors

CELEB_A_EYES = {'000001.jpg': (69, 109, 106, 113), '000002.jpg': (68, 112, 110, 108), '000003.jpg': (70, 111, 107, 111)}
CELEB_A_SPLITS = {'000001.jpg': 0, '000002.jpg': 1, '000003.jpg': 2}


def with_dots(size, eyes):
    """A grey photograph [height, width] with a bright dot at each eye, as an encoded JPEG."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    photograph = np.full(size, 60.0)
    for eye_x, eye_y in eyes:
        photograph += 180 * np.exp(-((x - eye_x) ** 2 + (y - eye_y) ** 2) / (2 * 3**2))
    file = io.BytesIO()
    Image.fromarray(photograph.clip(0, 255).astype(np.uint8)).convert('RGB').save(file, 'JPEG', quality=98)
    return file.getvalue()


def eyes_of(face):
    """Centres (x, y) of the dots in the left and the right half of an aligned face."""
    found = []
    for left in (0, 64):
        weights = np.maximum(face[:, left:left + 64, 0].astype(float) - 100, 0)
        y, x = np.mgrid[:128, left:left + 64]
        found.append((np.average(x, weights=weights), np.average(y, weights=weights)))
    return found


def config_for(name, directory):
    settings = config.default()
    settings.data.name, settings.data.directory = name, str(directory)
    return settings


@pytest.fixture
def lfw(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / 'lfw.tgz', 'w:gz') as archive:
        for person in range(40):
            for number in range(2):
                photograph = with_dots((250, 250), public.LFW_EYES)
                member = tarfile.TarInfo(f'lfw/Person_{person:02}/Person_{person:02}_{number:04}.jpg')
                member.size = len(photograph)
                archive.addfile(member, io.BytesIO(photograph))
    monkeypatch.setattr(tfds.download.DownloadManager, 'download', lambda self, url: str(tmp_path / 'lfw.tgz'))
    return config_for('lfw', tmp_path / 'tfds')


@pytest.fixture
def celeb_a(tmp_path, monkeypatch):
    tables = {
        'list_eval_partition': [f'{file} {split}' for file, split in CELEB_A_SPLITS.items()],
        'identity_celeba': [f'{file} {100 + number}' for number, file in enumerate(CELEB_A_EYES)],
        'list_attr_celeba': ['3', ' '.join(celeb_a_dataset_builder.ATTR_HEADINGS)] + [
            f'{file} {" ".join(["-1"] * 40)}' for file in CELEB_A_EYES],
        'landmarks_celeba': ['3', ' '.join(celeb_a_dataset_builder.LANDMARK_HEADINGS)] + [
            f'{file} {" ".join(map(str, eyes))} 88 130 72 150 104 150' for file, eyes in CELEB_A_EYES.items()]}
    downloaded = {}
    for name, lines in tables.items():
        downloaded[name] = str(tmp_path / f'{name}.txt')
        (tmp_path / f'{name}.txt').write_text('\n'.join(lines) + '\n')
    downloaded['img_align_celeba'] = str(tmp_path / 'img_align_celeba.zip')
    with zipfile.ZipFile(downloaded['img_align_celeba'], 'w') as archive:
        for file, (left_x, left_y, right_x, right_y) in CELEB_A_EYES.items():
            archive.writestr(f'img_align_celeba/{file}', with_dots((218, 178), [(left_x, left_y), (right_x, right_y)]))
    monkeypatch.setattr(tfds.download.DownloadManager, 'download', lambda self, urls: downloaded)
    return config_for('celeb_a', tmp_path / 'tfds')


def test_lfw_is_aligned_and_nobody_is_in_two_splits(lfw):
    splits = {split: faces.load(lfw, split) for split in ('train', 'val', 'test')}
    assert sum(map(len, splits.values())) == 80 and len(splits['train']) > 60
    people = {split: {face.identity for face in found} for split, found in splits.items()}
    assert sum(map(len, people.values())) == 40
    face = splits['val'][0]
    assert face.image.shape == (128, 128, 3) and face.image.dtype == np.uint8 and face.source == 'lfw'
    assert set(splits['train'].sources) == {'lfw'}
    assert len({face.file for faces_of_split in splits.values() for face in faces_of_split}) == 80
    np.testing.assert_allclose(eyes_of(face.image), images.TEMPLATE_EYES, atol=0.2)


def test_celeb_a_is_aligned_by_its_landmarks(celeb_a):
    for split, identity in (('train', '100'), ('val', '101'), ('test', '102')):
        face, = faces.load(celeb_a, split)
        assert (face.source, face.identity) == ('celeb_a', identity)
        np.testing.assert_allclose(eyes_of(face.image), images.TEMPLATE_EYES, atol=0.2)
    with pytest.raises(errors.InputError, match="no split 'dev' here; there are test, test/celeb_a, train"):
        faces.load(celeb_a, 'dev')


@pytest.mark.parametrize('error', [OSError('Connection refused'), tfds.download.DownloadError('status 404')])
def test_download_that_cannot_be_had_is_told_in_one_line(tmp_path, monkeypatch, error):
    def download(self, url):
        raise error
    monkeypatch.setattr(tfds.download.DownloadManager, 'download', download)
    with pytest.raises(errors.InputError, match=f'celeb_a: must be downloaded.*{error}.*celeb_a.2.1.0'):
        faces.load(config_for('celeb_a', tmp_path), 'train')


def test_data_set_kept_in_another_format_is_told(lfw):
    faces.load(lfw, 'train')
    info, = pathlib.Path(lfw.data.directory).rglob('dataset_info.json')
    info.write_text(info.read_text().replace('array_record', 'tfrecord'))
    with pytest.raises(errors.InputError, match='lfw.*is tfrecord.*--config.data.directory'):
        faces.load(lfw, 'train')


def test_align_of_a_large_photograph_does_not_alias():
    stripes = np.tile(np.array([0, 255], np.uint8), (512, 256))[..., None].repeat(3, axis=-1)
    face = public.align(stripes, [(182, 200), (330, 200)])  # 4 pixels become one, and the stripes are 1 pixel wide
    assert face.std() < 3 and abs(face.mean() - 127.5) < 2


def test_align_leaves_an_aligned_face_alone():
    face = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    np.testing.assert_array_equal(public.align(face, images.TEMPLATE_EYES), face)
    turned = cv2.rotate(face, cv2.ROTATE_180)
    eyes = [(127 - x, 127 - y) for x, y in images.TEMPLATE_EYES]
    np.testing.assert_array_equal(public.align(turned, eyes), face)
