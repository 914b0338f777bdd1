"""A generator to use: from a workdir, a checkpoint, a weights file, or one that comes with the project.

    python -m gln_jax.weights export --ckpt=runs/x8 --output=x8.safetensors --scores=scores/val,scores/test-lfw
    python -m gln_jax.weights show x8-fast

A weights file is one safetensors file: the parameters of the generator's EMA in 16-bit floats, and as metadata all that using
and judging them takes: the config with scale, network and degradation, the alignment template, the luminance weights, how
they were trained, and their scores.
"""

import functools
import hashlib
import json
import numbers
import operator
import pathlib
import sys
from typing import Any, NamedTuple

from etils import epath
import flax
import jax
from ml_collections import ConfigDict
import numpy as np
import safetensors
import safetensors.numpy

from gln_jax import config as settings
from gln_jax.models import factory, fast
from gln_jax.runtime import command_line, errors, files, provenance

FORMAT = 'gln_jax generator 1'
SCORES = 'scores.json'  # what evaluate.py writes beside a table and a picture
RELEASED = pathlib.Path(__file__).parent / 'released'
"""The weights files that come with the project, <name>.safetensors, and their SHA-256 in SHA256SUMS."""

VALIDATION = ' val'  # how the scores on the validation faces are named on a card, after the name of the data

CARD_LINES = {'command': 'trained by', 'commit': 'at commit', 'training_faces': 'on faces', 'faces_seen': 'faces seen',
              'steps': 'steps', 'devices': 'devices', 'versions': 'versions'}


class Loaded(NamedTuple):
    config: ConfigDict
    parameters: Any  # of the generator's EMA, float32
    description: str  # where they come from, as the user named it
    card: dict  # 'provenance', 'scores', 'trust' (of a photos.uncertainty.Calibration) and 'partner', as far as known

    @property
    def digest(self):
        """A short name for the parameters, another one whenever they are others."""
        return digest(self.parameters)

    @property
    def is_adversarial(self):
        return self.card.get('provenance', {}).get('steps', 0) > self.config.reconstruction.steps

    @property
    def partner(self):
        """{'network', 'parameters'}: name and digest of the reconstruction network that it is or was trained on from.

        The digest is that of a weights file, of 16 bits. {} where that network is not here.
        """
        known = self.card.get('partner', {})
        if 'parameters' in known:
            return known
        try:
            first = pair_of(self)[0] if self.is_adversarial else self
        except errors.InputError:
            return {}
        return {'network': first.description, 'parameters': digest(_rounded(first.parameters))}


class Checkpoint(NamedTuple):
    folder: epath.Path
    config: ConfigDict
    part: dict  # 'average', 'step' and 'adversarial_weight' of a training.steps.State


def load_generator(path):
    """The EMA of the generator in `path`: a workdir of train.py, a checkpoint's folder, a weights file, or a released name.

    Raises:
        InputError: there is none, or it is damaged.
    """
    if str(path) in released() and not pathlib.Path(path).exists():
        return _load_file(_released_file(str(path)))._replace(description=str(path))
    name, path = path, files.path(path)
    if not path.exists():
        names = ', '.join(released())
        raise errors.InputError(f'{name}: no such workdir, checkpoint or weights file'
                                + (f', and not one of those that come with the project: {names}' if names else ''))
    if not path.is_dir():
        with files.on_disk(path) as file:
            return _load_file(file)._replace(description=str(name))
    from gln_jax.training import checkpoints  # only now: a weights file is read faster without them
    folder, config, part = checkpoint_in(path)
    inside = folder.relative_to(path) if folder != path else ''
    known = _provenance(config, folder, int(part['step']))
    loaded = Loaded(config, part['average'], str(epath.Path(name) / inside), {'provenance': known})
    if loaded.is_adversarial:
        own = {'network': str(folder.parent.parent / checkpoints.RECONSTRUCTION)}
        loaded.card['partner'] = own if config.reconstruction.steps else known.get('partner', {})
    return loaded


def checkpoint_in(path):
    """The `Checkpoint` that a workdir's newest readable one is, or a checkpoint's own folder. InputError where there is none."""
    from gln_jax.training import checkpoints  # only now: a weights file is read faster without them
    *newer, oldest = checkpoints.find(path)
    for folder in newer:
        try:
            return _checkpoint(folder)
        except errors.InputError as error:
            print(f'warning: {error}; using the checkpoint before it', file=sys.stderr)
    return _checkpoint(oldest)


def _checkpoint(folder):
    """Of the state, the generator's EMA and two numbers alone: optimisers and discriminator stay on the disk."""
    from gln_jax.training import checkpoints
    config = checkpoints.load_config(folder)
    return Checkpoint(folder, config, checkpoints.load_state(folder, {
        'average': _shapes(config), 'step': jax.ShapeDtypeStruct((), np.int32),
        'adversarial_weight': jax.ShapeDtypeStruct((), np.float32)}, partial=True))


def for_training(config, init=None):
    """{'initial', 'teacher'}: the functions by which `training.run.train` loads what a run begins with and learns from.

    `init` is as the `path` of `load_for`; each is None where there is nothing to load.
    """
    def teacher():
        loaded = load_generator(config.reconstruction.teacher)
        check_restores_alike(loaded, config, 'config.reconstruction.teacher')
        return loaded

    return {'initial': (lambda: load_for(config, init)) if init else None,
            'teacher': teacher if config.reconstruction.teacher else None}


def load_for(config, path):
    """As `load_generator`, for a run with this config, whose network may be larger.

    A GLN may begin with its global network alone or one of fewer layers (GLN4, GLN6), and the fast network with one of fewer
    blocks. A fast network of another scale lends its body, which works at 16x16 at every scale. Raises InputError also where
    the network in `path` is no part of the config's.
    """
    loaded = load_generator(path)
    fields = ['face_size', 'scale']
    if loaded.config.network == config.network == 'fast' and loaded.config.scale != config.scale:
        fields.remove('scale')
        loaded = loaded._replace(parameters={name: each for name, each in loaded.parameters.items() if name.startswith(fast.BODY)})
    if loaded.config.network not in (config.network, *factory.PARTS.get(config.network, ())):
        fields.append('network')
    whole, part = (jax.tree.map(np.shape, each) for each in (_shapes(config), loaded.parameters))
    if any(part[name] != whole.get(name) for name in part.keys() - {'local'}):  # whose layers the network's name fixes
        fields.append('fast')
    for field in fields:
        if loaded.config[field] != config[field]:
            raise errors.InputError(f'{path}: its {field} is {loaded.config[field]}, that of the config {config[field]}')
    return loaded


def check_restores_alike(loaded, config, argument):
    """Raises InputError, naming `argument`, where a generator is for another scale or degradation than the config's."""
    for field in ('face_size', 'scale', 'degradation'):
        if loaded.config[field] != config[field]:
            raise errors.InputError(f'{argument}: the {field} of {loaded.description} is {loaded.config[field]}, '
                                    f'and {config[field]} is needed')


def released():
    """Names of the weights that come with the project, sorted."""
    return sorted(file.stem for file in RELEASED.glob('*.safetensors'))


def best_for_photographs(scale):
    """As `best`, of the networks that know what befalls photographs, or where there are none of this scale, of all."""
    try:
        return best(scale, 'photo')
    except errors.InputError:
        return best(scale)


def best(scale, degradation=None):
    """The released name of this scale with the highest PSNR on validation faces. Raises InputError where there is none.

    degradation: None takes those that were trained without damage.
    """
    found = {}
    for name in released():
        metadata = _metadata(RELEASED / f'{name}.safetensors')  # of all; what is loaded then is compared with its SHA-256
        scores = json.loads(metadata['card']).get('scores', [])
        config = settings.from_json(metadata['config'])
        if config.scale == scale and (config.degradation == degradation or not degradation and config.degradation != 'photo'):
            found[name] = max((each['methods']['gln']['psnr'] for each in scores if each['data'].endswith(VALIDATION)),
                              default=-np.inf)
    if not found:
        raise errors.InputError(f'no network was named, and none for {scale}x comes with the project yet: give --ckpt=PATH, '
                                'a workdir or weights file. python train.py --config=configs/quickstart.py trains one')
    return max(found, key=found.get)


def export(path, output, scores=(), trust=None):
    """Writes the generator in `path` as the weights file `output`.

    Args:
        path: as in `load_generator`.
        output: the file, which must not be there yet.
        scores: folders that evaluate.py wrote for this generator, or for its weights file; their means go into the file.
        trust: the dict of a `photos.uncertainty.Calibration` of this generator; None keeps what the card in `path` has.
    Raises:
        InputError: `output` is there already, or a score is missing or another generator's.
    """
    loaded = load_generator(path)
    check_is_free(output)
    rounded = _rounded(loaded.parameters)
    generators = loaded.digest, digest(rounded)
    partner = loaded.partner if loaded.is_adversarial else {}
    metadata = {
        'format': FORMAT,
        'config': settings.to_json(loaded.config),
        'card': json.dumps(loaded.card | ({'partner': partner} if partner else {})
                           | ({'scores': [_scores_in(folder, generators) for folder in scores]} if scores else {})
                           | ({'trust': trust} if trust else {})),
    }
    halves = jax.tree.map(np.float16, rounded)
    files.write(output, safetensors.numpy.save(flax.traverse_util.flatten_dict(halves, sep='/'), metadata))


def _rounded(parameters):
    """Rounded to 16 bits, as they come out of a weights file: float32."""
    return jax.tree.map(lambda leaf: np.float32(np.float16(leaf)), parameters)


def mixed(*terms):
    """The parameters sum of share * parameters of all `terms`, each (share, parameters) of one kind of network.

    Networks of which one was trained on from the other still work where shares add up to 1 (Wang et al. 2019, "Deep network
    interpolation").
    """
    shares, networks = zip(*terms)
    return jax.tree.map(lambda *leaves: functools.reduce(operator.add, map(operator.mul, shares, leaves)), *networks)


def sharpened(loaded, sharpness):
    """The `Loaded` that lies `sharpness` of the way from a reconstruction network (0) to the adversarial one (1).

    `loaded` is either of both, or a network for photographs, which moves as the one without damage does that it was trained on
    from. Limits for warnings move as parameters do. Raises InputError where there is no such pair, or sharpness is not in [0, 1].
    """
    if not (isinstance(sharpness, numbers.Real) and 0 <= sharpness <= 1):
        raise errors.InputError(f'sharpness {sharpness}: is to be a number from 0 to 1')
    if 'undamaged' in loaded.card:
        pair = pair_of(load_generator(loaded.card['undamaged']))
        terms = (1.0, loaded), (-sharpness, pair[0]), (sharpness, pair[1])
    else:
        pair = pair_of(loaded)
        terms = (1 - sharpness, pair[0]), (sharpness, pair[1])
    card = {name: value for name, value in terms[0][1].card.items() if name != 'scores'}
    limits = [(share, {name: value for name, value in each.card.get('trust', {}).items() if name != 'data'}) for share, each in terms]
    if all(known for _, known in limits):
        card['trust'] = mixed(*limits) | {'data': 'between those of networks'}
    return loaded._replace(parameters=mixed(*((share, each.parameters) for share, each in terms)), card=card,
                           description=f'{loaded.description}, sharpness {sharpness:g}')


def pair_of(loaded):
    """(a reconstruction network, the adversarial one that was trained on from it), each a `Loaded`; `loaded` is one of them.

    The adversarial network's card says which the other is. Raises InputError where that is not here.
    """
    for other in _of_the_same_kind(loaded):
        first, second = (other, loaded) if loaded.is_adversarial else (loaded, other)
        if second.is_adversarial and not first.is_adversarial and _was_trained_on_from(second, first):
            return first, second
    raise errors.InputError(f'sharpness: {loaded.description} has no partner here: ' + (
        'the reconstruction network that it was trained on from is missing' if loaded.is_adversarial else
        'no adversarial network that comes with the project was trained on from it'))


def _of_the_same_kind(loaded):
    """Yields each `Loaded` that may be its partner: the one that its card names, and released ones."""
    named = loaded.card.get('partner', {}).get('network')
    if named and files.path(named).exists():
        yield load_generator(named)
    for name in released():
        config = settings.from_json(_metadata(RELEASED / f'{name}.safetensors')['config'])
        if name != loaded.description and all(config[field] == loaded.config[field] for field in ('network', 'face_size', 'scale', 'degradation')):
            yield load_generator(name)


def _was_trained_on_from(second, first):
    if jax.tree.map(np.shape, first.parameters) != jax.tree.map(np.shape, second.parameters):
        return False
    partner = second.card.get('partner')
    if not partner:  # of an earlier version: the record of the run that it went on from tells it
        return second.card['provenance'].get('started_from') == first.card.get('provenance')
    if 'parameters' not in partner:  # of its own run
        return files.path(first.description).parent == files.path(partner['network'])
    return partner['parameters'] == first.partner['parameters']


def check_is_free(output):
    """Raises InputError where the weights file `output` is there already."""
    if files.path(output).exists():
        raise errors.InputError(f'{output}: is there already; name another file or remove it')


def digest(parameters):
    """A short name for a network's parameters, or for any arrays, another one whenever they are others."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(parameters):
        found.update(np.ascontiguousarray(leaf).tobytes())
    return found.hexdigest()[:12]


def _provenance(config, folder, step):
    """What is known of how the checkpoint in `folder` was trained."""
    stage_1, stage_2 = config.reconstruction, config.adversarial
    before = min(step, stage_1.steps)
    return provenance.of(folder.parent.parent) | {
        'steps': step, 'faces_seen': before * stage_1.batch_size + (step - before) * stage_2.batch_size}


def _scores_in(folder, generators):
    """What a card keeps of the scores in `folder`, which must be of a generator with one of these digests."""
    try:
        summary = json.loads((files.path(folder) / SCORES).read_text())
        scores = {name: summary[name] for name in ('data', 'protocol', 'images', 'methods')}
    except (OSError, ValueError, KeyError) as error:
        raise errors.InputError(f'{folder}: holds no {SCORES} of evaluate.py') from error
    if 'parameters' not in summary:
        raise errors.InputError(f'{folder}: the scores are of an earlier version, and do not tell of which parameters; score '
                                'again with evaluate.py')
    if summary['parameters'] not in generators:
        raise errors.InputError(f'{folder}: the scores are those of {summary.get("checkpoint")}, with other parameters or '
                                'with the mirror image; score what is to be exported')
    return scores


def _load_file(path):
    try:
        metadata = _metadata(path)
        config = settings.from_json(metadata['config'])
        arrays = {name: array.astype(np.float32) for name, array in safetensors.numpy.load_file(path).items()}
        parameters = flax.traverse_util.unflatten_dict(arrays, sep='/')
        card = dict(json.loads(metadata.get('card', '{}')))
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise errors.InputError(f'{path}: not a weights file of gln_jax, or a damaged one ({error})') from error
    if jax.tree.map(np.shape, parameters) != jax.tree.map(np.shape, _shapes(config)):
        raise errors.InputError(f'{path}: its arrays are not those of a {config.network} at {config.scale}x')
    return Loaded(config, parameters, str(path), card)


def _shapes(config):
    """The generator's parameters, as they are nested, with a `jax.ShapeDtypeStruct` in place of each array."""
    size = config.face_size // config.scale
    lr = jax.ShapeDtypeStruct((1, size, size, 1), np.float32)
    return jax.eval_shape(factory.generator(config).init, jax.random.key(0), lr)['params']


def _metadata(path):
    try:
        with safetensors.safe_open(path, framework='numpy') as file:
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise errors.InputError(f'{path}: not a weights file of gln_jax, or a damaged one ({error})') from error
    if metadata.get('format') != FORMAT:
        raise errors.InputError(f'{path}: not a weights file of gln_jax (format {metadata.get("format")!r})')
    return metadata


def _released_file(name):
    """The file of a released name. Raises InputError where it is not what SHA256SUMS says."""
    file = RELEASED / f'{name}.safetensors'
    sums = dict(reversed(line.split()) for line in (RELEASED / 'SHA256SUMS').read_text().splitlines())
    if hashlib.sha256(file.read_bytes()).hexdigest() != sums.get(file.name):
        raise errors.InputError(f'{file}: is damaged (its SHA-256 is not the released one); install the project again')
    return file


def card_text(loaded):
    """What `show` prints: the network, how it was trained, its scores, its config."""
    config, known = loaded.config, loaded.card.get('provenance', {})
    lines = [f'{loaded.description}: {config.network} at {config.scale}x, '
             f'{factory.parameter_count(loaded.parameters):,} parameters, degradation {config.degradation}']
    while known:
        lines += [f'{title}: {known[name]}' for name, title in CARD_LINES.items() if name in known]
        known = known.get('started_from')
        lines += ['which started from what was'] if known else []
    for scores in loaded.card.get('scores', []):
        lines.append(f'{scores["data"]}, {scores["images"]} images, protocol {scores["protocol"]}: ' + ', '.join(
            f'{method} {_psnr_text(scores["methods"][method]["psnr"])} / {scores["methods"][method]["ssim"]:.3f}'
            for method in ('bicubic', 'gln')))
    return '\n'.join([*lines, settings.to_json(config)])


def _psnr_text(psnr):
    return 'inf dB' if psnr is None else f'{psnr:.2f} dB'


def main():
    parser = command_line.parser('gln_jax.weights', __doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    exporting = commands.add_parser('export', help='write a weights file from a workdir or checkpoint')
    exporting.add_argument('--ckpt', type=command_line.path, required=True,
                           help='workdir, checkpoint folder or weights file')
    exporting.add_argument('--scores', default='', metavar='DIR[,DIR...]', help='folders written by evaluate.py for it')
    exporting.add_argument('--output', type=command_line.path, required=True,
                           help='the file to write, *.safetensors; must not be there yet')
    showing = commands.add_parser('show', help='print the card of a workdir, checkpoint, weights file or released name')
    showing.add_argument('ckpt', type=command_line.path)
    arguments = parser.parse_args()
    with errors.reported():
        if arguments.command == 'export':
            export(arguments.ckpt, arguments.output, list(filter(None, arguments.scores.split(','))))
            print(f'wrote {arguments.output}')
        else:
            print(card_text(load_generator(arguments.ckpt)))


if __name__ == '__main__':
    main()
