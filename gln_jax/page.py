"""A page that restores faces in the browser: static files, for any web server. The photograph never leaves the page.

    python -m gln_jax.page --output=page
    python -m gln_jax.page --output=page --serve

Node.js's npm is needed once, for onnxruntime-web (web/package-lock.json says which), and the packages of
requirements/export.txt. --serve makes the folder where it is missing, and serves it on 127.0.0.1 alone.
"""

import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np

from gln_jax import export, images, weights
from gln_jax.photos import detection, eyes, face_upsampling, uncertainty
from gln_jax.runtime import command_line, errors, files

WEB = pathlib.Path(__file__).parents[1] / 'web'
"""Our own part of the page, in a clone of the project."""

ONNXRUNTIME = 'ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'
DETECTION = ('LEAST_LIKENESS', 'LEAST_SCORE', 'CLEAR_SCORE', 'COARSELY_SEARCHED_PIXELS', 'LARGEST_ENLARGEMENT', 'ENLARGEMENT',
             'TURNED_PIXELS', 'ROLLS', 'UPRIGHT', 'SMALLEST', 'SAME_FACE', 'ZOOMS', 'STEADY', 'FACE_WIDTH', 'BOX_EYES')
"""Settings of `detection` that the page's search has in common with it."""


def make(output):
    """Writes the page into the folder `output`, whole or not at all. Raises InputError where that cannot be done."""
    output = pathlib.Path(output)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise errors.InputError(f'{output}: is there already; name another folder or remove it')
    packages = _onnxruntime_web()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f'.{output.name}.') as temporary:
        folder = pathlib.Path(temporary, 'page')
        shutil.copytree(WEB, folder, ignore=shutil.ignore_patterns('node_modules', 'package*.json'))
        for name in ONNXRUNTIME:
            shutil.copy(packages / name, folder)
        _write_networks(folder)
        folder.chmod(0o755)
        if output.exists():
            output.rmdir()
        folder.rename(output)


def _onnxruntime_web():
    """The folder of onnxruntime-web, which npm installs where it is missing."""
    if not WEB.is_dir():
        raise errors.InputError(f'{WEB}: is missing; make the page in a clone of the project')
    if not (WEB / 'node_modules').is_dir():
        try:
            subprocess.run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], cwd=WEB, check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise errors.InputError('npm, which installs onnxruntime-web, is missing: install Node.js') from error
        except subprocess.CalledProcessError as error:
            raise errors.RunError(f'npm ci in {WEB} failed: {error.stderr.strip().splitlines()[-1:]}') from error
    return WEB / 'node_modules/onnxruntime-web/dist'


def _write_networks(folder):
    """Writes the networks, YuNet, the matrices as float32 in numbers.bin, and settings.json, which says what they are."""
    with np.load(eyes.FILE) as file:
        matrices = {name: file[name] for name in file.files}
    matrices['halves'] = np.arange(2**16, dtype=np.uint16).view(np.float16)  # what the bits of a 16-bit number stand for
    upsamplers, networks, first = face_upsampling.load_each_scale(), [], ['numbers.bin', 'yunet.onnx', ONNXRUNTIME[1]]
    for upsampler in upsamplers:
        name = upsampler.description
        if upsampler.degradation == 'bicubic':
            raise errors.InputError(f'{name}: the page reduces faces by the Gaussian blur, and this network takes bicubic ones')
        loaded = weights.load_generator(name)
        files.write(folder / f'{name}.onnx', export.onnx_restoring(loaded))
        parts, limits = _between(loaded)
        for each, *_ in parts:
            files.write(folder / f'{each.description}.bin', export.flat_parameters(each).astype('<f2').tobytes())
        parameters = [(f'{each.description}.bin', *times) for each, *times in parts]
        first += [f'{name}.onnx', *(file for file, *times in parameters if any(times[:2]))]
        networks.append({'name': name, 'scale': upsampler.scale, 'blur_sigma': images.BLUR_SIGMA[upsampler.scale],
                         'limit': _limit(upsamplers, upsampler), 'fewest': upsampler.fewest_pixels,
                         'ways': face_upsampling.WAYS if 'undamaged' in loaded.card else None,
                         'parameters': parameters, 'calibration': limits})
    files.write(folder / 'yunet.onnx', _yunet())
    starts = np.cumsum([0, *(matrix.size for matrix in matrices.values())]).tolist()
    files.write(folder / 'numbers.bin', np.concatenate([matrix.ravel() for matrix in matrices.values()]).astype('<f4').tobytes())
    files.write(folder / 'settings.json', json.dumps({
        'files': {file.name: file.stat().st_size for file in folder.iterdir()}, 'first': first,
        'networks': networks, 'dial': any(each[3] for network in networks for each in network['parameters']),
        'matrices': {name: [start, matrix.size] for (name, matrix), start in zip(matrices.items(), starts)},
        'template_eyes': images.TEMPLATE_EYES, 'luminance_weights': images.LUMINANCE_WEIGHTS,
        'unsure': uncertainty.UNSURE, 'tiny': uncertainty.TINY,
        'detection': {name: getattr(detection, name) for name in DETECTION},
        'eyes': {'SIZES': {size: [least, None if most == np.inf else most] for size, (least, most) in eyes.SIZES.items()},
                 'STEPS': eyes.STEPS, 'LARGEST_DISTANCE': eyes.LARGEST_DISTANCE}}, indent=1))


def _between(loaded):
    """([(weights.Loaded, a, b, c)], [limits of warnings without and with full sharpness], None where there are none) of a network.

    It restores by the sum of these parameters, each times a + b * share + c * sharpness; the share is
    `face_upsampling.WAYS`'s for the photograph's JPEG.
    """
    parts, plain, ends = [[loaded, 1, 0, 0]], loaded, [loaded, loaded]
    if 'undamaged' in loaded.card:
        plain, way = weights.load_generator(loaded.card['undamaged']), 1 / loaded.card.get('share', 1.0)
        parts = [[loaded, 0, way, 0], [plain, 1, -way, 0]]
    try:
        ends[1] = weights.sharpened(loaded, 1)
        parts[-1][3] = -1
        parts.append([weights.pair_of(plain)[1], 0, 0, 1])
    except errors.InputError:  # there is no dial for it
        pass
    limits = [uncertainty.from_dict(end.card['trust']) for end in ends if 'trust' in end.card]
    return parts, [{'mean': known.means[0], 'deviation': known.deviations[0], 'most': known.most_doubt_by_consistency}
                   for known in limits] or None


def _limit(upsamplers, upsampler):
    """Pixels that a face may span for this network to restore it, to a hundredth."""
    return max(hundredths for hundredths in range(100 * images.FACE_SIZE)
               if face_upsampling.for_size(upsamplers, hundredths / 100) is upsampler) / 100 + 0.01


def _yunet():
    """The bytes of YuNet's file, with height and width of the picture left open, as onnxruntime wants to have them."""
    import onnx
    model = onnx.load(detection.model_file())
    for value in [*model.graph.input, *model.graph.output]:
        for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
            if axis == 1 and value in model.graph.output or axis > 1 and value in model.graph.input:
                dimension.dim_param = f'{value.name}_{axis}'
    del model.graph.value_info[:]
    return model.SerializeToString()


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm'}

    def log_message(self, *_):
        pass


def server(folder, port=0):
    """An HTTP server of the folder on 127.0.0.1. Raises InputError where the port is taken."""
    try:
        return http.server.ThreadingHTTPServer(('127.0.0.1', port), functools.partial(_Handler, directory=str(folder)))
    except OSError as error:
        raise errors.InputError(f'--port={port}: cannot be used ({error.strerror}); name another') from error


def main(arguments=None):
    parser = command_line.parser('gln_jax.page', __doc__)
    parser.add_argument('--output', type=command_line.path, required=True, metavar='DIR', help='the folder to make')
    parser.add_argument('--serve', action='store_true', help='serve it, made before or now, until Ctrl-C')
    parser.add_argument('--port', type=command_line.count, default=8000, help='for --serve (default 8000)')
    options = parser.parse_args(arguments)
    with errors.reported():
        if not (options.serve and pathlib.Path(options.output, 'settings.json').is_file()):
            make(options.output)
            print(f'wrote {options.output}')
        if options.serve:
            with server(options.output, options.port) as serving:
                print(f'http://127.0.0.1:{options.port}/ until Ctrl-C', flush=True)
                serving.serve_forever()


if __name__ == '__main__':
    main()
