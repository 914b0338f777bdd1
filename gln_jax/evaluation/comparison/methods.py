"""The methods that a comparison names: interpolation, what is fitted on training faces, and trained networks."""

import re

from gln_jax import images, weights
from gln_jax.evaluation import scoring
from gln_jax.models import factory
from gln_jax.runtime import errors
from gln_jax.evaluation.comparison import baselines
from gln_jax.evaluation.comparison.baselines import fitted

GLN = 'gln'
"""The network that the others are compared with."""

ALL = 'all'


def named(text, gln):
    """{method: `weights.Loaded` of a network, else None} for the words of `--methods`, in their order and 'gln' last.

    Args:
        text: names of `known()`, 'all' for all of them, and NAME=CKPT for other networks, with commas between.
        gln: the `weights.Loaded` of the network that the others are compared with.

    Raises:
        InputError: a name is unknown, or given to two networks; or a network cannot be read, or is trained for another
            scale or degradation than `gln`, so that it cannot take the same LR images.
    """
    if gln.config.face_size != images.FACE_SIZE:
        raise errors.InputError(f'--methods: {gln.description} is a network for faces of {gln.config.face_size} pixels; a '
                                f'comparison needs one for {images.FACE_SIZE}')
    chosen = {}
    for word in filter(None, (word.strip() for word in text.split(','))):
        name, is_network, path = (part.strip() for part in word.partition('='))
        if is_network:
            if name in (*known(), ALL, *scoring.BESIDE) or not re.fullmatch(r'\w[\w.-]*', name):
                raise errors.InputError(f'--methods: {word!r}: a network cannot be called {name!r}; name it otherwise')
            if name in chosen:
                raise errors.InputError(f'--methods: {name}= is there twice; name each network otherwise')
            chosen[name] = path
        elif name == ALL:
            chosen |= {method: None for method in known() if method not in chosen}
        elif name in known():
            chosen[name] = None
        else:
            raise errors.InputError(f'--methods: there is no method {name!r}; there are {", ".join(known())}, {ALL} '
                                    'for all of these, and NAME=CKPT for a trained network')
    if not chosen:
        raise errors.InputError(f'--methods: name methods: {", ".join(known())}, {ALL} or NAME=CKPT')
    chosen.pop(GLN, None)
    return {name: None if path is None else _network(name, path, gln) for name, path in chosen.items()} | {GLN: gln}


def known():
    return [*scoring.INTERPOLATIONS, *baselines.METHODS, GLN]


def are_fitted(chosen):
    """Those of `named`'s methods that are fitted on training faces."""
    return [name for name in chosen if name in baselines.METHODS]


def restorers(chosen, config, training_faces):
    """{method: restorer, see `scoring.interpolations`}; fits what is not fitted yet, on `training_faces`."""
    made = {}
    for name, loaded in chosen.items():
        if loaded is not None:
            upsampler = factory.upsampler(loaded.config, loaded.parameters)
        elif name in baselines.METHODS:
            upsampler = baselines.METHODS[name].restorer(fitted.model(name, training_faces, config), config.scale)
        else:
            made[name] = scoring.interpolations(config.scale)[name]
            continue
        made[name] = scoring.of_luminance(upsampler, config.scale)
    return made


def described(chosen, config, training_faces):
    """{method: what it is and which version, as JSON has it}: two runs of equal descriptions score alike."""
    return {name: _of_network(loaded) if loaded is not None else
            _of_fitted(name, config, training_faces) if name in baselines.METHODS else {'kind': 'interpolation'}
            for name, loaded in chosen.items()}


def _network(name, path, gln):
    loaded = weights.load_generator(path)
    weights.check_restores_alike(loaded, gln.config, f'--methods: {name}')
    return loaded


def _of_network(loaded):
    return {'kind': 'network', 'network': loaded.config.network, 'checkpoint': loaded.description,
            'parameters': loaded.digest}


def _of_fitted(name, config, training_faces):
    return {'kind': 'fitted', 'settings': baselines.METHODS[name].SETTINGS, 'faces': len(training_faces),
            'fit': fitted.key(name, training_faces, config)}
