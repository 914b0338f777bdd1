import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gln_jax import config as settings
from gln_jax.runtime import devices, errors, processors


def config_of(reconstruction, adversarial=None):
    config = settings.default()
    config.reconstruction.update(batch_size=reconstruction or 1, steps=10 if reconstruction else 0)
    config.adversarial.update(batch_size=adversarial or 1, turns=1 if adversarial else 0)
    return config


@pytest.mark.parametrize('configs, cores, count', [
    ([config_of(32)], 4, 4), ([config_of(32)], 1, 1), ([config_of(32)], 3, 2), ([config_of(5)], 2, 1),
    ([config_of(24, 16)], 6, 4), ([config_of(24), config_of(16)], 6, 4), ([config_of(None, 16)], 2, 2)])
def test_cores_become_devices_where_the_batches_can_be_split(configs, cores, count, monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '--xla_cpu_enable_fast_math=false')
    monkeypatch.setattr(processors, 'cores', lambda: cores)
    devices.a_device_per_core(*(size for config in configs for size in devices.training_batch_sizes(config).values()))
    first, *added = os.environ['XLA_FLAGS'].split()
    assert first == '--xla_cpu_enable_fast_math=false', 'what was there stays'
    assert f'{devices.DEVICE_COUNT}={count}' in added if count > 1 else not added


@pytest.mark.parametrize('batch_size, cores, gibibytes, count', [
    (128, 64, 256, 32),  # 4 faces each
    (128, 64, 12, 8),    # 1 GiB each
    (128, 64, None, 32),
    (96, 64, 256, 24),
    (5, 64, 256, 1),
    (2, 2, 256, 2),      # two cores are used, as measured
    (4, 64, 256, 2),
    (16, 2, 0.5, 1)])
def test_devices_have_faces_and_memory_enough(batch_size, cores, gibibytes, count, monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '')
    monkeypatch.setattr(processors, 'cores', lambda: cores)
    monkeypatch.setattr(processors, 'memory', lambda: gibibytes and int(gibibytes * 2**30))
    devices.a_device_per_core(batch_size)
    assert (f'{devices.DEVICE_COUNT}={count}' in os.environ['XLA_FLAGS'].split()) == (count > 1)


def test_a_number_of_devices_that_is_given_stays(monkeypatch):
    given = f'{devices.DEVICE_COUNT}=3'
    monkeypatch.setenv('XLA_FLAGS', given)
    monkeypatch.setattr(processors, 'cores', lambda: 4)
    devices.a_device_per_core(32)
    assert os.environ['XLA_FLAGS'] == given


@pytest.mark.skipif(processors.cores() < 2, reason='needs 2 cores')
def test_jax_then_has_so_many_devices():
    program = 'import jax; from gln_jax.runtime import devices; devices.a_device_per_core(32); print(jax.device_count())'
    counted = subprocess.run([sys.executable, '-c', program], env=os.environ | {'XLA_FLAGS': '', 'JAX_PLATFORMS': 'cpu'},
                             capture_output=True, text=True, check=True)
    assert 32 % int(counted.stdout) == 0 and int(counted.stdout) > 1


@pytest.mark.parametrize('count', [8, 3])
def test_a_batch_is_restored_alike_on_all_devices_and_on_one(count):
    """3 images cannot be split over the tests' 4 devices."""
    images = np.random.default_rng(0).random((count, 16, 16, 1), np.float32)
    function = lambda weight, images: weight * jnp.cumsum(images, axis=1)
    np.testing.assert_allclose(devices.over_devices(function)(2.0, images), function(2.0, images), rtol=1e-6)


@pytest.mark.parametrize('begin', [lambda: devices.a_device_per_core(1), devices.connect])
def test_training_has_32_bits_whatever_jax_enable_x64_says(begin):
    jax.config.update('jax_enable_x64', True)
    try:
        begin()
        assert jnp.asarray(np.zeros(1)).dtype == jnp.float32
    finally:
        jax.config.update('jax_enable_x64', False)


@pytest.mark.parametrize('error', [RuntimeError("Unable to initialize backend 'nonsense'"), AssertionError()])
def test_devices_that_jax_does_not_find_are_an_input_error(error, monkeypatch):
    def devices_of_jax():
        raise error
    monkeypatch.setattr(jax, 'devices', devices_of_jax)
    monkeypatch.setenv('JAX_PLATFORMS', 'nonsense')
    with pytest.raises(errors.InputError, match='JAX_PLATFORMS=nonsense: there are no such devices here'):
        devices.connect()
