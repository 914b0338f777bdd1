"""The embedded data set: drawn faces, made on the spot, for those who have no photographs at hand."""

import hashlib
import pathlib

import cv2
import tensorflow_datasets as tfds

from gln_jax import images
from gln_jax.data import preparation
from gln_jax.data.synthetic import drawing
from gln_jax.runtime import processes, processors

FACES = {'train': 2000, 'val': 64, 'test': 200}
"""How many faces each split has. Their seeds follow one another, so that no face is in two splits."""

WORTH_PROCESSES = 100
"""So many faces take longer to draw than it takes to start processes for them."""


class DrawnFaces(tfds.core.GeneratorBasedBuilder):
    """Faces of `drawing.draw_face` as PNG. `faces` replaces the numbers of FACES, for tests."""

    VERSION = tfds.core.Version('1.0.0')
    RELEASE_NOTES = {'1.0.0': 'First release.'}

    def __init__(self, *, faces=None, **kwargs):
        self._faces = faces or FACES
        super().__init__(config=tfds.core.BuilderConfig(name=_drawing()), **kwargs)

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description='Procedurally drawn colour portraits, aligned as gln_jax aligns photographs.',
            features=tfds.features.FeaturesDict({
                'image': tfds.features.Image(shape=(images.FACE_SIZE, images.FACE_SIZE, 3), encoding_format='png'),
                'file': tfds.features.Text(), 'source': tfds.features.Text(), 'identity': tfds.features.Text()}))

    def _split_generators(self, dl_manager):
        generators, first = {}, 0
        for split, count in self._faces.items():
            generators[split] = self._generate_examples(split, range(first, first + count))
            first += count
        return generators

    def _generate_examples(self, split, seeds):
        cores = processors.cores() if len(seeds) >= WORTH_PROCESSES else 1
        with processes.mapped(_drawn_png, list(seeds), cores) as drawn:
            for seed, png in zip(preparation.with_progress(seeds, split), drawn):
                yield seed, {'image': png, 'file': f'{split}/{seed:05}.png', 'source': 'drawn',
                             'identity': f'drawn:{seed}'}


def _drawing():
    """A name for the code that draws: faces that were drawn by another version are not taken for those of this one."""
    code = hashlib.sha256()
    for file in sorted(pathlib.Path(drawing.__file__).parent.glob('*.py')):
        if file.name != pathlib.Path(__file__).name:
            code.update(file.read_bytes())
    return f'drawing-{code.hexdigest()[:8]}'


def _drawn_png(seed):
    return cv2.imencode('.png', drawing.draw_face(seed)[..., ::-1])[1].tobytes()


def prepare(directory=None):
    """The builder of the drawn faces in the TFDS data directory `directory`, drawn now if they are not there yet."""
    builder = DrawnFaces(data_dir=directory)
    preparation.prepare(builder, f'{sum(FACES.values()):,} drawn faces')
    return builder
