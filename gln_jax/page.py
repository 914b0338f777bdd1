"""A page that restores faces in the browser: static files, for any web server. The photograph never leaves the page.

    python -m gln_jax.page --output=page
    python -m gln_jax.page --output=page --serve

Node.js's npm is needed once, for onnxruntime-web (web/package-lock.json says which), and the packages of
requirements/export.txt. --serve makes the folder where it is missing, and serves it on 127.0.0.1 alone.
"""

import argparse
import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile

import numpy as np

from gln_jax import export, images, weights
from gln_jax.photos import consistency, detection, eyes, face_upsampling, uncertainty
from gln_jax.runtime import command_line, errors, files

WEB = pathlib.Path(__file__).parents[1] / 'web'
"""Our own part of the page, in a clone of the project."""

ONNXRUNTIME = 'ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'
DETECTION = ('LEAST_LIKENESS', 'LEAST_SCORE', 'CLEAR_SCORE', 'COARSELY_SEARCHED_PIXELS', 'LARGEST_ENLARGEMENT', 'ENLARGEMENT', 'SMALLEST',
             'SAME_FACE', 'ZOOMS', 'STEADY', 'FACE_WIDTH', 'BOX_EYES', 'OVERLAP')
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
    networks = []
    for upsampler, loaded in face_upsampling.default_networks():
        file, config = f'{loaded.description}.onnx', loaded.config
        files.write(folder / file, export.onnx(loaded))
        matrices[f'back of {file}'] = consistency.back_projection(images.FACE_SIZE, config.scale, config.degradation)
        networks.append({'file': file, 'back': f'back of {file}', 'name': loaded.description, 'scale': config.scale,
                         'degradation': config.degradation, 'blur_sigma': images.BLUR_SIGMA[config.scale]})
    files.write(folder / 'yunet.onnx', _yunet())
