"""The command that restores photographs and folders, and what it says when something is wrong."""

import csv
import errno
import io
import json
import pathlib
import re
import sys
import tempfile
import zlib

import cv2
import jax
import numpy as np
import pillow_heif
from PIL import Image
import pytest

from gln_jax import config, images, upsample, weights
from gln_jax.data import alignment
from gln_jax.data.image_files import reading, writing
from gln_jax.data.synthetic import drawing
from gln_jax.photos import aligned_faces, face_upsampling, photograph_files, results
from gln_jax.runtime import claims, files
from gln_jax.training import checkpoints, steps

EYES = ((27.1, 22.8), (32.9, 22.8))


@pytest.fixture(scope='module')
def network(tmp_path_factory):
    """A weights file of a small network before training, for 8x."""
    settings = config.default()
    settings.network = 'gln3'
    folder = tmp_path_factory.mktemp('network')
    with checkpoints.Checkpoints(folder / 'workdir' / checkpoints.LATEST, settings) as kept:
        kept.save(1, jax.jit(lambda: steps.create_state(settings))())
    weights.export(folder / 'workdir', folder / 'x8.safetensors')
    return folder / 'x8.safetensors'


def photo(seed=5, size=64):
    """A drawn face with its eyes at EYES; its aligned square spans 20 pixels."""
    wide = cv2.copyMakeBorder(drawing.draw_face(seed), 128, 128, 128, 128, cv2.BORDER_REPLICATE)
    to_face = np.array([[1.0, 0, -128], [0, 1, -128]])
    from_wide = alignment.after(alignment.inverse(alignment.to_template(EYES)), to_face)
    return np.clip(np.round(alignment.warp(wide, from_wide, (size, size))), 0, 255).astype(np.uint8)


def lr_face(seed):
    lr = images.degrade(drawing.draw_face(seed) / np.float32(255), 8)
    return np.round(255 * np.clip(np.asarray(lr), 0, 1)).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def eyes_text(eyes=EYES):
    return ','.join(str(value) for point in eyes for value in point)


@pytest.fixture
def run(tmp_path, network, command):
    """Runs the command: (exit code, standard output, standard error). It writes to tmp_path/out."""
    def run(*flags, output=tmp_path / 'out', ckpt=network):
        return command(upsample.main, '-o', output, *(['--ckpt', ckpt] if ckpt else []), *flags)
    return run


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in pathlib.Path(folder).rglob('*') if path.is_file())


def only_line(text):
    line, = text.strip().splitlines()
    return line


def test_one_photograph(run, tmp_path):
    file = save(tmp_path / 'me.png', photo())
    code, told, _ = run('-i', file, '--eyes', eyes_text())
    assert code == 0 and 'restored' in told
    out = tmp_path / 'out'
    assert written(out) == ['cmp/me.jpg', 'cmp/me_00.jpg', 'report.json', 'restored_faces/me_00.png', 'restored_imgs/me.png']
    assert Image.open(out / 'restored_imgs/me.png').size == (512, 512)
    assert Image.open(out / 'restored_faces/me_00.png').size == (128, 128)
    assert Image.open(out / 'cmp/me_00.jpg').width > 3 * 256
    assert Image.open(out / 'cmp/me.jpg').width > 3 * 512
    report = json.loads((out / 'report.json').read_text())
    taken, = report['networks']
    assert (taken['scale'], taken['degradation'], taken['network'][-14:]) == (8, 'gaussian', 'x8.safetensors')
    entry, = report['files']
    face, = entry['faces']
    assert entry['file'] == str(file) and entry['factor'] == 8 and entry['size'] == [512, 512]
    assert face['source_pixels'] == pytest.approx(20.1, abs=0.1) and face['scale'] == 8
    np.testing.assert_allclose(face['eyes'], EYES)
    assert 20 < face['network_consistency_db'] < 60 < face['consistency_db'] and 0 < face['mirrored_disagreement'] < 30
    assert face['shifted_disagreement'] > 0


def test_without_a_network_named_the_photograph_shows_which_one_is_for_it(run, tmp_path):
    file = save(tmp_path / 'me.png', photo())
    assert run('-i', file, '--eyes', eyes_text(), '--no-disagreement', ckpt=None)[0] == 0
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert [taken['scale'] for taken in report['networks']] == [8, 4, 2] and report['files'][0]['faces'][0]['scale'] == 8
    for scale, size in ((8, 512), (2, 128)):
        out = tmp_path / f'x{scale}'
        assert run('-i', file, '--eyes', eyes_text(), '--no-disagreement', '--scale', scale, ckpt=None, output=out)[0] == 0
        assert [taken['scale'] for taken in json.loads((out / 'report.json').read_text())['networks']] == [scale]
        assert Image.open(out / 'restored_imgs/me.png').size == (size, size)


def test_names_formats_and_the_report_on_the_terminal(run, tmp_path):
    file = save(tmp_path / 'me.png', photo())
    code, told, _ = run('-i', file, '--eyes', eyes_text(), '--suffix', '_gln', '--ext', 'webp', '--json',
                        '--no-disagreement')
    assert code == 0
    assert written(tmp_path / 'out') == ['cmp/me_00_gln.jpg', 'cmp/me_gln.jpg', 'report.json', 'restored_faces/me_00_gln.png',
                                         'restored_imgs/me_gln.webp']
    report = json.loads(told)
    assert report == json.loads((tmp_path / 'out/report.json').read_text())
    assert 'mirrored_disagreement' not in report['files'][0]['faces'][0]


def test_a_folder_goes_on_after_bad_files_and_fails_in_the_end(run, tmp_path):
    folder = tmp_path / 'in'
    for name in ('a.png', 'b.jpg', 'b.png', '._hidden.jpg'):
        save(folder / name, photo())
    (folder / 'c.jpg').write_bytes(b'')
    save(folder / 'd.png', np.zeros((1, 1, 3), np.uint8))
    long = save(folder / f'{"e" * 240}.png', photo()).name
    (folder / 'notes.txt').write_text('not a picture and no picture by its name')
    with (tmp_path / 'eyes.csv').open('w', newline='') as file:
        table = csv.writer(file)
        table.writerow(['file', 'left_eye_x', 'left_eye_y', 'right_eye_x', 'right_eye_y'])
        table.writerows([name, *EYES[0], *EYES[1]] for name in ('a.png', 'b.jpg', 'b.png'))
    code, told, complaints = run('-i', folder, '--eyes-csv', tmp_path / 'eyes.csv')
    assert code == 1
    assert '3 of 6 files done, 3 faces restored' in told
    assert 'in: 1 file is left out, whose endings are not those of the pictures that are read here: 1 .txt' in complaints
    assert 'c.jpg: cannot be read as a picture (the file is empty)' in complaints
    assert 'd.png: is 1x1 pixels, too small for a face' in complaints
    assert f'{long}: the name is too long; shorten that of the input' in complaints
    assert f'error: 3 of 6 files failed: c.jpg, d.png, {long}' in complaints
    assert written(tmp_path / 'out/restored_imgs') == ['a.png', 'b_jpg.jpg', 'b_png.png']
    report = json.loads((tmp_path / 'out/report.json').read_text())
    assert [pathlib.Path(entry['file']).name for entry in report['files'] if 'error' in entry] == ['c.jpg', 'd.png', long]


def interrupt(monkeypatch, call):
    """Lets Ctrl-C come when a results folder is written to for the time numbered `call`."""
    original, calls = files.write, []

    def interrupted(path, content):
        calls.append(path)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(path, content)

    monkeypatch.setattr(files, 'write', interrupted)


@pytest.mark.parametrize('aligned', [False, True])
def test_the_same_command_goes_on_after_an_interruption_with_the_same_results(run, tmp_path, monkeypatch, aligned):
    for seed, name in enumerate('abc'):
        save(tmp_path / f'in/{name}.png', lr_face(seed) if aligned else photo(seed))
    (tmp_path / 'eyes.csv').write_text('file,left_x,left_y,right_x,right_y\n' + ''.join(
        f'{name}.png,{eyes_text()}\n' for name in 'abc'))
    flags = ('-i', tmp_path / 'in', *(['--aligned'] if aligned else ['--eyes-csv', tmp_path / 'eyes.csv', '--no-disagreement']))
    assert run(*flags, output=tmp_path / 'whole')[0] == 0
    monkeypatch.setattr(aligned_faces, 'WRITERS', 1)
    with monkeypatch.context() as patched:
        interrupt(patched, call=4 if aligned else 7)  # in the middle of the second file
        assert run(*flags)[0] == 130
    code, _, complaint = run(*flags, '--suffix', '_x')
    assert code == 2 and 'a run that was interrupted and had another --suffix' in only_line(complaint)
    assert written(tmp_path / 'out')[-1] == 'unfinished.jsonl'
    done = tmp_path / 'out/restored_faces' / ('a.png' if aligned else 'a_00.png')
    time_of_first = done.stat().st_mtime_ns
    code, said, complaints = run(*flags)
    assert code == 0 and '3 of 3 files done, 3 faces restored' in said and 'were done by a run that was interrupted' in complaints
    assert done.stat().st_mtime_ns == time_of_first
    assert written(tmp_path / 'out') == written(tmp_path / 'whole')
    for name in written(tmp_path / 'out'):
        assert (tmp_path / 'out' / name).read_bytes() == (tmp_path / 'whole' / name).read_bytes(), name


def test_a_photograph_that_changed_since_the_interruption_is_restored_anew(run, tmp_path, monkeypatch):
    flat = np.full((30, 40, 3), 80, np.uint8)
    for name in 'ab':
        save(tmp_path / f'in/{name}.png', flat)
    with monkeypatch.context() as patched:
        interrupt(patched, call=3)
        assert run('-i', tmp_path / 'in')[0] == 130
    save(tmp_path / 'in/a.png', flat + 50)
    assert run('-i', tmp_path / 'in')[0] == 0
    assert (np.asarray(Image.open(tmp_path / 'out/restored_imgs/a.png')) == 130).all()


def test_a_second_run_into_the_same_folder_is_refused_before_it_works(run, tmp_path, monkeypatch):
    file = save(tmp_path / 'me.png', photo())
    (tmp_path / 'out').mkdir()
    with claims.alone_in(tmp_path / 'out', ''):
        monkeypatch.setattr(face_upsampling, 'load', None)  # nothing is loaded
        code, _, complaint = run('-i', file)
    assert code == 2 and 'out: another process writes its results here' in only_line(complaint)


def test_upside_down_eyes_keep_their_order(run, tmp_path):
    upright = save(tmp_path / 'up.png', photo())
    turned = save(tmp_path / 'down.png', photo()[::-1, ::-1])
    (left_x, left_y), (right_x, right_y) = EYES
    eyes_turned = f'{63 - left_x},{63 - left_y},{63 - right_x},{63 - right_y}'
    assert run('-i', upright, '--eyes', eyes_text(), '--no-disagreement')[0] == 0
    assert run('-i', turned, '--eyes', eyes_turned, '--no-disagreement', output=tmp_path / 'out_2')[0] == 0
    faces = [np.asarray(Image.open(path)).astype(int) for path in (
        tmp_path / 'out/restored_faces/up_00.png', tmp_path / 'out_2/restored_faces/down_00.png')]
    assert np.abs(faces[0] - faces[1]).max() <= 2
    code, said, _ = run('-i', upright, '--eyes', eyes_text(EYES[::-1]), '--no-disagreement', '--overwrite')
    assert code == 0 and 'in this order the face stands on its head' in said


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_one_photograph_has_a_bar_of_its_steps_at_a_terminal(network, tmp_path, monkeypatch):
    file = save(tmp_path / 'me.png', photo())
    monkeypatch.setattr(photograph_files, 'SECONDS_WITHOUT_A_BAR', 0)
    monkeypatch.setattr(sys, 'stderr', Terminal())
    upsample.main(['-i', str(file), '-o', str(tmp_path / 'out'), '--ckpt', str(network), '--eyes', eyes_text()])
    for step in ('finding faces', 'face 1 of 1', 'enlarging and pasting', 'writing'):
        assert step in sys.stderr.getvalue()


@pytest.mark.parametrize('ending', ['heic', 'avif'])
def test_what_phones_make_is_restored(run, tmp_path, ending):
    file = tmp_path / f'me.{ending}'
    (pillow_heif.from_pillow if ending == 'heic' else lambda picture: picture)(Image.fromarray(photo())).save(file, quality=95)
    code, said, _ = run('-i', file, '--eyes', eyes_text(), '--no-disagreement')
    assert code == 0 and written(tmp_path / 'out')[-1] == 'restored_imgs/me.png'


def test_aligned_faces(run, tmp_path):
    for seed in range(3):
        save(tmp_path / f'in/{seed}.png', lr_face(seed))
    save(tmp_path / 'in/grey.png', lr_face(3)[..., 0])
    save(tmp_path / 'in/z.png', np.zeros((32, 32, 3), np.uint8))
    (tmp_path / 'in/again.png').symlink_to('0.png')  # which is not done twice
    (tmp_path / 'in/round').symlink_to('.')
    code, _, complaints = run('-i', tmp_path / 'in', '--aligned')
    assert code == 1 and 'z.png: is 32x32 pixels, and this network for 8x takes aligned faces of 16x16' in complaints
    out = tmp_path / 'out'
    assert written(out) == [f'cmp/{name}.jpg' for name in ('0', '1', '2', 'grey')] + [
        'report.json'] + [f'restored_faces/{name}.png' for name in ('0', '1', '2', 'grey')]
    restored = [np.asarray(Image.open(out / f'restored_faces/{seed}.png')).astype(float) for seed in range(3)]
    errors_of = [[np.abs(face - drawing.draw_face(seed)).mean() for seed in range(3)] for face in restored]
    assert [np.argmin(row) for row in errors_of] == [0, 1, 2] and max(map(min, errors_of)) < 30
    grey = np.asarray(Image.open(out / 'restored_faces/grey.png'))
    assert (grey == grey[..., :1]).all()
    entry = json.loads((out / 'report.json').read_text())['files'][0]
    assert entry['faces'][0]['consistency_db'] > 20


def test_no_face_is_said_and_the_photograph_is_bicubic(run, tmp_path):
    file = save(tmp_path / 'wall.png', np.full((30, 40, 3), 80, np.uint8))
    code, told, _ = run('-i', file)
    assert code == 0 and 'wall.png: no face was found' in told
    np.testing.assert_array_equal(reading.read(tmp_path / 'out/restored_imgs/wall.png').pixels, 80)
    assert written(tmp_path / 'out') == ['cmp/wall.jpg', 'report.json', 'restored_imgs/wall.png']


def test_results_are_replaced_only_where_that_is_wished(run, tmp_path):
    file = save(tmp_path / 'me.png', photo())
    arguments = ('-i', file, '--eyes', eyes_text(), '--no-disagreement')
    assert run(*arguments)[0] == 0
    (tmp_path / 'out/restored_imgs/me.png').write_bytes(b'mine')
    code, _, complaint = run(*arguments)
    assert code == 2 and 'report.json: is there already; give --overwrite' in only_line(complaint)
    (tmp_path / 'out/report.json').unlink()
    code, _, complaint = run(*arguments)
    assert code == 2 and 'me.png: is there already; give --overwrite' in complaint
    assert (tmp_path / 'out/restored_imgs/me.png').read_bytes() == b'mine'
    assert run(*arguments, '--overwrite')[0] == 0
    assert Image.open(tmp_path / 'out/restored_imgs/me.png').size == (512, 512)


def content(kind):
    if kind == 'truncated':
        whole = writing.encode(photo(), 'jpg')
        return whole[:len(whole) // 2]
    if kind == 'huge':
        header = bytearray(writing.encode(photo(), 'png'))
        header[16:24] = 2 * (30_000).to_bytes(4)
        header[29:33] = zlib.crc32(header[12:29]).to_bytes(4)
        return bytes(header)
    if kind == '1x1':
        return writing.encode(np.zeros((1, 1, 3), np.uint8), 'png')
    return {'empty': b'', 'text': b'Dear Sir or Madam,\n' * 30}[kind]


@pytest.mark.parametrize('kind, message', [
    ('truncated', 'cannot be read as a picture .image file is truncated'), ('empty', 'the file is empty'),
    ('text', 'not a picture'), ('1x1', 'is 1x1 pixels, too small'), ('huge', 'is 30000x30000 pixels, 900 million')])
def test_a_bad_file_is_one_line_with_its_name(run, tmp_path, kind, message):
    file = tmp_path / 'photo.jpg'
    file.write_bytes(content(kind))
    code, _, complaint = run('-i', file)
    line = only_line(complaint)
    assert code == 2 and line.startswith(f'error: {file}: ')
    assert re.search(message, line)
    assert written(tmp_path / 'out') == []


def test_a_photograph_too_large_for_its_format_is_named_before_anything_is_written(run, tmp_path):
    file = save(tmp_path / 'wide.webp', np.pad(photo(), ((0, 0), (0, 8200), (0, 0))))
    code, _, complaint = run('-i', file, '--eyes', eyes_text(), '--no-disagreement')
    assert code == 2 and 'wide.webp: ' in only_line(complaint) and 'use --ext png' in complaint
    assert written(tmp_path / 'out') == []


@pytest.mark.parametrize('files, names', [
    (['a.jpg', 'b.png'], ['a', 'b']), (['b.jpg', 'b.png'], ['b_jpg', 'b_png']),
    (['b.jpg', 'b.png', 'b_jpg.png'], ['b.jpg', 'b.png', 'b_jpg.png'])])
def test_every_file_has_a_name_of_its_own(files, names):
    assert list(results.names_of([pathlib.Path(file) for file in files]).values()) == names


def test_bad_arguments_are_one_line(run, tmp_path, network):
    file = save(tmp_path / 'me.png', photo())
    (tmp_path / 'empty').mkdir()
    save(tmp_path / 'many/a.png', photo())
    others = tmp_path / 'others.csv'
    others.write_text('file,left_x,left_y,right_x,right_y\nyou.png,1,2,30,2\n')
    for flags, message in (
            (('-i', tmp_path / 'none.jpg'), 'none.jpg: no such file or folder'),
            (('-i', tmp_path / 'empty'), 'empty: holds no picture'),
            (('-i', tmp_path / 'many', '--eyes', eyes_text()), '--eyes is for one photograph'),
            (('-i', file, '--eyes', eyes_text(), '--eyes-csv', 'eyes.csv'), '--eyes, --eyes-csv: give one of them'),
            *((('-i', file, '--aligned', *of_photos), f'--aligned: leave out {of_photos[0]}, which is for photographs')
              for of_photos in (('--eyes', eyes_text()), ('--eyes-csv', 'eyes.csv'), ('--detector', 'yunet.onnx'),
                                ('--only-center-face',), ('--force',), ('--ext', 'webp'))),
            (('-i', tmp_path / 'many', '--aligned', '--force', '--ext', 'png'), 'leave out --force, --ext, which are'),
            (('-i', file, '--eyes', '1,2,3'), '1,2,3'),
            (('-i', file, '--eyes', '1,2,300,2'), 'me.png: eyes 1,2,300,2: lie outside'),
            (('-i', file, '--eyes-csv', tmp_path / 'none.csv'), 'none.csv'),
            (('-i', file, '--eyes-csv', others), 'others.csv: names none of the photographs; its first is you.png'),
            (('-i', file, '--detector', tmp_path / 'none.onnx'), 'none.onnx: there is no such detector file'),
            (('-i', file, '--suffix', '/../x'), '--suffix /../x'),
            (('-i', file, '--scale', '4'), f'{network}: is a network for 8x, and the scale asked for is 4x')):
        code, _, complaint = run(*flags)
        assert code == 2 and message in only_line(complaint), flags
    assert run('-i', file, '--scale', '8', '--eyes', eyes_text(), '--no-disagreement')[0] == 0


def test_without_a_network_it_says_how_to_get_one(run, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, 'released', lambda: [])
    code, _, complaint = run('-i', save(tmp_path / 'me.png', photo()), ckpt=None)
    assert code == 2 and 'give --ckpt=PATH' in only_line(complaint) and 'train.py' in complaint


def test_folders_that_cannot_be_written_are_named(run, tmp_path, monkeypatch):
    file = save(tmp_path / 'me.png', photo())
    code, _, complaint = run('-i', file, output=file)
    assert code == 2 and 'me.png: is, or lies below, a file' in only_line(complaint)
    code, _, complaint = run('-i', file, output=file / 'below')
    assert code == 2 and 'is, or lies below, a file' in only_line(complaint)

    def forbidden(**options):  # as a folder without write permission does it, to all but the system's administrator
        raise PermissionError(errno.EACCES, 'Permission denied', str(options['dir']))

    monkeypatch.setattr(tempfile, 'TemporaryFile', forbidden)
    code, _, complaint = run('-i', file)
    assert code == 2 and 'out: no permission to write there' in only_line(complaint)


def test_help_shows_examples(capsys):
    with pytest.raises(SystemExit) as exit_:
        upsample.main(['--help'])
    assert exit_.value.code == 0
    told = capsys.readouterr().out
    assert 'python -m gln_jax.upsample -i photo.jpg -o results' in told and '--only-center-face' in told


def test_a_restored_photograph_keeps_dates_author_and_resolution(run, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x013b], exif[0x0132] = 6, 'Ann', '2020:01:02 03:04:05'
    Image.fromarray(np.ascontiguousarray(np.rot90(photo()))).save(tmp_path / 'me.jpg', exif=exif, dpi=(240, 240))
    assert run('-i', tmp_path / 'me.jpg', '--eyes', eyes_text(), '--no-disagreement')[0] == 0
    written = Image.open(tmp_path / 'out/restored_imgs/me.jpg')
    kept = written.getexif()
    assert (kept[0x013b], kept[0x0132], kept.get(0x0112), written.info['dpi']) == ('Ann', '2020:01:02 03:04:05', None, (240, 240))
