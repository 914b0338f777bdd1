"""Reads mutated picture files, weights files and checkpoints, thousands of each: no traceback, no hang, nothing written.

    python -m tools.fuzz_files --kind png jpeg tiff webp --count 2000
    python -m tools.fuzz_files --kind weights checkpoint --count 500
    python -m tools.fuzz_files --kind tiff --first 700 --count 1

Each file is read by a process of its own for the kind, whose memory is capped, as a photograph and as a training face, or as
weights; it may be read or refused by an `InputError` of one line. Mutation N of a kind is always the same. Prints a line
for each kind, with counts, and the number of each mutation that did anything else; the exit code is 1 if any did.
"""

import argparse
import collections
import io
import os
import pathlib
import queue
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import zlib

import numpy as np
from PIL import Image, ImageCms

PICTURES = 'png', 'jpeg', 'tiff', 'webp'
KINDS = (*PICTURES, 'weights', 'checkpoint')
GOOD = 'read', 'refused'
_ENVIRONMENT = {'JAX_PLATFORMS': 'cpu', 'JAX_ENABLE_COMPILATION_CACHE': 'false'}

MOST_WORK = 30
"""Seconds of the processor's time after which reading one file counts as a hang."""

LONGEST = 600
"""Seconds without a word from the process after which it hangs: on a busy machine."""


def main(arguments=None):
    parser = argparse.ArgumentParser(prog='python -m tools.fuzz_files', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kind', nargs='+', choices=KINDS, default=KINDS)
    parser.add_argument('--count', type=int, default=2000, help='mutations of each kind (default: %(default)s)')
    parser.add_argument('--first', type=int, default=0, help='number of the first one (default: 0)')
    parser.add_argument('--memory', type=float, default=4, help='GiB that a process may take (default: %(default)s)')
    parser.add_argument('--inside', metavar='FOLDER', help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.inside:
        _work(options.kind[0], range(options.first, options.first + options.count), options.memory,
              pathlib.Path(options.inside))
        return
    failed = False
    for kind in options.kind:
        counts, faults = fuzz(kind, options.first, options.count, options.memory)
        print(f'{kind}: ' + ', '.join(f'{count} {outcome}' for outcome, count in sorted(counts.items())), flush=True)
        for number, fault in faults:
            print(f'  mutation {number}: {fault}')
        failed |= bool(faults)
    sys.exit(int(failed))


def fuzz(kind, first, count, memory=4):
    """(Counter of outcomes, [(number, what went wrong)]) of `count` mutations of a kind from number `first` on."""
    counts, faults, number, end = collections.Counter(), [], first, first + count
    with tempfile.TemporaryDirectory(prefix='gln_jax_fuzz_') as folder:
        while number < end:
            for number, outcome in _outcomes(kind, number, end - number, memory, folder):
                counts[outcome if outcome in GOOD else outcome.partition(':')[0]] += 1
                if outcome not in GOOD:
                    faults.append((number, outcome))
            number += 1
    return counts, faults


def _outcomes(kind, first, count, memory, folder):
    """Yields (number, outcome) as one process tells them; where it ends early or hangs, the last one is 'crash' or 'hang'."""
    command = [sys.executable, '-m', 'tools.fuzz_files', '--kind', kind, '--first', str(first), '--count', str(count),
               '--memory', str(memory), '--inside', folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          cwd=pathlib.Path(__file__).parents[1], env=os.environ | _ENVIRONMENT) as process:
        lines = queue.Queue()
        threading.Thread(target=lambda: [*map(lines.put, process.stdout), lines.put('')], daemon=True).start()
        number = first
        while number < first + count:
            try:
                line = lines.get(timeout=LONGEST)
            except queue.Empty:
                process.kill()
                yield number, 'hang'
                return
            if not line:
                code = process.wait()
                yield number, 'hang' if code == -signal.SIGVTALRM else f'crash: code {code}'
                return
            told, _, outcome = line.rstrip('\n').partition(' ')
            yield int(told), outcome
            number = int(told) + 1


def _work(kind, numbers, memory, folder):
    """Tries mutations one after the other, and prints for each its number and the outcome."""
    attempt = _Pictures(kind, folder) if kind in PICTURES else _Weights(folder) if kind == 'weights' else _Checkpoint(folder)
    resource.setrlimit(resource.RLIMIT_DATA, 2 * (round(memory * 2**30),))
    written = []
    sys.addaudithook(lambda event, arguments: _note_writing(event, arguments, folder, written))
    for number in numbers:
        rng = np.random.default_rng([KINDS.index(kind), number])
        attempt.mutate(rng)
        written.clear()
        signal.setitimer(signal.ITIMER_VIRTUAL, MOST_WORK)  # ends the process, even out of a library's code
        outcome = _outcome(attempt.read)
        print(number, f'wrote: {written[0]}' if written else outcome, flush=True)


def _outcome(read):
    from gln_jax.runtime import errors
    try:
        read()
    except errors.InputError as error:
        return 'refused' if '\n' not in str(error) else f'several lines: {error!r}'
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f'traceback: {error!r} at {pathlib.Path(place.filename).name}:{place.lineno}'.replace('\n', ' ')
    return 'read'


def _note_writing(event, arguments, folder, written):
    """Notes what is written outside of the folder, and other programs that are started."""
    if event == 'open' and isinstance(arguments[0], str) and isinstance(arguments[2], int):
        is_written = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if is_written and arguments[0] != os.devnull and not os.path.abspath(arguments[0]).startswith(str(folder)):
            written.append(arguments[0])
    elif event in ('subprocess.Popen', 'os.system', 'os.exec', 'os.posix_spawn', 'os.mkdir', 'os.rename', 'os.remove'):
        if not str(arguments[0]).startswith(str(folder)):
            written.append(f'{event} {arguments[0]}')


class _Pictures:
    """Mutated files of one format, each read as a photograph and as a training face."""

    def __init__(self, kind, folder):
        self._originals, self._kind = originals(kind), kind
        self._file = folder / f'picture.{kind}'

    def mutate(self, rng):
        content = self._originals[rng.integers(len(self._originals))]
        self._file.write_bytes(mutated(content, rng, with_sums=self._kind == 'png' and rng.random() < 0.7))

    def read(self):
        from gln_jax.data.image_files import aligned, reading
        from gln_jax.runtime import errors
        try:
            aligned.encoded_face(self._file)
        except errors.InputError:
            pass
        pixels = reading.read(self._file).pixels
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[-1] in (1, 2, 3, 4), pixels.shape


class _Weights:
    """Mutated weights files; as most of a file is numbers, which may be any, most mutations are in the header."""

    def __init__(self, folder):
        from gln_jax import weights
        self._original = (weights.RELEASED / 'x4-fast.safetensors').read_bytes()
        self._header = 8 + int.from_bytes(self._original[:8], 'little')
        self._file = folder / 'weights.safetensors'

    def mutate(self, rng):
        if rng.random() < 0.8:
            content = mutated(self._original[:self._header], rng) + self._original[self._header:]
        else:
            content = mutated(self._original, rng)
        self._file.write_bytes(content)

    def read(self):
        from gln_jax import weights
        weights.card_text(weights.load_generator(self._file))


class _Checkpoint:
    """A small run's checkpoint, one file of which is mutated, emptied or missing."""

    def __init__(self, folder):
        import jax

        from gln_jax import config as settings
        from gln_jax.training import checkpoints, steps
        config = settings.default()
        config.network = 'srcnn'
        self._workdir = folder / 'run'
        if not (folder / 'saved').exists():
            shutil.rmtree(self._workdir, ignore_errors=True)  # of a process that was ended meanwhile
            with checkpoints.Checkpoints(self._workdir / checkpoints.LATEST, config) as kept:
                kept.save(4, jax.jit(lambda: steps.create_state(config))())
            (folder / 'saved').touch()
        self._files = {file: file.read_bytes() for file in sorted(self._workdir.rglob('*')) if file.is_file()}

    def mutate(self, rng):
        for file, content in self._files.items():
            if not file.exists() or file.read_bytes() != content:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
        file = list(self._files)[rng.integers(len(self._files))]
        fate = rng.random()
        if fate < 0.1:
            file.unlink()
        else:
            file.write_bytes(b'' if fate < 0.2 else mutated(self._files[file], rng))

    def read(self):
        from gln_jax import weights
        weights.card_text(weights.load_generator(self._workdir))


def mutated(content, rng, with_sums=False):
    """Bytes replaced, cut out, doubled or cut off, at the beginning more often than elsewhere; never what was given.

    with_sums: the checksums of a PNG's chunks are made right again, so that what lies in them is parsed.
    """
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(changed)) * rng.random() ** 2)
        kind = rng.integers(6)
        if kind < 3:
            changed[at] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))
        elif kind == 3:
            del changed[at:at + int(rng.integers(1, 9))]
        elif kind == 4:
            changed[at:at] = changed[at:at + int(rng.integers(1, 30))]
        elif rng.random() < 0.3:
            del changed[at:]
        changed = changed or bytearray(b'\0')
    return _with_sums(changed) if with_sums else bytes(changed)


def _with_sums(content):
    at = 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at:at + 4], 'big')
        if end + 4 > len(content):
            break
        content[end:end + 4] = zlib.crc32(content[at + 4:end]).to_bytes(4, 'big')
        at = end + 4
    return bytes(content)


def originals(kind):
    """The bytes of files of all sorts of one format, of 128x128 and of fewer pixels."""
    rng = np.random.default_rng(0)
    rgb = [Image.fromarray(rng.integers(0, 256, (size // 4, size // 4, 3), np.uint8)).resize((size, size)) for size in (128, 24)]
    exif = Image.Exif()
    exif[0x0112], exif[0x013b] = 6, 'somebody'
    adobe = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    modes = {'png': ('RGB', 'RGBA', 'L', 'LA', 'P', '1', 'I;16'), 'jpeg': ('RGB', 'L', 'CMYK'), 'tiff': (), 'webp': ('RGB', 'RGBA')}
    found = []
    for picture in rgb:
        for mode in modes[kind]:
            for options in ({}, {'exif': exif, 'icc_profile': adobe, 'dpi': (300, 300)}):
                found.append(_saved(picture.convert('L').convert('I;16') if mode == 'I;16' else picture.convert(mode), kind, options))
        if kind == 'jpeg':
            found += [_saved(picture, kind, options) for options in ({'progressive': True}, {'restart_marker_blocks': 3})]
        if kind in ('png', 'webp'):
            found.append(_saved(picture, kind, {'save_all': True, 'append_images': [picture.rotate(90)]}))
        if kind == 'tiff':
            found += list(_tiffs(np.asarray(picture)))
    return found


def _saved(picture, kind, options):
    file = io.BytesIO()
    picture.save(file, kind.upper(), **options)
    return file.getvalue()


def _tiffs(pixels):
    import tifffile
    deep = pixels.astype(np.uint16) * 257
    for samples, options in (
            (pixels, {}), (deep, {}), (deep[..., 0], {'photometric': 'miniswhite'}), (np.moveaxis(deep, -1, 0), {
                'planarconfig': 'separate', 'photometric': 'rgb'}), (deep, {'compression': 'lzw', 'predictor': True}),
            (pixels, {'compression': 'zlib', 'tile': (16, 16)}), (pixels, {'compression': 'jpeg', 'photometric': 'ycbcr'}),
            (pixels, {'compression': 'packbits', 'byteorder': '>'}), (deep, {'compression': 'zstd', 'bigtiff': True}),
            (pixels[..., 0] > 127, {'photometric': 'minisblack'}), (pixels[..., [0, 1, 2, 0]], {'extrasamples': ['assocalpha']}),
            (pixels[..., 0], {'photometric': 'palette', 'colormap': np.arange(768, dtype=np.uint16).reshape(3, 256) * 85}),
            (pixels[..., [0, 1, 2, 0]], {'photometric': 'separated'}), (pixels, {'photometric': 'cielab'}),
            (np.stack([pixels, pixels]), {'photometric': 'rgb'})):
        file = io.BytesIO()
        tifffile.imwrite(file, samples, metadata=None, **options)
        yield file.getvalue()
    for mode, compression in (('YCbCr', None), ('YCbCr', 'jpeg'), ('1', 'group4'), ('CMYK', 'tiff_lzw')):
        yield _saved(Image.fromarray(pixels).convert(mode), 'tiff', {'compression': compression})


if __name__ == '__main__':
    main()
