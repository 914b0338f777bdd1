"""The folder of a study: whose it is, and what is already scored in it."""

import json
import sys
import time

from gln_jax.runtime import claims, errors, files
from gln_jax.runtime import origin

SETTINGS, PARTS, COMMITS = 'settings.json', 'scored', 'commits.json'
"""What the folder is for, the folder in it of the scores so far, a JSON file each, and the commits that made them."""

UNKNOWN = 'unknown'
"""The commit of scores from before commits were kept."""

SECONDS_BETWEEN_REPORTS = 5.0


def claimed(output, settings):
    """The folder `output`, made if need be, for a study with these settings (what JSON can hold).

    Raises:
        InputError: it holds other files, or a study with other settings; nothing in it was changed.
    """
    folder = claims.made(output, 'the study, --output=DIR')
    settings = json.loads(json.dumps(settings))
    if (folder / SETTINGS).exists():
        found = _settings_in(folder / SETTINGS)
        changed = [name for name in sorted(found.keys() | settings.keys()) if found.get(name) != settings.get(name)]
        if changed:
            told = '; '.join(f'{name}: {found.get(name)!r} there, {settings.get(name)!r} now' for name in changed)
            raise errors.InputError(f'{output}: holds a study with other settings ({told}); name another --output, or '
                                    'repeat its settings')
    elif any(folder.iterdir()):
        raise errors.InputError(f'{output}: holds other files and no study; name another --output')
    files.write(folder / SETTINGS, json.dumps(settings, indent=2) + '\n')
    return folder


def worked_through(folder, jobs):
    """What each job gives, {name: result}: as kept in `folder` where it was done before, else done now and kept.

    Args:
        folder: as in `claimed`.
        jobs: {name: function without arguments}, whose results JSON can hold.
    """
    results, total, made = {}, len(jobs), 0
    start = reported = time.monotonic()
    for done, (name, job) in enumerate(jobs.items()):
        path = folder / PARTS / f'{"-".join(name.replace("/", " ").split())}.json'
        if path.exists():
            results[name] = json.loads(path.read_text())
            continue
        if not made:
            files.write(folder / COMMITS, json.dumps(origin.with_this_commit(commits(folder), folder)) + '\n')
        now = time.monotonic()
        if now - reported >= SECONDS_BETWEEN_REPORTS and made:
            reported = now
            left = (now - start) / made * sum(other not in results for other in jobs)
            print(f'{done} of {total} scored, {left:.0f} s left; now: {name}', file=sys.stderr)
        results[name] = job()
        made += 1
        files.write(path, json.dumps(results[name]) + '\n')
    return results


def commits(folder):
    """The commits at which the scores in a study's folder were made, in order; [] where there are none yet."""
    path = folder / COMMITS
    if path.exists():
        return json.loads(path.read_text())
    return [UNKNOWN] if (folder / PARTS).exists() else []


def _settings_in(path):
    try:
        found = json.loads(path.read_text())
        found.keys()
    except (ValueError, AttributeError) as error:
        raise errors.InputError(f'{path}: is not of a study; name another --output') from error
    return found
