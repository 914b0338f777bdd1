import os
import subprocess
import sys

import pytest

from gln_jax import config as settings
from gln_jax import parallel, provenance


def config_of(reconstruction, adversarial=None, optimizer='adam'):
    config = settings.default()
    config.reconstruction.update(batch_size=reconstruction or 1, steps=10 if reconstruction else 0)
    config.adversarial.update(batch_size=adversarial or 1, turns=1 if adversarial else 0)
    config.optimizer.name = optimizer
    return config


@pytest.mark.parametrize('configs, cores, devices', [
    ([config_of(32)], 4, 4), ([config_of(32)], 1, 1), ([config_of(32)], 3, 2), ([config_of(5)], 2, 1),
    ([config_of(12, 8)], 6, 4), ([config_of(12), config_of(8)], 6, 4), ([config_of(16, optimizer='muon')], 2, 1),
    ([config_of(None, 16, optimizer='muon')], 2, 2)])
def test_cores_become_devices_where_the_batches_can_be_split(configs, cores, devices, monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '--xla_cpu_enable_fast_math=false')
    monkeypatch.setattr(provenance, 'cores', lambda: cores)
    parallel.a_device_per_core(*configs)
    first, *added = os.environ['XLA_FLAGS'].split()
    assert first == '--xla_cpu_enable_fast_math=false', 'what was there stays'
    assert f'{parallel.DEVICE_COUNT}={devices}' in added if devices > 1 else not added


def test_a_number_of_devices_that_is_given_stays(monkeypatch):
    given = f'{parallel.DEVICE_COUNT}=3'
    monkeypatch.setenv('XLA_FLAGS', given)
    monkeypatch.setattr(provenance, 'cores', lambda: 4)
    parallel.a_device_per_core(config_of(32))
    assert os.environ['XLA_FLAGS'] == given


@pytest.mark.skipif(provenance.cores() < 2, reason='needs 2 cores')
def test_jax_then_has_so_many_devices():
    program = ('import jax; from gln_jax import config, parallel; one = config.default(); '
               'parallel.a_device_per_core(one); print(jax.device_count())')
    counted = subprocess.run([sys.executable, '-c', program], env=os.environ | {'XLA_FLAGS': '', 'JAX_PLATFORMS': 'cpu'},
                             capture_output=True, text=True, check=True)
    assert 32 % int(counted.stdout) == 0 and int(counted.stdout) > 1
