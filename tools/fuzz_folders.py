"""Reads random trees of folders, hundreds of them: no traceback, no hang, nothing outside of the output, each real file once.

    python -m tools.fuzz_folders --count 500
    python -m tools.fuzz_folders --first 137 --count 1

Tree N is always the same. It has links of all kinds, odd names, empty and broken files, and folders named as splits and people
are. Each is listed, read and prepared as a folder of training faces, and as one of photographs, twice; both may be refused by an
error of one line. Prints counts and the number of each tree that did anything else; the exit code is 1 if any did.
"""

import collections
import contextlib
import functools
import io
import os
import pathlib
import signal
import sys
import tempfile
import traceback

import numpy as np
from PIL import Image

from gln_jax import config as settings
from gln_jax.data import faces, folder_contents
from gln_jax.data.image_files import formats
from gln_jax.photos import face_crops, preparing
from gln_jax.runtime import command_line, errors, processes, processors

LONGEST = 120
"""Seconds after which a tree counts as one that hangs."""

FOLDERS = ['train', 'Train', 'test', 'VALID', 'dev', 'lfw', 'web', 'Anna_Smith', 'Bo Li', 'n000001', 'person_2', '0003', 'a b', 'a\nb',
           "it's", 'a"b', 'a,b;c', 'a\\b', '-i', '%s{0}', '\u00fc\u4e2d\U0001f600', 'x' * 200, '.hidden', 'f.png', ' lead', 'trail ', '#', '~']
ENDINGS = ['.png', '.PNG', '.jpg', '.jpeg', '.webp', '.bmp', '.txt', '', '.tar.gz', '.ppm', '.png ', '.png.part']
EYES = [((45.5, 50.0), (82.5, 50.0))]


def main(arguments=None):
    parser = command_line.parser('tools.fuzz_folders', __doc__)
    parser.add_argument('--count', type=int, default=500, help='trees (default: %(default)s)')
    parser.add_argument('--first', type=int, default=0, help='number of the first one (default: 0)')
    options = parser.parse_args(arguments)
    counts, faults = fuzz(options.first, options.count, processors.cores())
    print(', '.join(f'{count:,} {outcome}' for outcome, count in sorted(counts.items())))
    for number, fault in faults:
        print(f'tree {number}: {fault}')
    sys.exit(bool(faults))


def fuzz(first, count, at_once=1):
    """({outcome: how often}, [(number of a tree, what was wrong with it)])."""
    counts, faults = collections.Counter(), []
    with processes.mapped(tried, list(range(first, first + count)), at_once) as results:
        for number, (outcomes, fault) in enumerate(results, first):
            counts.update(outcomes)
            faults += [(number, fault)] if fault else []
    return counts, faults


def tried(number):
    """({outcome: how often}, what was wrong or '') of one tree."""
    counts = collections.Counter(trees=1)
    with tempfile.TemporaryDirectory(prefix='gln_jax_fuzz_') as place:
        place = pathlib.Path(place).resolve()
        root = make_tree(np.random.default_rng(number), place)
        before, real = _state(place), _real_pictures(root)
        counts['real pictures'] += len(real)
        signal.signal(signal.SIGALRM, _hangs)
        signal.alarm(LONGEST)
        try:
            for job in (_as_faces, _as_photographs):
                counts[f'{job.__name__[1:]} {_outcome(functools.partial(job, root, place / "out", real))}'] += 1
            after = {name: state for name, state in _state(place).items() if name.parts[0] != 'out'}
            assert after == before, f'changed: {sorted(map(str, after.items() ^ before.items()))[:3]}'
        except BaseException:
            return counts, traceback.format_exc()
        finally:
            signal.alarm(0)
    return counts, ''


def make_tree(random, place):
    """Makes `place`/root, with links to `place`/outside; returns it."""
    root, outside = place / 'root', place / 'outside'
    folders, pictures = [root, outside], []
    for folder in folders:
        folder.mkdir()
    plain, all_good = random.random() < 0.5, random.random() < 0.6
    for _ in range(random.integers(0, 8)):
        names = FOLDERS[5:] if plain else FOLDERS
        folder = folders[random.integers(len(folders))] / names[random.integers(len(names))]
        if not folder.exists():
            folder.mkdir()
            folders.append(folder)
    for count in range(random.integers(0, 20)):
        names = ['a', f'{count}', 'Anna_Smith_0001', '\u00e9\n', ' x', 'a\\b', 'n' * 240, '.hidden', 'index']
        name = f'{count}' if plain else names[random.integers(len(names))]
        ending = ENDINGS[random.integers(5 if all_good else len(ENDINGS))]
        file = folders[random.integers(len(folders))] / f'{name}{ending}'
        if not file.exists():
            file.write_bytes(_content(random, ending, all_good))
            pictures.append(file)
    for count in range(random.integers(0, 7)):
        link = folders[random.integers(len(folders))] / f'link{count}{["", ".png"][random.integers(2)]}'
        targets = [*folders, *pictures, place, root / 'nowhere', link, '.', '..', root / 'link0', '/dev/null']
        target = targets[random.integers(len(targets))]
        if random.random() < 0.2 and pictures:
            os.link(pictures[random.integers(len(pictures))], link)
        else:
            link.symlink_to(target)
    if random.random() < 0.2:
        os.mkfifo(root / 'pipe.png')
    if random.random() < 0.3:
        _write_index(random, root)
    return root


def _content(random, ending, is_good):
    size = 128 if is_good or random.random() < 0.7 else int(random.integers(1, 200))
    picture = Image.fromarray(random.integers(0, 256, (size, size, 3), dtype=np.uint8))
    file = io.BytesIO()
    picture.save(file, {'.jpg': 'JPEG', '.jpeg': 'JPEG', '.webp': 'WEBP', '.bmp': 'BMP'}.get(ending, 'PNG'))
    content = file.getvalue()
    broken = [b'', b'Dear Sir', content[:len(content) // 2], random.bytes(100)]
    return content if is_good or random.random() < 0.7 else broken[random.integers(len(broken))]


def _write_index(random, root):
    files = [os.path.relpath(os.path.join(folder, name), root) for folder, _, names in os.walk(root) for name in names]
    chosen = [file for file in files if random.random() < 0.8]
    mark, slash = ',;\t'[random.integers(3)], '/\\'[random.integers(2)]
    rows = [mark.join(['File', 'SPLIT', 'identity'][:random.integers(1, 4)])]
    rows += [mark.join([f'"{file}"'.replace('/', slash), ['train', 'Test', 'val', ''][random.integers(4)], 'Ann']) for file in chosen]
    (root / 'index.csv').write_bytes('\r\n'.join(rows).encode(errors='surrogateescape'))


def _real_pictures(root):
    """The real picture files below a folder, {(device, inode)}, found another way than `files.below` finds them."""
    found, gone_through, todo = set(), {os.path.realpath(place) for place in root.parents}, [root]
    while todo:
        folder = todo.pop()
        if os.path.realpath(folder) in gone_through or folder != root and os.path.realpath(folder) == os.path.realpath(root):
            continue
        gone_through.add(os.path.realpath(folder))
        for path in folder.iterdir():
            if path.name.startswith('.'):
                continue
            if os.path.isdir(path):
                todo.append(path)
            elif os.path.isfile(path) and path.name.lower().endswith(formats.ENDINGS):
                found.add(_inode(path))
    return found


def _as_faces(root, output, real):
    contents = folder_contents.contents(root)
    listed = [_inode(root / entry.file) for entry in contents.entries]
    assert len(set(listed)) == len(listed), 'a real file comes twice'
    if not (root / 'index.csv').exists():
        assert set(listed) == real, f'{len(listed)} of {len(real)} real files'
    people = collections.defaultdict(set)
    for entry in contents.entries:
        people[entry.identity].add(entry.split)
    config = settings.default()
    config.data.update(name='folder', path=str(root), directory=str(output / 'prepared'))
    for split in sorted({entry.split for entry in contents.entries}):
        found = faces.load(config, split)
        assert sorted(face.file for face in found) == [entry.file for entry in contents.entries if entry.split == split]


def _as_photographs(root, output, real):
    photos = preparing.photos_below(root, output / 'faces')
    assert {_inode(root / photo) for photo in photos} == real and len(photos) == len(real), f'{len(photos)} of {len(real)} real files'
    options = preparing.Settings(face_crops.Filters(10, 0, None), 20, 'auto', 'fuzz')
    eyes = dict.fromkeys(photos, EYES)
    index, rejected = preparing.prepare(root, output / 'faces', options, eyes)
    assert {row['photo'] for row in index} | {row['file'] for row in rejected} == set(photos), 'a photograph is not told of'
    assert preparing.prepare(root, output / 'faces', options, eyes) == (index, rejected), 'another result when continued'
    assert {row.file for row in folder_contents.contents(output / 'faces').entries} == {row['file'] for row in index} if len(
        index) > 2 else True


def _outcome(job):
    """'done' or 'refused', in one line; anything else is raised."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()), errors.reported():
            job()
    except SystemExit as exit_:
        assert exit_.code == 2 and told.getvalue().count('\nerror: ') + told.getvalue().startswith('error: ') == 1, told.getvalue()
        return 'refused'
    return 'done'


def _state(place):
    """{path: (kind, size, time of the last change of the content, target of a link)} of all that lies below."""
    found = {}
    for folder, folders, names in os.walk(place):
        for name in folders + names:
            path = pathlib.Path(folder, name)
            status = path.lstat()
            found[path.relative_to(place)] = (status.st_mode, status.st_size, status.st_mtime_ns,
                                              os.readlink(path) if path.is_symlink() else '')
    return found


def _inode(path):
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _hangs(*_):
    raise TimeoutError('it hangs')


if __name__ == '__main__':
    main()
