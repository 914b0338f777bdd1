// All that computes, beside the page: the networks in onnxruntime-web, finding faces, restoring, the whole picture.

import * as ort from './ort.wasm.bundle.min.mjs';
import * as faces from './faces.js';
import * as images from './images.js';
const MOST_PIXELS_MADE = 16_000_000;  // of the whole picture: more than a phone's canvas takes
const STRIP = 64;  // rows of the whole picture that are enlarged at once
let settings, photo, grey, sessions;

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
  let loaded = 0;
  const found = {};
  for (const {name} of known.files) found[name] = await bytes(name, length => progress((loaded += length) / all));
  const numbers = new Float32Array(found['numbers.bin'].buffer);
  known.matrices = Object.fromEntries(Object.entries(known.matrices)
    .map(([name, [start, length]]) => [name, numbers.subarray(start, start + length)]));
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = found['ort-wasm-simd-threaded.wasm'];
  const made = {};
  for (const name of Object.keys(found).filter(name => name.endsWith('.onnx'))) made[name] = await ort.InferenceSession.create(found[name]);
  settings = known;
  sessions = made;
  return settings;
}

async function find({data, width, height}) {
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
  const {hr} = await sessions[`${network.name}.onnx`].run({lr: new ort.Tensor('float32', y.data, [1, size, size, 1])});
  let luminance = images.picture(images.FACE, images.FACE, 1, hr.data.map(clipped));
  const reducing = images.gaussianTaps(network.scale, network.blur_sigma);
  const missing = face => {
    const reduced = images.resampled(face, reducing, reducing);
    return images.picture(size, size, 1, reduced.data.map((value, i) => y.data[i] - value));
  };
  const ofNetwork = consistency(missing(luminance));
  const matrix = settings.matrices[`back of ${network.name}`], back = Array.from({length: images.FACE}, (_, i) =>
    ({first: 0, weights: matrix.subarray(i * size, (i + 1) * size)}));
  for (let turn = 0; turn < settings.back_projections; turn++) {
    const change = images.resampled(missing(luminance), back, back);
    luminance = images.picture(images.FACE, images.FACE, 1, luminance.data.map((value, i) => clipped(value + change.data[i])));
  }
  const blurred = images.resampled(y, enlarging, enlarging);  // what replaces it has the colours of bicubic interpolation
  bicubic.data.forEach((_, i) => { bicubic.data[i] += luminance.data[i >> 2] - blurred.data[i >> 2]; });
  return {...answer, luminance: luminance.data, restored: rgba(bicubic), network: network.name,
    scale: network.scale, lrSize: size, consistency: consistency(missing(luminance)),
    warnings: warnings(network, sourcePixels, size, ofNetwork)};
}

const clipped = value => Math.min(1, Math.max(0, value));
const consistency = missing => -10 * Math.log10(missing.data.reduce((sum, value) => sum + value ** 2, 0) / missing.data.length);
const rgba = ({data}) => Uint8ClampedArray.from(data, (value, i) => i % 4 === 3 ? 255 : 255 * value);  // rounds, and clips

function warnings({calibration}, sourcePixels, size, ofNetwork) {
  const found = [];
  if (sourcePixels < 0.9 * size) found.push(settings.tiny.replace('{pixels:.0f}', Math.round(sourcePixels)).replace('{lr_size}', size));
  if (calibration && (-Math.min(ofNetwork, 100) - calibration.mean) / calibration.deviation > calibration.most) found.push(settings.unsure);
  return found;
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
