"""A user's folder of faces: what is found in it, what it is turned into, and what is said when something is wrong."""

import csv
import os
import pathlib
import subprocess

import cv2
import numpy as np
from PIL import Image
import pytest

from gln_jax import config
from gln_jax.data import faces, folder, folder_contents, holdout, identities, pipeline, preparation
from gln_jax.data.image_files import aligned
from gln_jax.runtime import errors, processes, processors
from gln_jax.training import run


def picture(seed=0, channels=3):
    """A smooth made-up picture, uint8 [128, 128, channels], or [128, 128] for one channel."""
    noise = np.random.default_rng(seed).integers(0, 256, (128, 128, channels), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2)


def save(path, image=None, **options):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(picture() if image is None else image)).save(
        path, **options)


def write_index(root, rows):
    with (root / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def load(tmp_path):
    """A function of (root, split) to `faces.Faces`, with a directory for prepared data of its own."""
    def load(root, split):
        settings = config.default()
        settings.data.name, settings.data.path = 'folder', str(root)
        settings.data.directory = str(tmp_path / 'prepared')
        return faces.load(settings, split)
    return load


@pytest.fixture
def root(tmp_path):
    return tmp_path / 'my faces'


def only(found):
    face, = found
    return face


def test_index_gives_split_source_and_identity(root, load):
    for number in range(4):
        save(root / 'pictures' / f'{number}.png', picture(number))
    write_index(root, [
        {'file': f'pictures/{number}.png', 'split': split, 'source': source, 'identity': f'person {number}', 'yaw': 0.5}
        for number, (split, source) in enumerate(
            [('train', 'web'), ('test', 'web'), ('test', 'studio'), ('test', 'studio')])])
    face = only(load(root, 'test/web'))
    assert (face.file, face.source, face.identity) == ('pictures/1.png', 'web', 'person 1')
    np.testing.assert_array_equal(face.image, picture(1))
    assert [face.source for face in load(root, 'test/studio, train,test/web')] == ['studio', 'studio', 'web', 'web']
    assert sorted(load(root, 'test').sources) == ['studio', 'studio', 'web']
    for split in ('val', 'test/lfw', 'train/studio', ''):
        with pytest.raises(errors.InputError, match='test, test/studio, test/web, train, train/web$'):
            load(root, split)


def test_a_disk_that_fills_up_while_a_folder_is_prepared_or_decoded_is_told(root, small_disk):
    for number in range(64):
        save(root / 'train' / f'{number}.png', np.full((128, 128, 3), number, np.uint8))
    settings = config.default()
    settings.data.name, settings.data.path, settings.data.directory = 'folder', str(root), str(small_disk('400k'))
    found = faces.load(settings, 'train')
    with pytest.raises(OSError, match=f'No space left on device.*{pipeline.DECODED}'):
        pipeline.luminance_reader(found, settings)
    for number in range(8):
        save(root / 'train' / f'{number}.png', np.random.default_rng(number).integers(0, 256, (128, 128, 3), np.uint8))
    with pytest.raises(OSError, match='No space left on device'):
        faces.load(settings, 'train')


def test_luminance_is_that_of_the_image(root, load):
    save(root / 'train' / '0.png', picture(5))
    found = load(root, 'train')
    luminance = found.luminance(0)
    assert luminance.shape == (128, 128, 1) and luminance.dtype == np.uint8
    np.testing.assert_allclose(luminance[..., 0], found[0].image @ np.array([0.299, 0.587, 0.114]), atol=0.51)


def test_sub_folders_give_split_and_source(root, load):
    for file in ('train/lfw/a.jpg', 'train/lfw/deeper/b.JPG', 'train/c.png', 'val/ffhq/d.png'):
        save(root / file)
    save(root / 'train' / '.thumbnails' / 'c.png')
    for file in ('README.md', 'train/.DS_Store', 'train/._c.png'):
        (root / file).write_text('not a picture')
    (root / 'train' / 'gone.png').symlink_to(root / 'nowhere.png')
    assert {(face.file, face.source, face.identity) for face in load(root, 'train')} == {
        ('train/lfw/a.jpg', 'lfw', ''), ('train/lfw/deeper/b.JPG', 'lfw', ''), ('train/c.png', 'my faces', '')}
    assert only(load(root, 'val/ffhq')).file == 'val/ffhq/d.png'


def test_links_lead_no_face_into_two_splits(root, load):
    for number in range(20):
        save(root / 'web' / f'{number}.png')
    (root / 'web' / 'up').symlink_to('..')
    (root / 'other').symlink_to('web')
    assert sum(len(load(root, split)) for split in ('train', 'val', 'test')) == 20


def test_pictures_alone_are_held_out_by_their_names(root, load, capsys):
    for number in range(60):
        save(root / 'web' / f'{number}.png')
    counts = {split: len(load(root, split)) for split in ('train', 'val', 'test')}
    assert sum(counts.values()) == 60 and counts['train'] > 45
    told = [line for line in capsys.readouterr().out.splitlines() if 'hash of the people' in line]
    assert len(told) == 1 and f'{counts["val"]} pictures are val, {counts["test"]} are test' in told[0]
    assert set(load(root, 'train').sources) == {'web'}


def test_holdout_depends_on_the_name_alone():
    names = [f'{number}.jpg' for number in range(4000)]
    split_of = holdout.splits(names)
    for split, share in (('train', 0.9), ('val', 0.05), ('test', 0.05)):
        assert abs(list(split_of.values()).count(split) / 4000 - share) < 0.01
    fewer = holdout.splits(names[:2000])
    assert sum(split_of[name] != split for name, split in fewer.items()) <= 2  # the fewest that make val and test
    for few in ('abc', ('52_0.png', '52_1.png', '52_2.png')):  # two of the latter are of val by their hashes
        assert sorted(holdout.splits(few).values()) == ['test', 'train', 'val']


def test_index_without_splits_is_held_out(root, load):
    for number in range(30):
        save(root / f'{number}.png')
    write_index(root, [{'file': f'{number}.png'} for number in range(29)])
    assert sum(len(load(root, split)) for split in ('train', 'val', 'test')) == 29


def test_people_of_an_index_are_held_out_whole(root, load):
    for number in range(60):
        save(root / f'{number}.png')
    write_index(root, [{'file': f'{number}.png', 'identity': f'person {number // 3}'} for number in range(60)])
    people = [{face.identity for face in load(root, split)} for split in ('train', 'val', 'test')]
    assert sum(map(len, people)) == len(set.union(*people)) == 20 and all(people)
    write_index(root, [{'file': f'{number}.png', 'identity': 'one alone'} for number in range(60)])
    assert all(len(load(root, split)) for split in ('train', 'val', 'test'))


def test_people_in_two_splits_are_warned_of(root, load, capsys):
    for number in range(3):
        save(root / f'{number}.png')
    write_index(root, [{'file': f'{number}.png', 'split': split, 'identity': person} for number, (split, person) in enumerate(
        [('train', 'Ann'), ('test', 'Ann'), ('test', 'Bob')])])
    load(root, 'test')
    assert "'Ann' is in test and train" in capsys.readouterr().err


@pytest.mark.parametrize('file, options', [('a.jpg', {'quality': 95}), ('a.png', {})])
def test_8_bit_rgb_files_are_kept_as_they_are(root, file, options):
    save(root / file, **options)
    assert aligned.encoded_face(root / file) == (root / file).read_bytes()


@pytest.mark.parametrize('file', ['a.bmp', 'a.webp', 'a.tif'])
def test_other_formats_are_converted(root, load, file):
    save(root / 'train' / file, picture(1), **({'lossless': True} if file == 'a.webp' else {}))
    np.testing.assert_array_equal(only(load(root, 'train')).image, picture(1))


def test_other_kinds_of_pixels_are_converted(root, load):
    grey, rgba = picture(1, channels=1), picture(2, channels=4)
    values = np.random.default_rng(3).integers(0, 65536, (128, 128, 3), dtype=np.uint16)
    save(root / 'train' / 'grey.png', grey)
    save(root / 'train' / 'grey.jpg', grey, quality=100)
    save(root / 'train' / 'rgba.png', rgba)
    save(root / 'train' / 'palette.png', Image.fromarray(grey).convert('P'))
    save(root / 'train' / 'cmyk.jpg', Image.fromarray(picture(4)).convert('CMYK'), quality=100)
    cv2.imwrite(str(root / 'train' / 'rgb16.png'), values[..., ::-1])
    cv2.imwrite(str(root / 'train' / 'grey16.png'), values[..., 0])
    found = {pathlib.Path(face.file).name: face.image for face in load(root, 'train')}
    np.testing.assert_array_equal(found['grey.png'], grey[..., None].repeat(3, axis=-1))
    np.testing.assert_array_equal(found['palette.png'], found['grey.png'])
    np.testing.assert_allclose(found['grey.jpg'], found['grey.png'], atol=3)
    np.testing.assert_array_equal(found['rgba.png'], rgba[..., :3])
    np.testing.assert_allclose(found['cmyk.jpg'], picture(4), atol=12)
    np.testing.assert_allclose(found['rgb16.png'], values / 257, atol=1)
    np.testing.assert_allclose(found['grey16.png'], (values[..., :1] / 257).repeat(3, axis=-1), atol=0.51)


def test_exif_orientation_is_respected(root, load):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    save(root / 'train' / 'a.jpg', picture(1), quality=100, subsampling=0, exif=exif)
    difference = only(load(root, 'train')).image.astype(int) - np.rot90(picture(1), -1)
    assert abs(difference).mean() < 1


def truncated_jpeg(path):
    save(path)
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize('make, message', [
    (truncated_jpeg, 'cannot be read as a picture .image file is truncated'),
    (lambda path: path.write_bytes(b''), 'cannot be read as a picture .the file is empty'),
    (lambda path: path.write_text('Dear Sir or Madam'), 'cannot be read as a picture .not a picture'),
    (lambda path: save(path, picture()[:100]), 'is 128x100 pixels.* is 128x128; align or resize'),
])
def test_bad_picture_is_named_and_nothing_is_kept(root, load, make, message):
    save(root / 'train' / 'good.png')
    make(root / 'train' / 'bad.jpg')
    with pytest.raises(errors.InputError, match=f'my faces/train/bad.jpg: {message}'):
        load(root, 'train')
    (root / 'train' / 'bad.jpg').unlink()
    assert only(load(root, 'train')).file == 'train/good.png'


@pytest.mark.parametrize('index', [
    'file,split,identity\npictures/a b.png,train,Ann\npictures/c.png,test,Bob\n',
    '\ufefffile,split,identity\r\npictures\\a b.png,train,Ann\r\npictures\\c.png,test,Bob\r\n',
    'FILE;Split;IDENTITY\npictures/a b.png;train;Ann\n;;\n\npictures/c.png;test;Bob\n;;\n',
    'sep=;\r\n"File";"Split";"Identity"\r\n"pictures\\a b.png";"Train";"Ann"\r\n"pictures\\c.png";"TEST";"Bob"\r\n',
    'Split\tFile\tage, in years\tIdentity\ntraining\tpictures\\a b.png\t3\tAnn\ntesting\t./pictures/c.png\t4\tBob\n',
    ' file , split , identity \n "pictures/a b.png" , train , Ann\n pictures/c.png , test , Bob \n',
    '\n\nfile|split|identity\npictures/a b.png|train|Ann|of no column\npictures/c.png|test|Bob\n',
    'identity,file,split,file\nAnn,pictures/a b.png,train,\nBob,pictures/c.png,test,\n',
    ('\ufeffFile\tSplit\tIdentity\r\npictures\\a b.png\ttrain\tAnn\r\npictures\\c.png\ttest\tBob\r\n').encode('utf-16-le'),
])
def test_an_index_as_spreadsheets_save_it(root, index):
    save(root / 'pictures' / 'a b.png')
    save(root / 'pictures' / 'c.png', picture(1))
    (root / 'index.csv').write_bytes(index if isinstance(index, bytes) else index.encode())
    assert folder_contents.contents(root).entries == [('pictures/a b.png', 'train', 'my faces', 'Ann'),
                                                      ('pictures/c.png', 'test', 'my faces', 'Bob')]


def test_a_long_path_with_backslashes_is_no_name_that_is_too_long(root):
    save(root / ('a' * 200) / f'{"b" * 200}.png')
    write_index(root, [{'file': f'{"a" * 200}\\{"b" * 200}.png', 'split': 'train'}])
    assert [entry.file for entry in folder_contents.contents(root).entries] == [f'{"a" * 200}/{"b" * 200}.png']


def test_a_backslash_may_be_part_of_a_name(root):
    save(root / 'a\\b.png')
    write_index(root, [{'file': 'a\\b.png', 'split': 'train'}])
    assert [entry.file for entry in folder_contents.contents(root).entries] == ['a\\b.png']


def found_in(root, *names):
    """The contents of a folder with these files, {file: (split, source, identity)}, and the notes."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    entries, notes = folder_contents.contents(root)
    return {entry.file: tuple(entry[1:]) for entry in entries}, notes


@pytest.mark.parametrize('train, val, test', [
    ('Train', 'Val', 'Test'), ('TRAINING', 'validation', 'testing'), ('train_set', 'dev', 'test-images'),
    ('Training Faces', 'Valid', 'test2017')])
def test_split_folders_have_the_usual_names_in_any_case(root, train, val, test):
    found, notes = found_in(root, f'{train}/a.png', f'{train}/lfw/b.png', f'{val}/c.png', f'{test}/d.png')
    assert {file: split for file, (split, *_) in found.items()} == {
        f'{train}/a.png': 'train', f'{train}/lfw/b.png': 'train', f'{val}/c.png': 'val', f'{test}/d.png': 'test'}
    assert found[f'{train}/lfw/b.png'][1] == 'lfw' and not notes


def test_split_folders_may_lie_in_the_folders_of_sources(root):
    found, _ = found_in(root, 'lfw/Train/a.png', 'lfw/test/b.png', 'web/training/new/c.png')
    assert found == {'lfw/Train/a.png': ('train', 'lfw', ''), 'lfw/test/b.png': ('test', 'lfw', ''),
                     'web/training/new/c.png': ('train', 'web', '')}


def test_a_folder_around_the_split_folders_changes_nothing_of_the_splits(root):
    found, _ = found_in(root, 'faces/Train/a.png', 'faces/Train/b.png')
    assert {split for split, *_ in found.values()} == {'train'}


@pytest.mark.parametrize('names, message', [
    (('val/a.png', 'Validation/b.png'), "'Validation' and 'val' both mean the split 'val'"),
    (('train/a.png', 'training/b.png', 'test/c.png'), "'train' and 'training' both mean the split 'train'"),
    (('lfw/train/a.png', 'lfw/test/b.png', 'lfw/train_set/c.png'), "'train' and 'train_set' both mean"),
    (('Train/a.png', 'holdout/b.png'), 'my faces/holdout/b.png: lies outside of the folders for splits .Train.'),
    (('Test/a.png', 'b.png'), 'my faces/b.png: lies outside of the folders for splits .Test.'),
    (('lfw/train/a.png', 'lfw/test/b.png', 'web/c.png'), 'my faces/web/c.png: lies outside'),
])
def test_split_folders_that_could_mean_two_things_are_refused(root, names, message):
    with pytest.raises(errors.InputError, match=message):
        found_in(root, *names)


PEOPLE = {'LFW': ['Anna_Smith', 'Luiz_da_Silva', 'Bo_Li'], 'numbered': ['Person_000', 'Person_001', 'person 2'],
          'VGGFace2': ['n000001', 'n000009', 'n001234'], 'CASIA': ['0000045', '0000099', '0000102'],
          'first names': ['ann', 'bob', 'cleo', 'dan', 'eve'], 'many': [f'from {letter}' for letter in 'abcdefghijklmnopqrstuvw']}


@pytest.mark.parametrize('around', ['', 'Train/', 'web/', 'train/web/'])
@pytest.mark.parametrize('kind', PEOPLE)
def test_folders_of_people_are_people_and_no_sources(root, kind, around):
    pictures = 60 if kind == 'many' else 4
    found, notes = found_in(root, *(f'{around}{person}/{number}.png' for person in PEOPLE[kind] for number in range(pictures)))
    people = {}
    for file, (split, source, identity) in found.items():
        assert identity == file.split('/')[-2] and source == ('web' if 'web/' in around else 'my faces')
        people.setdefault(identity, set()).add(split)
    assert all(len(splits) == 1 for splits in people.values())
    assert f'({len(PEOPLE[kind])}) are taken for one person each, and not for sources' in notes[0]
    assert ('does not say what to hold out' in notes[-1]) == (not around.lower().startswith('train'))


def test_what_lies_deeper_in_the_folder_of_a_person_is_of_that_person(root):
    found, _ = found_in(root, *(f'00{person}/{view}/{number}.png' for person in range(4) for view in ('frontal', 'profile')
                                for number in range(2)))
    assert {identity for _, _, identity in found.values()} == {'000', '001', '002', '003'}


@pytest.mark.parametrize('names', [
    ['ffhq256', 'ffhq512'], ['lfw', 'web', 'scut', 'aaf'], ['london', 'Web'], ['part1', 'part2', 'part3', 'part4']])
def test_a_few_folders_of_other_names_are_sources(root, names):
    found, notes = found_in(root, *(f'{name}/{number}.png' for name in names for number in range(8)))
    assert all(source in names and not identity for _, source, identity in found.values()) and len(notes) == 1


def test_many_folders_of_many_pictures_are_sources():
    assert identities.folders_of_people({(f'{number:02}000',): 1000 for number in range(70)}) == set()  # as FFHQ comes
    assert len(identities.folders_of_people({(f'n{number:06}',): 362 for number in range(70)})) == 70


def test_files_named_by_people_tell_them(root):
    found, _ = found_in(root, *(f'web/{person}_{number:04}.png' for person in PEOPLE['LFW'] for number in range(9)))
    people = {(identity, split) for split, _, identity in found.values()}
    assert {person for person, _ in people} == set(PEOPLE['LFW']) and len(people) == 3


def test_people_who_are_in_two_splits_by_their_folders_are_warned_of(root):
    _, notes = found_in(root, *(f'{split}/{person}/{number}.png' for split in ('train', 'test') for person in PEOPLE['LFW']
                                for number in range(2)))
    assert "warning: " in notes[-1] and "'Anna_Smith' is in test and train, and so are 2 others" in notes[-1]


def test_too_few_faces_are_refused_before_they_are_prepared(root, load, tmp_path):
    for number in range(2):
        save(root / f'{number}.png')
    with pytest.raises(errors.InputError, match='my faces: holds 2 pictures, and from 3 on each of train, val and test has one'):
        load(root, 'train')
    save(root / 'train' / '2.png')
    for number in range(2):
        (root / f'{number}.png').unlink()
    with pytest.raises(errors.InputError, match="my faces: there is no split 'val' here; there are train, train/my faces"):
        load(root, 'val')
    settings = config.default()
    settings.data.update(name='folder', path=str(root), directory=str(tmp_path / 'prepared'))
    with pytest.raises(errors.InputError, match="there is no split 'val' here"):
        run.train(settings, tmp_path / 'run')  # which needs val only when it has trained
    assert not (tmp_path / 'prepared').exists() and not (tmp_path / 'run' / 'config.json').exists()


def test_missing_and_empty_folders_are_named(root, load):
    with pytest.raises(errors.InputError, match='my faces: there is no such folder'):
        load(root, 'train')
    root.mkdir()
    (root / 'README.md').write_text('to come')
    with pytest.raises(errors.InputError, match='my faces: holds no picture'):
        load(root, 'train')


def test_picture_beside_the_split_folders_is_named(root, load):
    save(root / 'train' / 'a.png')
    save(root / 'extra' / 'b.png')
    with pytest.raises(errors.InputError, match='my faces/extra/b.png: lies outside of the folders for splits .train.; move it'):
        load(root, 'train')


@pytest.mark.parametrize('index, message', [
    ('file,split\na.png,train\nb.png,train\n', "line 3: lists 'b.png', and there is no such file; paths are relative to"),
    ('file,split\na.png,train\n,train\n', "line 3: lists '', and"),
    ('file,split\na.png,train\na.png,test\n', "lists 'a.png' 2 times"),
    ('file,split\na.png,train\nb/../a.png,test\n', "lists 'a.png' and 'b/../a.png', which are one file"),
    ('file,split\na.png,train\nlink.png,test\n', "lists 'a.png' and 'link.png', which are one file"),
    ('file,split\na.png,val\nc.png,valid\n', "'val' and 'valid' both mean the split 'val'; make them one"),
    ('name,split\na.png,train\n', "has no column 'file'; its columns are name, split. The first line names the columns"),
    ('', "has no column 'file'; its columns are none"),
    ('file,split\na.png\n', "the split of 'a.png' is ''"),
    ('file,split\na.png,all\n', "the split of 'a.png' is 'all'"),
    (b'file,split\n\xff\xfe.png,train\n', 'cannot be read as CSV in UTF-8'),
])
def test_bad_index_is_named(root, load, index, message):
    save(root / 'a.png')
    save(root / 'c.png')
    (root / 'b').mkdir()
    (root / 'link.png').symlink_to('a.png')
    (root / 'index.csv').write_bytes(index if isinstance(index, bytes) else index.encode())
    with pytest.raises(errors.InputError, match=f'my faces/index.csv(: |, ){message}'):
        load(root, 'train')


def test_unchanged_folder_is_prepared_once_and_a_changed_one_anew(root, load, monkeypatch):
    prepared = []
    original = aligned.encoded_face
    monkeypatch.setattr(aligned, 'encoded_face', lambda path: prepared.append(path.name) or original(path))
    save(root / 'train' / 'a.png', picture(0))
    load(root, 'train')
    np.testing.assert_array_equal(only(load(root, 'train')).image, picture(0))
    assert prepared == ['a.png']
    save(root / 'train' / 'a.png', picture(1))  # changed
    np.testing.assert_array_equal(only(load(root, 'train')).image, picture(1))
    save(root / 'train' / 'b.png', picture(2))  # added
    assert len(load(root, 'train')) == 2
    os.remove(root / 'train' / 'a.png')  # removed
    np.testing.assert_array_equal(only(load(root, 'train')).image, picture(2))


def test_of_old_prepared_copies_the_last_is_kept(root, load, tmp_path, capsys, monkeypatch):
    held = {}
    monkeypatch.setattr(preparation, '_held', held)
    save(tmp_path / 'other' / root.name / 'train' / 'a.png')
    load(tmp_path / 'other' / root.name, 'train')  # a folder of the same name
    others = set((tmp_path / 'prepared' / 'folder_faces').iterdir())
    left = []
    for number in range(5):
        save(root / 'train' / f'{number}.png')
        directory = load(root, 'train').directory
        if number:  # the first copy is still in use, as by a training
            os.close(held.pop(str(directory)))
        os.utime(directory, (number, number))
        left.append([copy.stat().st_mtime for copy in sorted((tmp_path / 'prepared/folder_faces').glob('*/1.0.0'),
                                                             key=lambda copy: copy.stat().st_mtime) if copy.parent not in others])
    assert left == [[0], [0, 1], [0, 1, 2], [0, 2, 3], [0, 3, 4]]
    said = capsys.readouterr().out
    assert '3 copies are kept' in said and '1 older ones are removed' in said and others < set(
        (tmp_path / 'prepared' / 'folder_faces').iterdir())


def test_many_faces_are_prepared_on_all_cores(root, load, monkeypatch):
    for number in range(12):
        save(root / 'train' / f'{number:02}.webp', picture(number), lossless=True)
    monkeypatch.setattr(folder, 'WORTH_PROCESSES', 10)
    monkeypatch.setattr(processors, 'cores', lambda: 3)
    asked, original = [], processes.pool
    monkeypatch.setattr(processes, 'pool', lambda count: asked.append(count) or original(count))
    found = {face.file: face.image for face in load(root, 'train')}
    assert asked == [3] and len(found) == 12
    for number in range(12):
        np.testing.assert_array_equal(found[f'train/{number:02}.webp'], picture(number))
    (root / 'train' / '05.webp').write_bytes(b'no picture')
    with pytest.raises(errors.InputError, match='05.webp: cannot be read as a picture'):
        load(root, 'train')


def test_interrupted_preparation_can_be_started_again(root, load, monkeypatch):
    for number in range(5):
        save(root / 'train' / f'{number}.png')
    original = aligned.encoded_face

    def interrupted(path):
        if path.name == '3.png':
            raise KeyboardInterrupt
        return original(path)

    with monkeypatch.context() as patch:
        patch.setattr(aligned, 'encoded_face', interrupted)
        with pytest.raises(KeyboardInterrupt):
            load(root, 'train')
    assert len(load(root, 'train')) == 5


def test_of_two_preparations_at_once_the_slower_one_uses_the_faster_ones(root, load, monkeypatch):
    save(root / 'train' / 'a.png', picture(1))
    original = aligned.encoded_face

    def overtaken(path):
        monkeypatch.setattr(aligned, 'encoded_face', original)
        load(root, 'train')
        return original(path)

    monkeypatch.setattr(aligned, 'encoded_face', overtaken)
    np.testing.assert_array_equal(only(load(root, 'train')).image, picture(1))


def test_an_eps_file_starts_no_other_program(tmp_path, monkeypatch):
    """Whatever its name is: Pillow would call Ghostscript."""
    monkeypatch.setattr(subprocess, 'Popen', lambda *_, **__: pytest.fail('another program was started'))
    file = tmp_path / 'face.png'
    file.write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 128 128\n%%EndComments\nshowpage\n%%EOF\n')
    with pytest.raises(errors.InputError, match='face.png: cannot be read as a picture .not a picture'):
        aligned.encoded_face(file)


@pytest.mark.parametrize('file', ['a.ppm', 'a.jfif', 'a.gif', 'a.J2K'])
def test_training_faces_may_have_every_ending_that_photographs_may_have(root, load, file):
    save(root / 'train' / file, picture(1))
    assert np.abs(only(load(root, 'train')).image.astype(int) - picture(1)).mean() < 12


def test_what_is_no_picture_by_its_ending_is_counted_in_one_line(root, load, capsys):
    save(root / 'train' / 'a.png')
    for name in ('train/b.jxl', 'train/c.cr2', 'train/d.JXL', 'train/noending', 'README.md', '.hidden', 'train/.b.jxl'):
        (root / name).touch()
    load(root, 'train')
    load(root, 'train')
    line, = [line for line in capsys.readouterr().err.splitlines() if 'left out' in line]
    assert line.startswith(f'{root}: 5 files are left out') and line.endswith(': 2 .jxl, 1 .cr2, 1 .md, 1 without an ending')
