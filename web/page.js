// The page: what is shown and what is asked of worker.js, which computes.
import {boxOf} from './faces.js';
const MOST_PIXELS = 60_000_000, SMALLEST_SIDE = 8;
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const at = selector => document.querySelector(selector);
const canvas = at('#photo > canvas'), waiting = new Map();
let settings, worker, name, faces = [], asked = 0, generation = 0;
const say = (text, isError = false) => Object.assign(at('#message'), {textContent: text, className: isError ? 'error' : ''});
const show = share => Object.assign(at('#progress'), {hidden: share === null, value: share ?? 0});  // of 1; null hides the bar
const finished = promise => promise.catch(error => say(error.message, true)).then(() => show(null));
const rounded = eyes => eyes.map(eye => eye.map(value => +value.toFixed(3)));  // to what is shown: restored with no others

function ask(task, argument, onShare = () => {}) {
  if (!worker) {  // from a blob, so that this page's content security policy binds it too
    const code = `import ${JSON.stringify(new URL('worker.js', location.href).href)};`;
    worker = new Worker(URL.createObjectURL(new Blob([code], {type: 'text/javascript'})), {type: 'module'});
    worker.onmessage = ({data: {id, answer, error, share}}) => {
      const {resolve, reject, onShare} = waiting.get(id);
      if (share !== undefined) return onShare(share);
      waiting.delete(id);
      return error === undefined ? resolve(answer) : reject(new Error(error));
    };
    worker.onerror = () => waiting.forEach(({reject}) => reject(new Error('the script worker.js did not load; load the page again')));
  }
  return new Promise((resolve, reject) => {
    waiting.set(++asked, {resolve, reject, onShare});
    worker.postMessage({id: asked, task, argument});
  });
}

async function decoded(blob) {
  const image = new Image(), url = URL.createObjectURL(blob);
  try {
    image.src = url;
    await new Promise((resolve, reject) => Object.assign(image, {onload: resolve,
      onerror: () => reject(new Error('is no picture that this browser can read; JPEG, PNG and WebP are'))}));
    const {naturalWidth: width, naturalHeight: height} = image, size = `is ${width}x${height} pixels`;
    if (Math.min(width, height) < SMALLEST_SIDE) throw new Error(`${size}, too small for a face`);
    if (width * height > MOST_PIXELS) throw new Error(`${size}; at most ${MOST_PIXELS / 1e6} million can be restored here, so reduce it first`);
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext('2d', {willReadFrequently: true}).drawImage(image, 0, 0);
    return canvas.getContext('2d').getImageData(0, 0, width, height);
  } finally { URL.revokeObjectURL(url); }
}

async function open(blob, itsName) {
  const own = ++generation;
  [name, faces] = [itsName, []];
  at('#result').hidden = true;
  try {
    if (typeof WebAssembly !== 'object' || !WebAssembly.validate(new Uint8Array(SIMD))) {
      throw new Error('cannot be restored here: this browser has no WebAssembly with SIMD; take a current Chrome, Firefox or Safari');
    }
    const {data, width, height} = await decoded(blob);
    draw();
    at('#photo').style.setProperty('--aspect', width / height);
    at('#result').hidden = false;
    say('Loading the networks …');
    settings ??= await ask('load', null, show);
    if (own !== generation) return;
    say('Looking for faces …');
    const found = await ask('find', {data: data.buffer, width, height, blob}, show);
    if (own !== generation) return;
    draw(faces = found.map(eyes => ({eyes: rounded(eyes)})));
    for (const face of [...faces]) {
      show(faces.indexOf(face) / faces.length);
      await restore(face);
      if (own !== generation) return;
    }
    say(found.length ? `${found.length} face${found.length > 1 ? 's' : ''} found.` : 'No face was found: add one and set its eyes by hand.');
  } catch (error) {
    if (own === generation) say(`${itsName}: ${error.message}`, true);
  }
  if (own === generation) show(null);
}

async function restore(face) {
  const turn = face.turn = (face.turn ?? 0) + 1;
  face.card.setAttribute('aria-busy', true);
  const answer = await ask('restore', {eyes: face.eyes, sharpness: at('#sharpness').valueAsNumber}, show);
  if (turn !== face.turn || !faces.includes(face)) return;
  Object.assign(face, {luminance: null, note: null}, answer).card.removeAttribute('aria-busy');
  fill(face, faces.indexOf(face) + 1);
  at('#save').disabled &&= !face.luminance;
}

/** Frames and eyes on the photograph, and a card for each face. */
function draw() {
  faces.forEach((face, number) => fill(Object.assign(face, {card: face.card ?? makeCard(face)}), number + 1));
  at('#faces').replaceChildren(...faces.map(face => face.card));
  document.querySelectorAll('.frame, .eye').forEach(part => faces.some(face => face.parts.includes(part)) || part.remove());
  at('#add').disabled = !settings;
  at('#dial').hidden = !settings?.dial;
  at('#save').disabled = !faces.some(face => face.luminance);
}

function makeCard(face) {
  const card = at('#card').content.firstElementChild.cloneNode(true), frame = document.createElement('div');
  const eyes = [0, 1].map(which => eyeButton(face, which));
  frame.className = 'frame';
  frame.append(document.createElement('b'));
  face.parts = [frame, ...eyes];
  at('#photo').append(...face.parts);
  card.querySelector('[type=range]').oninput = ({target}) => card.style.setProperty('--share', `${target.value}%`);
  card.querySelector('.eyes').onchange = ({target}) => {
    const [x1, y1, x2, y2] = target.value.split(',').map(Number);
    setEyes(face, [[x1, y1], [x2, y2]]) || say(`Eyes ${target.value}: are no four numbers x1,y1,x2,y2 inside the picture, a pixel or more apart`, true);
  };
  card.querySelector('.save').onclick = () => save(card.querySelector('.restored'), `face_${faces.indexOf(face) + 1}`);
  card.querySelector('.remove').onclick = () => draw(faces = faces.filter(other => other !== face));
  return card;
}

function fill(face, number) {
  const {card, eyes, sourcePixels, parts: [frame, ...buttons]} = face, box = boxOf(eyes, settings.detection);
  const share = (value, side) => `${100 * value / canvas[side]}%`;
  Object.assign(frame.style, {left: share(box.x + 0.5 - box.width / 2, 'width'), width: share(box.width, 'width'),
    top: share(box.y + 0.5 - box.width / 2, 'height'), height: share(box.width, 'height'),
    rotate: `${Math.atan2(eyes[1][1] - eyes[0][1], eyes[1][0] - eyes[0][0])}rad`});
  frame.firstChild.textContent = number;
  buttons.forEach((button, which) => {
    Object.assign(button.style, {left: share(eyes[which][0] + 0.5, 'width'), top: share(eyes[which][1] + 0.5, 'height')});
    button.setAttribute('aria-label', `${['Left', 'Right'][which]} eye of face ${number}`);
  });
  card.querySelector('h2').textContent = `Face ${number}`;
  if (card.querySelector('.eyes') !== document.activeElement) card.querySelector('.eyes').value = eyes.flat().join(',');
  if (!face.bicubic) return;
  for (const kind of ['bicubic', 'restored']) {
    card.querySelector(`.${kind}`).getContext('2d').putImageData(new ImageData(face[kind] ?? face.bicubic, 128, 128), 0, 0);
  }
  card.classList.toggle('alone', Boolean(face.note));
  card.querySelector('.save').disabled = Boolean(face.note);
  card.querySelector('.facts').textContent = `Spans ${sourcePixels.toFixed(0)} pixels; ` + (face.note
    ?? `restored from ${face.lrSize}x${face.lrSize} by ${face.network}. Consistency ${face.consistency > 90 ? 'above 90' : face.consistency.toFixed(1)} dB.`);
  const warning = card.querySelector('.warning');
  warning.textContent = face.note ? '' : face.warnings.join(' ');
  warning.hidden = !warning.textContent;
}

/** Takes new eyes and restores again; false where they cannot be a face's. */
function setEyes(face, eyes) {
  const isInside = ([x, y]) => x >= -0.5 && y >= -0.5 && x <= canvas.width - 0.5 && y <= canvas.height - 0.5;
  if (!eyes.every(isInside) || Math.hypot(eyes[1][0] - eyes[0][0], eyes[1][1] - eyes[0][1]) < 1) return false;
  face.eyes = rounded(eyes);
  fill(face, faces.indexOf(face) + 1);
  say('');
  finished(restore(face));
  return true;
}

function eyeButton(face, which) {
  const button = document.createElement('button'), move = (x, y) => setEyes(face, face.eyes.map((eye, i) => i === which ? [x, y] : eye));
  Object.assign(button, {type: 'button', className: 'eye'});
  button.onpointerdown = event => button.setPointerCapture(event.pointerId);
  button.onpointermove = event => {
    if (!button.hasPointerCapture(event.pointerId)) return;
    const place = canvas.getBoundingClientRect();
    move((event.clientX - place.left) / place.width * canvas.width - 0.5, (event.clientY - place.top) / place.height * canvas.height - 0.5);
  };
  button.onkeydown = event => {
    const step = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    if (step) event.preventDefault();
    const length = (event.shiftKey ? 1 : 0.1) * Math.max(1, canvas.width / 500);
    if (step) move(...face.eyes[which].map((value, axis) => value + length * step[axis]));
  };
  return button;
}

async function save(from, what) {
  const blob = await new Promise(resolve => from.toBlob(resolve, 'image/png')), link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = `${name.replace(/\.[^.]*$/, '')}_${what}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function saveWhole() {
  say('Making the whole picture …');
  const {data, width, height} = await ask('whole', faces.filter(face => face.luminance)
    .map(({eyes, luminance, sourcePixels, scale}) => ({eyes, luminance, sourcePixels, scale})), show);
  const large = Object.assign(document.createElement('canvas'), {width, height});
  large.getContext('2d').putImageData(new ImageData(data, width, height), 0, 0);
  await save(large, 'restored');
  say(`Saved ${width}x${height} pixels.`);
}

at('#save').onclick = () => finished(saveWhole());
at('#sharpness').onchange = () => faces.forEach(face => finished(restore(face)));
at('#add').onclick = () => {
  const [x, y, off] = [canvas.width / 2, canvas.height / 2, Math.max(0.5, Math.min(canvas.width, canvas.height) / 16)];
  faces.push({eyes: [[x - off, y], [x + off, y]]});
  draw();
  say('Drag both eyes to where they are.');
  finished(restore(faces.at(-1)));
};
at('#choose').onclick = ({target}) => { target.value = ''; };  // so that the same file can be chosen again
at('#choose').onchange = ({target: {files: [file]}}) => file && open(file, file.name);
at('#example').onclick = () => fetch('example.png').then(answer => answer.blob()).then(blob => open(blob, 'example.png'),
  () => say('example.png: the server does not answer; is it still running?', true));
document.ondragover = document.ondragleave = document.ondrop = event => {
  event.preventDefault();
  at('#drop').classList.toggle('over', event.type === 'dragover');
  if (event.type !== 'drop') return;
  if (event.dataTransfer.files.length) open(event.dataTransfer.files[0], event.dataTransfer.files[0].name);
  else say('What was dropped is no file: save the picture first.', true);
};
