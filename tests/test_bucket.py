"""A workdir in a bucket: gcsfs and TensorStore as they are, and an emulator of Google Cloud Storage that they talk to."""

import json
import os
import pathlib
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from gln_jax.runtime import errors, files

ROOT = pathlib.Path(__file__).parent.parent
RUN = 'gs://faces/runs/tiny'
SETTINGS = ['network=gn_only', 'face_size=32', 'reconstruction.steps=3', 'reconstruction.batch_size=4', 'adversarial.batch_size=4',
            'adversarial.discriminator_steps=2', 'adversarial.generator_steps=2', 'validation.faces=4',
            'checkpoint.every_steps=3', 'log.every_seconds=0', 'log.pictures_every_steps=3']

EMULATOR = """if True:
    import sys, threading
    from http import server
    server.HTTPServer = server.ThreadingHTTPServer  # or an idle client would block all
    from gcp_storage_emulator.server import Router, create_server

    one_at_a_time, handle = threading.Lock(), Router.handle  # its storage is not made for threads
    def handle_alone(router, method):
        with one_at_a_time:
            handle(router, method)

    Router.handle = handle_alone
    create_server('localhost', int(sys.argv[1]), in_memory=True, default_bucket='faces').run()
"""


@pytest.fixture(scope='module')
def environment():
    """What leads a child process to the emulator, which runs as long as the tests of this file."""
    with socket.socket() as probe:
        probe.bind(('localhost', 0))
        port = probe.getsockname()[1]
    emulator = subprocess.Popen([sys.executable, '-c', EMULATOR, str(port)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
    url = f'http://localhost:{port}'
    while True:
        try:
            urllib.request.urlopen(f'{url}/storage/v1/b/faces')
            break
        except OSError:
            assert emulator.poll() is None
            time.sleep(0.1)
    yield os.environ | {'STORAGE_EMULATOR_HOST': url, 'TENSORSTORE_GCS_HTTP_URL': url, 'GOOGLE_CLOUD_PROJECT': 'none',
                        'XLA_FLAGS': ''}
    emulator.kill()
    emulator.wait()


@pytest.fixture(scope='module')
def train(environment, drawn_faces):
    settings = [f'--config.{setting}' for setting in [*SETTINGS, f'data.directory={drawn_faces}']]

    def train(*more):
        return subprocess.Popen([sys.executable, 'train.py', '--config=configs/x8.py', *settings, f'--workdir={RUN}', *more],
                                cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return train


def test_two_hosts_train_in_a_bucket_one_continues_and_all_is_scored_and_read_there(train, environment):
    with socket.socket() as probe:
        probe.bind(('localhost', 0))
        port = probe.getsockname()[1]
    hosts = [train('--config.adversarial.turns=0', '--noscore', f'--coordinator=localhost:{port}', '--num_processes=2',
                   f'--process_id={process}') for process in (0, 1)]
    for host in hosts:
        _, err = host.communicate(timeout=300)
        assert host.returncode == 0, err

    alone = train('--config.adversarial.turns=1')
    out, err = alone.communicate(timeout=300)
    assert alone.returncode == 0 and 'continuing from step 3' in out and f'written: {RUN}/scores.json' in out, err

    done = subprocess.run([sys.executable, '-c', f'''if True:
        import json
        import evaluate
        from etils import epath
        from gln_jax import weights
        run = epath.Path('{RUN}')
        evaluate.main(['--ckpt={RUN}', '--protocol=y'])
        print(json.dumps(dict(
            files=sorted(path.name for path in run.iterdir()),
            logged=[json.loads(line)['step'] for line in (run / 'metrics.jsonl').read_text().splitlines()],
            events=[path.stat().length for path in (run / 'tensorboard').iterdir()],
            images=json.loads((run / 'scores.json').read_text())['images'],
            loaded=weights.load_generator('{RUN}').description,
            at_end_of_stage_1=weights.load_generator('{RUN}/reconstruction').description)))'''],
        cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and f'{RUN}/scores/drawn-test-y/scores.json' in done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found['files'] == ['checkpoints', 'config.json', 'faces.png', 'metrics.jsonl', 'provenance.json',
                              'reconstruction', 'scores', 'scores.csv', 'scores.json', 'tensorboard']
    assert sorted(set(found['logged'])) == list(range(1, 8)) and found['logged'] == sorted(found['logged'])
    assert len(found['events']) == 2 and min(found['events']) > 0
    assert found['images'] == 8
    assert found['loaded'] == f'{RUN}/checkpoints/7' and found['at_end_of_stage_1'] == f'{RUN}/reconstruction/3'


def test_a_bucket_that_is_not_there_is_one_line(train):
    refused = train('--workdir=gs://nobody/run')
    _, err = refused.communicate(timeout=300)
    assert refused.returncode == 2 and 'gs://nobody/run' in err and len(err.splitlines()) == 1


def test_without_gcsfs_the_bucket_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, 'gcsfs', None)
    with pytest.raises(errors.InputError, match='gs://faces/run: a bucket is read and written by gcsfs'):
        files.path('gs://faces/run')
