"""Logs for a workdir in a bucket: they grow line by line, which files in a bucket cannot."""

import contextlib
import pathlib
import tempfile

from gln_jax.runtime import files


@contextlib.contextmanager
def mirrored(workdir, names):
    """(A local folder to write logs in, a function that brings the workdir up to date with it), as leaving the context does.

    For a workdir on a disk, the folder is the workdir itself and the function does nothing. `names` are the files that a
    continued run goes on with; they are copied from the workdir first.
    """
    if not files.is_in_bucket(workdir):
        yield pathlib.Path(workdir), lambda: None
        return
    with tempfile.TemporaryDirectory(prefix='gln_jax_') as folder:
        folder, sizes = pathlib.Path(folder), {}
        for name in names:
            if (workdir / name).exists():
                (folder / name).write_bytes((workdir / name).read_bytes())

        def update():
            for file in (file for file in folder.rglob('*') if file.is_file()):
                content = file.read_bytes()
                if sizes.get(file) != len(content):
                    files.write(workdir / file.relative_to(folder).as_posix(), content)
                    sizes[file] = len(content)

        try:
            yield folder, update
        finally:
            update()
