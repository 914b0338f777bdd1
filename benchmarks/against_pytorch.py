"""GLN8 in JAX beside the same GLN8 in PyTorch, on this machine: both restore and train, one after the other.

    pip install -r benchmarks/requirements.txt
    PYTHONPATH=. python benchmarks/against_pytorch.py

PyTorch's network gets JAX's parameters, and its images must be the same before anything is timed. On a CPU both compute
in float32 with all cores; on a GPU both in bfloat16, PyTorch compiled (torch.compile) and in its channels-last layout.
A training step is stage 1's: degradation, forward, backward, Adam, with JAX on a device per core, as train.py and
evaluate.py do. JAX's also clips and keeps the EMA.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch import nn

from gln_jax import images
from gln_jax import config as settings
from gln_jax.models import factory, gln
from gln_jax.runtime import command_line, devices, precision
from gln_jax.training import optimizers, steps


class Gln(nn.Module):
    """`factory.GlobalLocalNetwork`: LR [n, 1, h, w] -> HR [n, 1, h*scale, w*scale], float32 in [0, 1]."""

    def __init__(self, scale, local, lr_size):
        super().__init__()
        self.scale, self.lr_size = scale, lr_size
        self.upsampling = nn.ConvTranspose2d(1, 1, 2 * scale, stride=scale)
        units = (lr_size**2, *gln.DETAIL_WIDTHS[scale], (lr_size * scale) ** 2)
        self.detail = nn.ModuleList(nn.Linear(*ends) for ends in zip(units, units[1:]))
        filters = (2, *(filters for _, filters in gln.LOCAL_LAYERS[local]))
        self.local = nn.ModuleList(
            nn.Conv2d(*ends, size, padding='same')
            for ends, (size, _) in zip(zip(filters, filters[1:]), gln.LOCAL_LAYERS[local]))

    def forward(self, lr):
        beyond = self.scale + self.scale // 2
        upsampled = self.upsampling(nn.functional.pad(lr, (1, 1, 1, 1), mode='replicate'))
        code = lr.flatten(1)
        for layer in self.detail[:-1]:
            code = torch.relu(layer(code))
        upsampled = upsampled[..., beyond:-beyond, beyond:-beyond]
        maps = torch.cat([upsampled, self.detail[-1](code).view_as(upsampled)], 1)
        for layer in self.local[:-1]:
            maps = torch.relu(layer(maps))
        return self.local[-1](maps)

    @torch.no_grad()
    def take(self, parameters):
        """Copies the Flax parameters of the same network."""
        upsampling = parameters['upsampling']
        self.upsampling.weight.copy_(torch.tensor(np.array(upsampling['kernel']))[None, None])
        self.upsampling.bias.copy_(torch.tensor(np.array(upsampling['bias'])))
        for kind, layers, axes in (('Dense', self.detail, (1, 0)), ('Conv', self.local, (3, 2, 0, 1))):
            ours = parameters['detail' if kind == 'Dense' else 'local']
            for number, layer in enumerate(layers):
                layer.weight.copy_(torch.tensor(np.array(ours[f'{kind}_{number}']['kernel']).transpose(axes)))
                layer.bias.copy_(torch.tensor(np.array(ours[f'{kind}_{number}']['bias'])))


def main(arguments=None):
    options = _parser().parse_args(arguments)
    config = settings.default()
    config.network, config.scale = options.network, options.scale
    batch_size = config.reconstruction.batch_size = options.batch_size
    config.adversarial.turns = 0
    devices.a_device_per_core(batch_size)
    hr = np.random.default_rng(0).integers(0, 256, (batch_size, images.FACE_SIZE, images.FACE_SIZE, 1), np.uint8)
    ours, theirs = _in_jax(config, hr), _in_pytorch(config, hr)
    difference = np.abs(np.asarray(ours['restores']()) - theirs['restores']().float().cpu().numpy().transpose(0, 2, 3, 1))
    print(f'jax {jax.__version__} on {jax.devices()[0].device_kind}, torch {torch.__version__} with '
          f'{torch.get_num_threads()} threads; {options.network} at {options.scale}x, batch {batch_size}, '
          f'{precision.of(config).__name__}; greatest difference of a pixel: {difference.max():.1e}')
    if difference.max() > (1e-4 if precision.of(config) == jnp.float32 else 5e-2):
        raise SystemExit('the two networks do not compute the same')
    for what in ('restores', 'trains'):
        seconds = {'ours': [], 'theirs': []}
        for _ in range(options.repetitions + 1):
            seconds['ours'].append(_seconds(lambda: jax.block_until_ready(ours[what]())))
            seconds['theirs'].append(_seconds(lambda: _finished(theirs[what]())))
        ours_best, theirs_best = (min(seconds[who][1:]) for who in ('ours', 'theirs'))  # the first one compiles
        print(f'{what:>8}: JAX {batch_size / ours_best:8.1f} faces/s, PyTorch {batch_size / theirs_best:8.1f} faces/s: '
              f'{theirs_best / ours_best:.2f} times as fast')


def _in_jax(config, hr):
    state = steps.create_state(config)
    lr = images.degrade(jnp.asarray(hr, jnp.float32) / 255, config.scale)
    restore = devices.over_devices(precision.applied(factory.generator(config), precision.of(config)))
    update = devices.mapped(steps.generator_update(config, optimizers.reconstruction_optimizer(config), adversarial=False))
    generator, trained = jax.device_get(state.generator), [devices.placed(state)]

    def train():
        trained[0], metrics = update(trained[0], devices.split(hr))
        return metrics

    return {'restores': lambda: restore(generator, lr), 'trains': train}


def _in_pytorch(config, hr):
    on_gpu = torch.cuda.is_available()
    device, layout = ('cuda', torch.channels_last) if on_gpu else ('cpu', torch.contiguous_format)
    network = Gln(config.scale, 'ln' + config.network.removeprefix('gln'), images.FACE_SIZE // config.scale)
    network.take(jax.device_get(steps.create_state(config).generator))
    network = network.to(device, memory_format=layout)
    forward = torch.compile(network) if on_gpu else network
    reduction = torch.tensor(images.reduction_matrix(images.FACE_SIZE, config.scale, config.degradation), device=device)
    pixels = torch.tensor(hr.transpose(0, 3, 1, 2), device=device)
    optimizer = torch.optim.Adam(network.parameters(), lr=config.optimizer.learning_rate, fused=True)

    def degraded():
        truth = (pixels.float() / 255).contiguous(memory_format=layout)
        return reduction @ truth @ reduction.T, truth

    lr, _ = degraded()

    def restore():
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=on_gpu):
            return forward(lr)

    def train():
        lr, truth = degraded()
        with torch.autocast(device, torch.bfloat16, enabled=on_gpu):
            sr = forward(lr)
        optimizer.zero_grad()
        (255**2 * ((sr.float() - truth) ** 2).sum(dim=(1, 2, 3)).mean()).backward()
        optimizer.step()

    return {'restores': restore, 'trains': train}


def _finished(_):
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--network', choices=('gln4', 'gln6', 'gln8'), default='gln8', help='(default: gln8)')
    parser.add_argument('--scale', type=int, choices=(4, 8), default=8, help='(default: 8)')
    parser.add_argument('--batch-size', type=command_line.count, default=16, metavar='N',
                        help='faces a step (default: 16)')
    parser.add_argument('--repetitions', type=command_line.count, default=3, metavar='N',
                        help='the best counts (default: 3)')
    return parser


if __name__ == '__main__':
    main()
