"""Each released file still restores what it restored when it was released, whatever has moved in the code since."""

import numpy as np
import pytest

from gln_jax import weights
from tools import golden

pytestmark = pytest.mark.usefixtures('optimized')

VALUES = dict(np.load(golden.FILE))


@pytest.mark.parametrize('name', weights.released())
def test_a_released_network_restores_as_it_did(name):
    np.testing.assert_allclose(golden.restored(name, VALUES), VALUES[name], rtol=0, atol=1e-5)
