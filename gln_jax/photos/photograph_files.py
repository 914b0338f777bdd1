"""Photographs, from file to file."""

import sys

from tqdm import tqdm

from gln_jax.data.image_files import reading
from gln_jax.photos import restoring, results
from gln_jax.runtime import errors

SECONDS_WITHOUT_A_BAR = 1  # for so long nothing is shown of a photograph's steps


def restored(paths, names, upsamplers, destination, options, eyes):
    """Restores photographs and writes each with its faces and comparisons.

    Args:
        paths, names: their files, and {path: name of its outputs}.
        upsamplers: a tuple of `face_upsampling.FaceUpsampler`.
        destination: an `output_folder.OutputFolder`.
        options: the command's flags.
        eyes: {file name: list of eye pairs} of those that are not to be searched.
    Yields:
        (path, entry in the report); the entry of a file that failed is {'error': what was wrong}.
    """
    how = restoring.How(options.detector, options.force, options.only_center_face, options.consistent,
                        options.disagreement is not False)
    for path in paths:
        try:
            picture = reading.read(path)
            ending = picture.ending if options.ext == 'auto' else options.ext
            name, suffix = names[path], options.suffix
            destination.check(f'{results.PHOTOS}/{name}{suffix}.{ending}', f'{results.FACES}/{name}_00{suffix}.png',
                              f'{results.COMPARISONS}/{name}_00{suffix}.jpg', f'{results.COMPARISONS}/{name}{suffix}.jpg')
            try:
                with tqdm(total=1, unit=' steps', delay=SECONDS_WITHOUT_A_BAR, mininterval=0, leave=False, disable=None,
                          file=sys.stderr) as bar:
                    restoration = restoring.restored(picture.pixels, eyes.get(path.name), upsamplers,
                                                     how._replace(jpeg_steps=picture.jpeg_steps), _teller(bar))
                    entry = results.write_photo(destination, name, picture, restoration, ending, suffix)
            except errors.InputError as error:
                raise errors.InputError(f'{path}: {error}') from error
            entry['notes'] = list(picture.notes) + entry['notes']
            yield path, entry
        except errors.InputError as error:
            yield path, {'error': str(error)}


def _teller(bar):
    def tell(step, steps, doing):
        bar.total = steps
        bar.set_description(doing, refresh=False)
        bar.update(step - bar.n)
    return tell


def lines_about(path, entry, is_folder):
    """Lines about one file for the terminal: of a folder only what is out of the ordinary."""
    lines = [f'{path}: {note}' for note in entry['notes']]
    lines += [f'{path}: {face["face"]}: {warning}' for face in entry['faces'] for warning in face.get('warnings', ())]
    if is_folder:
        return lines
    lines += [f'{path}: face at {", ".join(f"{x:g},{y:g}" for x, y in face["eyes"])}: {face["note"]}'
              for face in entry['faces'] if 'eyes' in face]
    return lines + [f'wrote {entry.get("output") or entry["faces"][0]["face"]}']
