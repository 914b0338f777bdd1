"""The page in a real browser: Chromium without a window, driven by Playwright.

Skipped where Chromium, Playwright, npm's packages or what exporting needs is missing: apt-get install chromium npm,
pip install playwright, and npm ci in web/.
"""

import base64
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
from PIL import Image
import pytest

import gln_jax
from gln_jax import images, page
from gln_jax.data import alignment
from gln_jax.data.synthetic import drawing
from gln_jax.photos import detection, face_upsampling
from gln_jax.runtime import errors

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
FLAGS = ('--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking '
         '--disable-component-update --disable-sync').split()
DONE = re.compile(r'found|:|Saved')
SECONDS = 120
SEND = "place => fetch(place).then(() => 'sent', () => 'refused')"


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The page, made once."""
    pytest.importorskip('onnx', reason='onnx is missing: pip install -r requirements/export.txt')
    if not (page.WEB / 'node_modules').is_dir() and not shutil.which('npm'):
        pytest.skip('npm, which installs onnxruntime-web, is missing')
    made = tmp_path_factory.mktemp('page') / 'made'
    try:
        page.make(made)
    except errors.RunError as error:
        pytest.skip(f'onnxruntime-web cannot be installed: {error}')
    return made


@pytest.fixture(scope='module')
def address(folder):
    with page.server(folder) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{serving.server_port}/'
        serving.shutdown()


@pytest.fixture(scope='module')
def playwright():
    sync_api = pytest.importorskip('playwright.sync_api', reason='Playwright is missing: pip install playwright')
    if not CHROMIUM:
        pytest.skip('Chromium is missing: apt-get install chromium')
    with sync_api.sync_playwright() as driver:
        yield driver


@pytest.fixture(scope='module')
def browser(playwright):
    with playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        yield browser


@pytest.fixture(scope='module')
def tab(browser, address):
    """A tab with the page, whose networks one photograph after the other uses; `.asked` are the addresses it asked for."""
    tab = browser.new_page(viewport={'width': 1100, 'height': 900})
    tab.asked, tab.errors, tab.shown = [], [], None
    tab.on('request', lambda request: tab.asked.append((request.method, request.url)))
    tab.on('pageerror', lambda error: tab.errors.append(str(error)))
    tab.goto(address)
    return tab


@pytest.fixture(scope='module')
def upsamplers():
    return face_upsampling.load_each_scale(batch_size=1)


def choose(tab, file):
    """Gives the page a photograph and waits for its faces; returns the message."""
    return message(tab, lambda: tab.set_input_files('#choose', file))


def take_example(tab):
    """Gives the page its example and waits for its faces; returns the message."""
    found = message(tab, lambda: tab.click('#example'))
    tab.shown = 'example'
    return found


def show_example(tab):
    """Sees to it that the faces of the example are shown, which are searched only where others are."""
    if tab.shown != 'example':
        take_example(tab)


def message(tab, act):
    """What the page says in the end of what `act` makes it do."""
    tab.shown = None
    tab.evaluate("document.querySelector('#message').textContent = ''")
    act()
    tab.locator('#message', has_text=DONE).wait_for(timeout=1000 * SECONDS)
    return tab.inner_text('#message')


def eyes_of(tab):
    """[((x, y), (x, y))] of the cards, in their order."""
    shown = tab.eval_on_selector_all('.eyes', 'all => all.map(each => each.value)')
    return [((x1, y1), (x2, y2)) for x1, y1, x2, y2 in (map(float, eyes.split(',')) for eyes in shown)]


def set_eyes(tab, eyes):
    """Types eyes into the only card, and waits until its face is restored."""
    tab.fill('.eyes', ','.join(f'{value:.3f}' for value in np.ravel(eyes)))
    tab.locator('.eyes').press('Enter')
    all_are_restored(tab)


def all_are_restored(tab):
    """Waits until no card is busy."""
    tab.locator('.card[aria-busy]').first.wait_for(state='detached', timeout=1000 * SECONDS)


def restored(tab):
    """The faces of the cards, uint8 [128, 128, 3]."""
    found = tab.eval_on_selector_all('.card .restored', 'all => all.map(each => each.toDataURL())')
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(',')[2]))).convert('RGB')) for url in found]


def by_python(file, eyes, upsamplers):
    return gln_jax.restore(str(file), [tuple(map(tuple, np.round(pair, 3))) for pair in eyes], upsamplers, disagreement=False)


def photograph(number):
    """(RGB, eyes) of a drawn face in colour, at another size, place and tilt for each number."""
    generator = np.random.default_rng(number)
    zoom, turn = np.linspace(15, 40, 10)[number % 10] / images.FACE_SIZE, np.radians(generator.uniform(-25, 25))
    cosine, sine = zoom * np.cos(turn), zoom * np.sin(turn)
    middle = np.array([64, 64.0])
    move = np.array([40, 35]) + generator.uniform(-3, 3, 2) - [[cosine, -sine], [sine, cosine]] @ middle
    transform = np.array([[cosine, -sine, move[0]], [sine, cosine, move[1]]])
    small = alignment.warp(drawing.draw_face(number), transform, (80, 70))
    small += generator.normal(0, 3, small.shape)
    return np.clip(np.round(small), 0, 255).astype(np.uint8), alignment.moved(transform, images.TEMPLATE_EYES)


def test_the_example_is_found_and_restored_as_in_python(tab, folder, upsamplers):
    assert 'not evidence' in tab.inner_text('.caution')
    assert not asked_for(tab, '.onnx', '.bin'), 'networks are loaded before they are needed'
    assert take_example(tab) == '6 faces found.'
    assert not asked_for(tab, '-gan.bin'), 'what makes faces sharper is loaded before it is needed'
    pixels = np.asarray(Image.open(folder / 'example.png').convert('RGB'))
    eyes = eyes_of(tab)
    known = sorted(face.eyes for face in detection.detect(pixels))
    assert len(known) == 6
    np.testing.assert_allclose(eyes, known, atol=0.02)
    expected = [by_python(folder / 'example.png', [pair], upsamplers).faces[0] for pair in eyes]
    for mine, theirs in zip(restored(tab), expected, strict=True):
        assert np.abs(mine.astype(int) - theirs.restored).max() <= 2
    facts = tab.eval_on_selector_all('.card .facts', 'all => all.map(each => each.textContent)')
    for text, face in zip(facts, expected, strict=True):
        assert f'Spans {face.source_pixels:.0f} pixels; restored from {len(face.lr)}x{len(face.lr)}' in text
        shown = re.search(r'Consistency (above 90|[\d.]+) dB', text)[1]
        assert face.trust.consistency > 89 if shown == 'above 90' else float(shown) == pytest.approx(face.trust.consistency, abs=1)
    texts = tab.eval_on_selector_all('.warning', 'all => all.map(each => each.textContent)')
    assert [bool(text) for text in texts] == [bool(face.trust.warnings) for face in expected]
    assert not tab.errors


def asked_for(tab, *endings):
    return [url for _, url in tab.asked if url.endswith(endings)]


def test_tilted_faces_are_found_as_in_python(tab, folder, tmp_path, upsamplers):
    crop = Image.open(folder / 'example.png').convert('RGB').crop((0, 0, 64, 64)).resize((100, 100), Image.Resampling.BICUBIC)
    picture = Image.new('RGB', (300, 100), (120, 120, 115))
    for place, degrees in enumerate((45, 180, -90)):
        picture.paste(crop.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(120, 120, 115)), (100 * place, 0))
    picture.save(tmp_path / 'tilted.png')
    assert choose(tab, tmp_path / 'tilted.png') == '3 faces found.'
    eyes = eyes_of(tab)
    np.testing.assert_allclose(eyes, sorted(face.eyes for face in detection.detect(np.asarray(picture))), atol=0.05)
    assert eyes[1][0][0] > eyes[1][1][0], 'of an upside-down face, the first eye is at the right'
    tab.locator('.eyes').nth(1).fill(','.join(f'{value + 0.1:.3f}' for value in np.ravel(eyes[1])))
    tab.locator('.eyes').nth(1).press('Enter')
    all_are_restored(tab)
    faces = by_python(tmp_path / 'tilted.png', eyes_of(tab), upsamplers).faces
    assert max(np.abs(mine.astype(int) - face.restored).max() for mine, face in zip(restored(tab), faces, strict=True)) <= 2


def test_the_dial_gives_the_faces_that_python_gives(tab, folder, tmp_path):
    file = tmp_path / 'example.jpg'
    Image.open(folder / 'example.png').convert('RGB').crop((64, 0, 192, 64)).save(file, quality=80)
    assert choose(tab, file) == '2 faces found.'
    plain = restored(tab)
    for sharpness, move in ((1, lambda: tab.locator('#sharpness').press('End')), (0.4, lambda: tab.locator('#sharpness').fill('0.4'))):
        move()
        all_are_restored(tab)
        expected = by_python(file, eyes_of(tab), face_upsampling.load_each_scale(batch_size=1, sharpness=sharpness))
        for mine, face, before in zip(restored(tab), expected.faces, plain, strict=True):
            assert np.abs(mine.astype(int) - face.restored).max() <= 2
            assert np.abs(mine.astype(int) - before).max() > 4 * sharpness
    assert {url.rpartition('/')[2] for url in asked_for(tab, '-gan.bin')} == {'x8-fast-gan.bin', 'x4-fast-gan.bin'}
    tab.locator('#sharpness').press('Home')
    all_are_restored(tab)
    np.testing.assert_array_equal(restored(tab), plain)


def test_a_file_is_dropped(tab):
    content = io.BytesIO()
    Image.new('RGB', (16, 12), (90, 120, 90)).save(content, 'png')

    def dropped(add):
        transfer = tab.evaluate_handle(f'data => {{ const transfer = new DataTransfer(); {add}; return transfer; }}',
                                       base64.b64encode(content.getvalue()).decode())
        tab.dispatch_event('#drop', 'dragover', {'dataTransfer': transfer})
        assert tab.locator('#drop.over').count() == 1
        tab.dispatch_event('#drop', 'drop', {'dataTransfer': transfer})

    add_file = "transfer.items.add(new File([Uint8Array.from(atob(data), byte => byte.charCodeAt(0))], 'face.png'))"
    assert message(tab, lambda: dropped(add_file)).startswith('No face was found')
    assert tab.evaluate("[document.querySelector('#photo > canvas').width, document.querySelector('#photo > canvas').height]") == [16, 12]
    assert tab.locator('#drop.over').count() == 0
    told = message(tab, lambda: dropped("transfer.setData('text/plain', 'a link')"))
    assert told == 'What was dropped is no file: save the picture first.'


def test_ten_photographs_are_restored_as_in_python(tab, tmp_path, upsamplers):
    worst = []
    for number in range(10):
        pixels, eyes = photograph(number)
        file = tmp_path / f'{number}.{"jpg" if number % 3 == 0 else "png"}'
        Image.fromarray(pixels).save(file, **({'quality': 80} if number % 3 == 0 else {}))
        choose(tab, file)
        while tab.locator('.remove').count():
            tab.locator('.remove').first.click()
        tab.click('#add')
        set_eyes(tab, eyes)
        face, = by_python(file, [eyes], upsamplers).faces
        worst.append(int(np.abs(restored(tab)[0].astype(int) - face.restored).max()))
    assert max(worst) <= 2, worst


def test_no_byte_goes_anywhere_as_the_policy_forbids_it(tab, address):
    assert all(method == 'GET' and url.startswith((address, 'blob:', 'data:')) for method, url in tab.asked)
    reached = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            reached.append(self.path)
            self.send_response(200)
            self.send_header('Access-Control-Allow-Origin', '*')
            self.end_headers()

    with http.server.HTTPServer(('127.0.0.1', 0), Elsewhere) as elsewhere:
        threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
        place = f'http://127.0.0.1:{elsewhere.server_port}/photograph'
        assert tab.evaluate(SEND, place) == 'refused'
        # In a worker of the kind that ours is, which is bound by the policy since it comes from a blob.
        assert tab.evaluate("""([send, place]) => new Promise(resolve => {
            const code = `(${send})(${JSON.stringify(place)}).then(answer => postMessage(answer))`;
            new Worker(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})), {type: 'module'}).onmessage = ({data}) => resolve(data);
        })""", [SEND, place]) == 'refused'
        elsewhere.shutdown()
    assert reached == []


def test_an_eye_is_dragged_and_moved_by_keys_and_the_face_restored_again(tab, folder, upsamplers):
    show_example(tab)
    before, first = eyes_of(tab), restored(tab)[0]
    eye = tab.get_by_label('Left eye of face 1')
    eye.scroll_into_view_if_needed()
    box = eye.bounding_box()
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move(x + 10, y + 5, steps=3)
    tab.mouse.up()
    width = tab.evaluate("document.querySelector('#photo > canvas').getBoundingClientRect().width")
    pixel = Image.open(folder / 'example.png').width / width
    np.testing.assert_allclose(np.subtract(eyes_of(tab)[0], before[0])[0], [10 * pixel, 5 * pixel], atol=0.02)
    assert eyes_of(tab)[1:] == before[1:]
    dragged = eyes_of(tab)[0]
    eye.press('ArrowRight')
    eye.press('Shift+ArrowUp')
    np.testing.assert_allclose(np.subtract(eyes_of(tab)[0], dragged)[0], [0.1, -1], atol=0.002)
    all_are_restored(tab)
    face = by_python(folder / 'example.png', [eyes_of(tab)[0]], upsamplers).faces[0]
    now = restored(tab)[0]
    assert np.abs(now.astype(int) - face.restored).max() <= 2
    assert (now != first).any()


def test_a_face_and_the_whole_picture_are_saved_as_python_makes_them(tab, tmp_path, folder, upsamplers):
    show_example(tab)
    with tab.expect_download() as download:
        tab.locator('.card .save').first.click()
    assert download.value.suggested_filename == 'example_face_1.png'
    np.testing.assert_array_equal(np.asarray(Image.open(download.value.path()).convert('RGB')), restored(tab)[0])
    with tab.expect_download(timeout=1000 * SECONDS) as download:
        tab.click('#save')
    assert download.value.suggested_filename == 'example_restored.png'
    whole = np.asarray(Image.open(download.value.path()).convert('RGB')).astype(int)
    expected = by_python(folder / 'example.png', eyes_of(tab), upsamplers).image
    assert whole.shape == expected.shape
    assert np.abs(whole - expected).max() <= 4  # Pillow's bicubic rounds between rows and columns


def test_files_that_cannot_be_restored_are_refused_in_one_line(tab, tmp_path):
    def saved(name, picture):
        picture.save(tmp_path / name)
        return tmp_path / name

    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'\xff\xd8\xff\xe0 no picture')
    text = tmp_path / 'text.png'
    text.write_text('no picture')
    for file, words in [
            (broken, 'broken.jpg: is no picture'), (text, 'text.png: is no picture'),
            (saved('dot.png', Image.new('RGB', (1, 1))), 'dot.png: is 1x1 pixels, too small'),
            (saved('vast.png', Image.new('1', (20_000, 20_000))), 'vast.png: is 20000x20000 pixels; at most 60 million')]:
        told = choose(tab, file)
        assert told.startswith(words) and '\n' not in told
        assert tab.locator('#message.error').count() == 1 and tab.locator('#result').is_hidden()
    told = choose(tab, saved('empty.png', Image.new('RGB', (40, 30), (90, 120, 90))))
    assert told.startswith('No face was found: add one')
    tab.click('#add')
    tab.fill('.eyes', '10,10,ten,10')
    tab.locator('.eyes').press('Enter')
    tab.locator('#message', has_text='are no four numbers').wait_for()
    assert not tab.errors


def test_a_photograph_of_12_megapixels(tab, tmp_path, folder):
    group = Image.open(folder / 'example.png').convert('RGB')
    canvas = Image.new('RGB', (4000, 3000), (120, 120, 115))
    canvas.paste(group.resize((group.width * 3, group.height * 3), Image.Resampling.BICUBIC), (1500, 1200))
    canvas.save(tmp_path / 'large.jpg', quality=90)
    assert choose(tab, tmp_path / 'large.jpg') == '6 faces found.'


def test_a_file_that_the_server_lacks_is_told_in_one_line(browser, address):
    tab = browser.new_page()
    tab.route('**/yunet.onnx', lambda route: route.fulfill(status=404))
    tab.goto(address)
    assert take_example(tab) == 'example.png: yunet.onnx: the server answers 404; is the folder complete?'
    tab.close()


@pytest.mark.parametrize(['flag', 'words'], [('--js-flags=--jitless', 'WebAssembly'), ('--js-flags=--no-enable-sse4-1', 'SIMD')])
def test_a_browser_without_webassembly_or_simd_is_told_in_one_line(playwright, address, flag, words):
    with playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, flag]) as browser:
        tab = browser.new_page()
        tab.goto(address)
        told = take_example(tab)
        assert told.startswith('example.png: cannot be restored here') and words in told and '\n' not in told


def test_it_fits_a_phone_takes_keys_and_is_read_without_scripts(browser, address, folder):
    tab = browser.new_page(viewport={'width': 320, 'height': 600}, java_script_enabled=False)
    tab.goto(address)
    assert 'not evidence' in tab.inner_text('main') and 'needs JavaScript' in tab.inner_text('main')
    tab.close()
    tab = browser.new_page(viewport={'width': 320, 'height': 600}, reduced_motion='reduce', color_scheme='dark')
    tab.goto(address)

    def choose_by_keys():
        tab.keyboard.press('Tab')
        with tab.expect_file_chooser() as chooser:
            tab.keyboard.press('Space')
        chooser.value.set_files(folder / 'example.png')

    assert message(tab, choose_by_keys) == '6 faces found.'
    assert tab.evaluate('document.documentElement.scrollWidth') <= 320
    assert tab.evaluate("getComputedStyle(document.querySelector('.card')).animationName") == 'none'
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == 'rgb(22, 22, 21)'
    tab.locator('.card .slider input').first.focus()
    tab.keyboard.press('ArrowRight')
    assert tab.evaluate("document.querySelector('.card').style.getPropertyValue('--share')") == '51%'
    tab.close()


def test_our_own_scripts_are_few_and_all_of_the_page_is_local(folder):
    own = [file for file in page.WEB.glob('*.js')]
    assert sum(len(file.read_text().splitlines()) for file in own) <= 700
    for file in [*own, page.WEB / 'index.html', page.WEB / 'style.css']:
        assert not re.search(r'https?://', file.read_text()), file
    lock = json.loads((page.WEB / 'package-lock.json').read_text())
    assert lock['packages']['node_modules/onnxruntime-web']['integrity'].startswith('sha512-')
    settings = json.loads((folder / 'settings.json').read_text())
    assert all((folder / name).stat().st_size == size for name, size in settings['files'].items())
    assert set(settings['first']) < set(settings['files'])


def test_wrong_arguments_are_told_in_one_line(tmp_path, command, monkeypatch):
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/kept').write_text('kept')
    code, _, told = command(page.main, f'--output={tmp_path}/full')
    assert code == 2 and 'is there already' in told and told.count('\n') == 1
    monkeypatch.setattr(page, 'WEB', tmp_path / 'none')
    code, _, told = command(page.main, f'--output={tmp_path}/new')
    assert code == 2 and 'clone of the project' in told and told.count('\n') == 1
    (tmp_path / 'none').mkdir()
    monkeypatch.setenv('PATH', str(tmp_path))
    code, _, told = command(page.main, f'--output={tmp_path}/new')
    assert code == 2 and 'npm' in told and told.count('\n') == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ['full', 'none']


def test_the_command_serves_on_this_machine_alone(folder):
    serving = subprocess.Popen([sys.executable, '-m', 'gln_jax.page', f'--output={folder}', '--serve', '--port=18431'],
                               stdout=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).parents[1], env=os.environ | {'PYTHONUNBUFFERED': '1'})
    try:
        assert serving.stdout.readline() == 'http://127.0.0.1:18431/ until Ctrl-C\n'
        with pytest.raises(errors.InputError, match='--port=18431'):
            page.server(folder, 18431)
    finally:
        serving.terminate()
        serving.wait()
