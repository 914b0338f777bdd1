// All that computes, beside the page: the networks in onnxruntime-web, finding faces, restoring, the whole picture.
import * as ort from './ort.wasm.bundle.min.mjs';
import * as faces from './faces.js';
import * as images from './images.js';
const MOST_PIXELS_MADE = 16_000_000;  // of the whole picture: more than a phone's canvas takes
const STRIP = 64;  // rows of the whole picture that are enlarged at once
let settings, photo, grey, steps, sessions;
async function bytes(name, onBytes) {
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name}: the server answers ${answer.status}; is the folder complete?`);
  const reader = answer.body.getReader(), parts = [];
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    onBytes(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function load(_, progress) {
  if (sessions) return settings;
  const known = JSON.parse(new TextDecoder().decode(await bytes('settings.json', () => {})));
  const all = known.files.reduce((sum, file) => sum + file.bytes, 0);
  let loaded = 0, found = {};
  for (const {name} of known.files) found[name] = await bytes(name, length => progress((loaded += length) / all));
  const numbers = new Float32Array(found['numbers.bin'].buffer);
  known.matrices = Object.fromEntries(Object.entries(known.matrices)
    .map(([name, [start, length]]) => [name, numbers.subarray(start, start + length)]));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = found['ort-wasm-simd-threaded.wasm'];
  const made = {};
  for (const name of Object.keys(found).filter(name => name.endsWith('.onnx'))) made[name] = await ort.InferenceSession.create(found[name]);
  sessions = made;
  return settings = known;
}

async function find({data, width, height, blob}) {
  steps = jpegSteps(new Uint8Array(await blob.arrayBuffer()));
  photo = images.picture(width, height, 4, new Uint8ClampedArray(data));
  grey = images.luminanceOf(photo, settings.luminance_weights);
  grey.data.set(grey.data.map(Math.round));
  const found = await faces.find(photo, grey, sessions['yunet.onnx'], ort, settings);
  return found.map(face => face.eyes).sort(([[one]], [[other]]) => one - other);
}

/** Restores the face with these eyes: {bicubic, restored: RGBA bytes, sourcePixels, network, consistency, warnings, note}. */
async function restore({eyes}) {
  const transform = images.toTemplate(eyes, settings.template_eyes), sourcePixels = images.FACE / images.magnification(transform);
  const chosen = settings.networks.find(network => sourcePixels < network.limit);
  const network = chosen ?? settings.networks.at(-1);
  const lr = images.lrFace(photo, transform, network);
  lr.data.set(lr.data.map(value => clipped(value / 255)));
  const size = lr.width, enlarging = images.enlargingTaps(size, images.FACE), y = images.luminanceOf(lr, settings.luminance_weights);
  const bicubic = images.resampled(lr, enlarging, enlarging), answer = {sourcePixels, bicubic: rgba(bicubic)};
  if (!chosen) return {...answer, note: `left alone: it spans ${Math.round(sourcePixels)} pixels already`};
  const {hr} = await sessions[`${network.name}.onnx`].run({lr: new ort.Tensor('float32', y.data, [1, size, size, 1]),
    ...network.shares && {share: new ort.Tensor('float32', [shareOf(network.shares) / network.own_share], [])}});
  let luminance = images.picture(images.FACE, images.FACE, 1, hr.data.map(clipped));
  const reducing = images.gaussianTaps(network.scale, network.blur_sigma);
  const slack = steps && network.shares && steps.map(step => step / 510 * Math.min(1, size / sourcePixels));
  const missing = (face, isFree) => {
    const reduced = images.resampled(face, reducing, reducing), off = reduced.data.map((value, i) => y.data[i] - value);
    return images.beyond(images.picture(size, size, 1, off), isFree && slack);
  };
  const ofNetwork = consistency(missing(luminance));
  const matrix = settings.matrices[`back of ${network.name}`], back = Array.from({length: images.FACE}, (_, i) =>
    ({first: 0, weights: matrix.subarray(i * size, (i + 1) * size)}));
  for (let turn = 0; turn < settings.back_projections; turn++) {
    const change = images.resampled(missing(luminance, true), back, back);
    luminance = images.picture(images.FACE, images.FACE, 1, luminance.data.map((value, i) => clipped(value + change.data[i])));
  }
  const blurred = images.resampled(y, enlarging, enlarging);  // what replaces it has the colours of bicubic interpolation
  bicubic.data.forEach((_, i) => { bicubic.data[i] += luminance.data[i >> 2] - blurred.data[i >> 2]; });
  return {...answer, luminance: luminance.data, restored: rgba(bicubic), network: network.name,
    scale: network.scale, lrSize: size, consistency: consistency(missing(luminance, true)),
    warnings: warnings(network, sourcePixels, size, ofNetwork)};
}

const diagonal = place => (place >> 3) + (place & 7);
const ZIGZAG = [...Array(64).keys()].sort((one, other) => diagonal(one) - diagonal(other) || (diagonal(one) % 2 ? one - other : other - one));

/** The steps [64] by which a JPEG file's luminance was rounded, as reading.py finds them; null where the file is none. */
function jpegSteps(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  for (let at = 2; bytes[at] === 0xff && bytes[at + 1] !== 0xda; at += 2 + 256 * bytes[at + 2] + bytes[at + 3]) {
    if (bytes[at + 1] === 0xdb && bytes[at + 4] === 0) return Float32Array.from(ZIGZAG, (_, place) => bytes[at + 5 + ZIGZAG.indexOf(place)]);
  }
  return null;
}

/** How far between its partner (0) and itself (1) a network is to be, for this photograph's JPEG: face_upsampling.WAYS. */
function shareOf(shares) {
  const strength = steps ? Math.log2(1 + steps.reduce((sum, step) => sum + step) / 64) : 0;
  const above = shares.findIndex(([most]) => strength < most), last = shares.at(-1)[1];
  if (above <= 0) return above ? last : shares[0][1];
  const [[x1, y1], [x2, y2]] = [shares[above - 1], shares[above]];
  return +(y1 + (y2 - y1) * (strength - x1) / (x2 - x1)).toFixed(2);
}

const clipped = value => Math.min(1, Math.max(0, value));
const consistency = missing => -10 * Math.log10(missing.data.reduce((sum, value) => sum + value ** 2, 0) / missing.data.length);
const rgba = ({data}) => Uint8ClampedArray.from(data, (value, i) => i % 4 === 3 ? 255 : 255 * value);  // rounds, and clips

function warnings({calibration: known}, sourcePixels, size, ofNetwork) {
  const tiny = settings.tiny.replace('{pixels:.0f}', Math.round(sourcePixels)).replace('{lr_size}', size);
  const isDoubtful = known && (-Math.min(ofNetwork, 100) - known.mean) / known.deviation > known.most;
  return [...sourcePixels < 0.9 * size ? [tiny] : [], ...isDoubtful ? [settings.unsure] : []];
}

/** The photograph enlarged, with these faces ({eyes, luminance}) in it: {data: RGBA bytes, width, height}. */
async function whole({restored, scale}, progress) {
  const factor = Math.max(1, Math.min(scale, Math.floor(Math.sqrt(MOST_PIXELS_MADE / (photo.width * photo.height)))));
  const width = factor * photo.width, height = factor * photo.height;
  const canvas = images.picture(width, height, 4, new Uint8ClampedArray(factor === 1 ? photo.data : 4 * width * height));
  const rows = images.enlargingTaps(photo.height, height), columns = images.enlargingTaps(photo.width, width);
  for (let top = 0; top < height && factor > 1; top += STRIP) {
    canvas.data.set(images.resampled(photo, rows.slice(top, top + STRIP), columns).data, 4 * width * top);
    progress(top / height);
  }
  for (const {eyes, luminance} of restored) {
    const transform = images.after(images.toTemplate(eyes, settings.template_eyes), images.inverse(images.enlargement(factor)));
    images.paste(canvas, images.picture(images.FACE, images.FACE, 1, luminance), transform, settings.luminance_weights);
  }
  return {data: canvas.data, width, height};
}

const TASKS = {load, find, restore, whole};

let last = Promise.resolve();  // one task at a time, in order
onmessage = ({data: {id, task, argument}}) => {
  last = last.then(() => TASKS[task](argument, share => postMessage({id, share})))
    .then(answer => postMessage({id, answer}), error => postMessage({id, error: error.message ?? String(error)}));
};
