"""Global-Local Face Upsampling Network (Tuzel, Taguchi, Hershey 2016) in JAX and Flax.

`gln_jax.restore` restores the faces of a photograph; see `gln_jax.photos.restoring.restore`.
"""

from gln_jax.runtime import home

__all__ = ['restore']

home.ensure()


def __getattr__(name):
    if name != 'restore':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from gln_jax.photos import restoring  # only now, so that `import gln_jax` costs nothing
    return restoring.restore
