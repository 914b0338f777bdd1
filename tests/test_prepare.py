"""Training faces made of photographs: found, aligned, filtered, split by people, and continued after a kill."""

import csv
import os
import pathlib
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
from PIL import Image
import pytest

from gln_jax import config, images, prepare
from gln_jax.data import alignment, faces, identities, split_names
from gln_jax.data.synthetic import drawing
from gln_jax.photos import face_crops, given_eyes, perceptual_hash, preparing
from gln_jax.runtime import claims, errors, processes

PHOTOS = pathlib.Path(__file__).parents[2] / 'shared' / 'photos'
LEFT, TOP = 70, 60  # of a drawn face in its photograph



def photo(seed, scale=1.2):
    """A drawn face with something around it; its aligned square spans 128 * scale pixels."""
    wide = cv2.copyMakeBorder(drawing.draw_face(seed), TOP, 60, LEFT, 50, cv2.BORDER_REPLICATE)
    return cv2.resize(wide, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def run(tmp_path, command):
    """Runs the command from tmp_path/photos to tmp_path/out: (exit code, standard output, standard error)."""
    def run(*flags, output='out'):
        return command(prepare.main, '-i', tmp_path / 'photos', '-o', tmp_path / output, '--processes', '1', *flags)
    return run


def rows(path):
    with path.open(newline='') as file:
        return list(csv.DictReader(file))


def eyes_of(row):
    return np.array([[float(row[f'{side}_{axis}']) for axis in 'xy'] for side in ('left', 'right')])


def contents(output):
    """Everything that matters of a result; the journal's order may differ."""
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in sorted(output.rglob('*'))
            if path.is_file() and path.name != preparing.JOURNAL}


def test_drawn_photographs_become_aligned_faces_and_every_rejection_is_told(run, tmp_path):
    photos = tmp_path / 'photos'
    seeds = {f'Anna_Number{letter}_{number:04}.png': 10 * place + number
             for place, letter in enumerate('ABC', 1) for number in (1, 2)}
    for name, seed in seeds.items():
        save(photos / name, photo(seed))
    smaller = cv2.resize(photo(11), None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)
    save(photos / 'again/copy.jpg', smaller, quality=80)
    save(photos / 'small.png', photo(5, 0.5))
    save(photos / 'blurred.png', cv2.GaussianBlur(photo(6), (0, 0), 4))
    save(photos / 'wall.png', np.full((100, 100, 3), 90, np.uint8))
    (photos / 'broken.jpg').write_bytes(b'\xff\xd8\xff no picture')
    (photos / 'phone.heic').write_bytes(b'\0\0\0\x24ftypheic' + bytes(99))
    code, told, _ = run()
    assert code == 0 and '6 faces' in told and '3 people' in told and '6 rejected' in told
    reasons = {row['file']: row['reason'] for row in rows(tmp_path / 'out/rejected.csv')}
    assert reasons['again/copy.jpg'].startswith('duplicate of Anna_NumberA_0001.png')
    assert reasons['small.png'].startswith('too small: spans 6') and reasons['blurred.png'].startswith('blurred')
    assert reasons['wall.png'] == 'no face was found' and 'cannot be read' in reasons['broken.jpg']
    assert 'a damaged HEIC' in reasons['phone.heic'] and len(reasons) == 6

    index = rows(tmp_path / 'out/index.csv')
    assert [row['identity'] for row in index] == [f'Anna_Number{letter}' for letter in 'AABBCC']
    assert {row['split'] for row in index} == {'train', 'val', 'test'}  # three people, one in each
    assert all(index[i]['split'] == index[i + 1]['split'] for i in (0, 2, 4))
    for row in index:
        truth = (np.array(images.TEMPLATE_EYES) + [LEFT, TOP] + 0.5) * 1.2 - 0.5
        assert np.linalg.norm(eyes_of(row) - truth, axis=1).max() < 0.1 * 37 * 1.2
        assert float(row['source_px']) == pytest.approx(128 * 1.2, rel=0.1)
        face = np.asarray(Image.open(tmp_path / 'out' / row['file']))
        assert face.shape == (128, 128, 3)
        offs = {name: np.abs(face.astype(int) - drawing.draw_face(seed))[20:108, 20:108].mean()
                for name, seed in seeds.items()}
        assert min(offs, key=offs.get) == row['photo'] and offs[row['photo']] < 40


def test_the_faces_are_a_data_set_as_they_are(run, tmp_path):
    for seed in range(3):
        save(tmp_path / f'photos/{seed}.png', photo(seed))
    assert run('--source', 'drawn')[0] == 0
    settings = config.default()
    settings.data.name, settings.data.path = 'folder', str(tmp_path / 'out')
    settings.data.directory = str(tmp_path / 'tfds')
    found = [face for split in split_names.SPLITS for face in faces.load(settings, f'{split}/drawn')]
    assert len(found) == 3 and all(face.image.shape == (128, 128, 3) for face in found)


def test_a_killed_run_continues_to_the_same_result(run, tmp_path):
    for seed in range(12):
        save(tmp_path / f'photos/{seed:02}.png', photo(seed))
    whole = tmp_path / 'whole'
    assert run(output='whole')[0] == 0
    command = [sys.executable, '-m', 'gln_jax.prepare', '-i', str(tmp_path / 'photos'), '-o', str(tmp_path / 'out'),
               '--processes', '2']
    journal = tmp_path / 'out' / preparing.JOURNAL
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=pathlib.Path(__file__).parents[1]) as process:
        until = time.monotonic() + 120
        while not (journal.exists() and journal.read_text().count('"photo"') >= 2):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert not (tmp_path / 'out/index.csv').exists()
    done = journal.read_text().count('"photo"')
    with journal.open('a') as file:
        file.write('{"photo": "0')  # as a kill in the middle of writing leaves it
    assert done < 12 and run()[0] == 0
    assert contents(tmp_path / 'out') == contents(whole)
    assert journal.read_text().count('"key"') == 12  # nothing was done twice


def test_what_changed_is_done_anew_and_what_is_gone_is_removed(run, tmp_path):
    for seed in range(4):
        save(tmp_path / f'photos/{seed}.png', photo(seed))
    save(tmp_path / 'photos/larger.png', photo(0, 1.5))
    save(tmp_path / 'photos/party.png', np.concatenate([photo(4), photo(5), photo(6)], axis=1))
    save(tmp_path / 'photos/.trash/8.png', photo(8))
    (tmp_path / 'photos/nowhere.png').symlink_to('nothing')
    (tmp_path / 'photos/round').symlink_to('..')
    (tmp_path / 'photos/results').symlink_to('../out')  # the faces themselves, when it goes on
    assert run()[0] == 0
    assert [row['photo'] for row in rows(tmp_path / 'out/index.csv')] == [
        '1.png', '2.png', '3.png', 'larger.png', *['party.png'] * 3]
    (tmp_path / 'photos/larger.png').unlink()  # whose duplicate comes back then
    (tmp_path / 'photos/1.png').unlink()
    save(tmp_path / 'photos/2.png', photo(7))
    save(tmp_path / 'photos/party.png', photo(4))
    assert run()[0] == 0
    (tmp_path / 'photos/results').unlink()
    assert run(output='fresh')[0] == 0
    assert contents(tmp_path / 'out') == contents(tmp_path / 'fresh')
    assert len(rows(tmp_path / 'out/index.csv')) == 4


def test_of_a_named_person_the_face_in_the_middle_is_taken(run, tmp_path):
    both = np.concatenate([photo(1), photo(2), photo(3)], axis=1)
    save(tmp_path / 'photos/Anna_Smith_0001.png', both)
    save(tmp_path / 'photos/party.png', cv2.flip(both, 1))
    assert run()[0] == 0
    index = rows(tmp_path / 'out/index.csv')
    assert [row['photo'] for row in index].count('Anna_Smith_0001.png') == 1
    middle, = [row for row in index if row['identity']]
    assert eyes_of(middle).mean(axis=0)[0] == pytest.approx(both.shape[1] / 2, abs=60)
    assert [row['photo'] for row in index].count('party.png') == 3
    assert len({row['split'] for row in index if row['photo'] == 'party.png'}) == 1
    reasons = [row['reason'] for row in rows(tmp_path / 'out/rejected.csv')]
    assert len(reasons) == 2 and all('not the face in the middle' in reason for reason in reasons)


def test_results_in_the_folder_are_no_photographs(run, tmp_path, capsys):
    for place in ('a.png', 'out/restored_imgs/a.png', 'out/cmp/a.jpg', 'restored_faces/b.png', 'earlier/faces/a_0.png'):
        save(tmp_path / 'photos' / place, np.zeros((40, 40, 3), np.uint8))
    save(tmp_path / 'photos/holiday/cmp/c.png', np.zeros((40, 40, 3), np.uint8))  # a photographer's own folder
    for place, name in (('out', 'report.json'), ('.', 'unfinished.jsonl'), ('earlier', preparing.JOURNAL)):
        (tmp_path / 'photos' / place / name).write_text('{}')
    assert preparing.photos_below(tmp_path / 'photos') == ['a.png', 'holiday/cmp/c.png']
    assert 'earlier, out/cmp, out/restored_imgs, restored_faces' in capsys.readouterr().err


def test_two_runs_into_one_folder_are_refused(run, tmp_path):
    save(tmp_path / 'photos/a.png', np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(errors.InputError, match='faces: another process prepares faces here'):
        (tmp_path / 'faces').mkdir()
        with claims.alone_in(tmp_path / 'faces', ''):
            preparing.prepare(tmp_path / 'photos', tmp_path / 'faces', preparing.Settings(
                face_crops.Filters(0, 0, None), 0, 'none', 'photos'))


def test_bad_arguments_are_one_line(run, tmp_path):
    save(tmp_path / 'photos/1.png', photo(1))
    (tmp_path / 'others.csv').write_text('file,left_x,left_y,right_x,right_y\nphotos/1.png,1,2,30,2\n')
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/mine.txt').write_text('mine')
    for flags, output, message in (((), 'full', 'full: is not empty and was not made by prepare'),
                                   ((), 'full/mine.txt', 'mine.txt: is, or lies below, a file'),
                                   ((), 'photos/out', 'lies in the folder of the photographs'),
                                   (('-i', str(tmp_path / 'none')), 'out', 'none: there is no such folder'),
                                   (('-i', str(tmp_path / 'full')), 'out', 'full: holds no picture'),
                                   (('--eyes-csv', str(tmp_path / 'others.csv')), 'out', 'others.csv: names none of'),
                                   (('--detector', 'none.onnx'), 'out', 'none.onnx: there is no such detector file'),
                                   (('--detector', str(tmp_path / 'full/mine.txt')), 'out', 'as a YuNet detector')):
        code, _, complaint = run(*flags, output=output)
        assert code == 2 and message in complaint and len(complaint.strip().splitlines()) == 1, complaint
    assert run()[0] == 0
    code, _, complaint = run('--min-size', '64')
    assert code == 2 and 'out: was begun with another --min-size, --min-detail or --detector;' in complaint
    code, told, complaint = run('--min-size', '500', output='none')
    assert code == 1 and 'no face was kept' in complaint and '1 too small' in told


def test_given_eyes_outside_the_picture_are_rejected(run, tmp_path):
    for name in 'ab':
        save(tmp_path / f'photos/{name}.png', photo(1))
    (tmp_path / 'eyes.csv').write_text('file,left_x,left_y,right_x,right_y\na.png,150,140,194,140\nb.png,290,140,310,140\n')
    assert run('--eyes-csv', tmp_path / 'eyes.csv', '--min-size', '10')[0] == 0
    assert [row['photo'] for row in rows(tmp_path / 'out/index.csv')] == ['a.png']
    rejected, = rows(tmp_path / 'out/rejected.csv')
    assert (rejected['file'], rejected['reason']) == ('b.png', 'eyes outside the picture: it is 298x298 pixels')


def test_a_process_that_is_killed_is_one_line():
    with pytest.raises(errors.RunError, match='a process was killed, most likely for want of memory; the same command'):
        with processes.mapped(os._exit, [1, 1], 2) as results:
            list(results)


@pytest.mark.parametrize('file, person', [
    ('George_W_Bush_0001.jpg', 'George_W_Bush'), ('lfw/Madonna/Madonna_0003.jpg', 'Madonna'), ('IMG_0001.jpg', ''),
    ('lfw_00.jpg', ''), ('Anna_Smith/3.jpg', 'Anna_Smith'), ('Anna Smith/x.jpg', 'Anna Smith'),
    ('holiday/0001.jpg', ''), ('Madonna_0001.jpg', ''), ('DSC 2019_0001.jpg', '')])
def test_people_are_told_by_names_of_files_and_folders(file, person):
    assert identities.identity_of(file) == person
    assert identities.identity_of(file, 'none') == ''
    assert identities.identity_of(file, 'folder') == (file.split('/')[-2] if '/' in file else '')


def test_folders_of_people_tell_them_where_names_do_not():
    files = [f'{source}/{person:04}/{number}.jpg' for source in 'ab' for person in range(8) for number in range(3)]
    assert identities.identities_of([*files, 'c/Anna_Smith_0001.jpg', 'c/1.jpg']) == {
        **{file: file.split('/')[1] for file in files}, 'c/Anna_Smith_0001.jpg': 'Anna_Smith', 'c/1.jpg': ''}
    assert set(identities.identities_of(files, 'none').values()) == {''}


def test_hashes_tell_a_copy_from_another_face():
    faces = [drawing.draw_face(seed) for seed in range(60)]
    copies = [cv2.resize(cv2.resize(face, (90, 90), interpolation=cv2.INTER_AREA), (128, 128)) for face in faces]
    hashes = np.stack([perceptual_hash.perceptual_hash(face) for face in faces + copies])
    found = perceptual_hash.duplicates(hashes, 8)
    assert {number: kept for number, (kept, _) in found.items()} == {60 + number: number for number in range(60)}
    assert perceptual_hash.duplicates(hashes, -1) == {}


@pytest.mark.parametrize('most_bits', [0, 1, 5, 8, 12, 20, 25])
def test_duplicates_are_those_of_a_search_through_all(most_bits):
    generator = np.random.default_rng(most_bits)
    first = generator.integers(0, 2, (150, 143))
    hashes = np.concatenate([first] + [first ^ (generator.random(first.shape) < share) for share in (0, 0.01, 0.05, 0.1, 0.15)])
    hashes = np.packbits(generator.permutation(hashes), axis=1)
    kept, expected = [], {}
    for number, bits in enumerate(hashes):
        differing = np.bitwise_count(hashes[kept] ^ bits).sum(axis=1, dtype=int)
        if kept and differing.min() <= most_bits:
            expected[number] = kept[int(differing.argmin())], int(differing.min())
        else:
            kept.append(number)
    assert len(expected) > 100 and perceptual_hash.duplicates(hashes, most_bits) == expected


def test_the_search_for_duplicates_does_not_compare_all_with_all():
    hashes = np.random.default_rng(0).integers(0, 256, (10_000, 18), dtype=np.uint8)
    began = time.process_time()
    assert perceptual_hash.duplicates(hashes, 20) == {}
    assert time.process_time() - began < 7  # comparing all with all took 80 s of twice as many, which is four times as long


def test_duplicates_are_not_searched_again_where_nothing_changed(run, tmp_path, monkeypatch):
    for seed in range(3):
        save(tmp_path / f'photos/{seed}.png', photo(seed))
    save(tmp_path / 'photos/larger.png', photo(0, 1.5))
    assert run()[0] == 0
    before = contents(tmp_path / 'out')
    with monkeypatch.context() as patch:
        patch.setattr(perceptual_hash, 'duplicates', None)
        assert run()[0] == 0 and contents(tmp_path / 'out') == before
    save(tmp_path / 'photos/larger.png', photo(7, 1.5))  # no duplicate any more
    assert run()[0] == 0 and len(rows(tmp_path / 'out/index.csv')) == 4
    (tmp_path / 'out' / preparing.DUPLICATES).write_text('{"of": 1')
    (tmp_path / 'photos/larger.png').unlink()
    assert run()[0] == 0 and len(rows(tmp_path / 'out/index.csv')) == 3


def test_detail_falls_with_blur():
    face = drawing.draw_face(3)
    found = [face_crops.detail(cv2.GaussianBlur(face, (0, 0), sigma)) for sigma in (0.3, 1, 2, 4)]
    assert found == sorted(found, reverse=True) and found[0] > 0.05 and found[-1] < 0.02
    assert face_crops.detail(np.full((128, 128, 3), 7, np.uint8)) == 0


@pytest.mark.skipif(not (PHOTOS / 'eyes.csv').exists(), reason='the photographs of the project are not here')
def test_photographs_give_crops_that_match_the_given_eyes(tmp_path, run):
    truth = {file: np.array(eyes) for file, (eyes,) in given_eyes.read_eyes_csv(PHOTOS / 'eyes.csv').items()
             if file.startswith('lfw_')}
    (tmp_path / 'photos').mkdir()
    for file in truth:
        (tmp_path / 'photos' / file).symlink_to(PHOTOS / file)
    assert run('--processes', '2')[0] == 0
    off = {}
    for row in rows(tmp_path / 'out/index.csv'):
        at = alignment.moved(alignment.to_template(eyes_of(row)), truth[row['photo']])  # in the crop
        error = np.linalg.norm(at - images.TEMPLATE_EYES, axis=1).max() / 37
        off[row['photo']] = min(error, off.get(row['photo'], np.inf))
    errors = np.array(list(off.values()))
    print(f'{len(off)} of {len(truth)} photographs, eye error {np.median(errors):.3f} median, '
          f'{np.quantile(errors, 0.9):.3f} 90th percentile')
    assert len(off) >= 0.95 * len(truth) and np.median(errors) <= 0.06 and np.quantile(errors, 0.9) < 0.1
