// All that computes, beside the page: the networks in onnxruntime-web, finding faces, restoring, the whole picture.

import * as ort from './ort.wasm.bundle.min.mjs';
import * as faces from './faces.js';
import * as images from './images.js';

const MOST_PIXELS_MADE = 16_000_000;  // of the whole picture: more than a phone's canvas takes
const STRIP = 64;  // rows of the whole picture that are enlarged at once

let settings, photo, grey, sessions;

const base = new URL('.', import.meta.url);

async function bytes(name, onBytes) {
  const answer = await fetch(new URL(name, base));
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
  faces.setTemplate(known.template_eyes);
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
  grey.data.forEach((value, i) => { grey.data[i] = Math.round(value); });
  const found = await faces.find(photo, grey, sessions['yunet.onnx'], ort, settings);
  return found.map(face => face.eyes).sort(([[one]], [[other]]) => one - other);
}

/** Restores the face with these eyes: {bicubic, restored: RGBA bytes, sourcePixels, network, consistency, warnings, note}. */
async function restore({eyes}) {
  const transform = images.toTemplate(eyes, settings.template_eyes), sourcePixels = images.FACE / images.magnification(transform);
  const chosen = settings.networks.find(network => sourcePixels < network.limit);
  const network = chosen ?? settings.networks.at(-1);
  const lr = images.lrFace(photo, transform, network);
  lr.data.forEach((value, i) => { lr.data[i] = Math.min(1, Math.max(0, value / 255)); });
  const size = lr.width, enlarging = images.enlargingTaps(size, images.FACE), y = images.luminanceOf(lr, settings.luminance_weights);
  const answer = {sourcePixels, bicubic: rgba(images.resampled(lr, enlarging, enlarging))};
  if (!chosen) return {...answer, note: `left alone: it spans ${Math.round(sourcePixels)} pixels already`};
  const {hr} = await sessions[`${network.name}.onnx`].run({lr: new ort.Tensor('float32', y.data, [1, size, size, 1])});
  let luminance = images.picture(images.FACE, images.FACE, 1, hr.data.map(clipped));
  const reducing = images.reductionTaps(network.scale, network.degradation, network.blur_sigma);
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
  return {...answer, luminance: luminance.data, restored: rgba(coloured(luminance, lr, y, enlarging)), network: network.name,
    scale: network.scale, lrSize: size, consistency: consistency(missing(luminance)),
    warnings: warnings(network, sourcePixels, size, ofNetwork)};
}

const clipped = value => Math.min(1, Math.max(0, value));

const consistency = missing => -10 * Math.log10(missing.data.reduce((sum, value) => sum + value ** 2, 0) / missing.data.length);

/** RGB of a luminance and of an LR face's colours, enlarged, as `yuv_to_rgb` in gln_jax/images.py. */
function coloured(luminance, lr, y, enlarging) {
  const chroma = images.picture(lr.width, lr.height, 2);
  y.data.forEach((value, i) => {
    chroma.data[2 * i] = lr.data[4 * i] - value;
    chroma.data[2 * i + 1] = lr.data[4 * i + 2] - value;
  });
  const large = images.resampled(chroma, enlarging, enlarging), result = images.picture(images.FACE, images.FACE, 3);
  const [red, green, blue] = settings.luminance_weights;
  luminance.data.forEach((value, i) => {
    const [ofRed, ofBlue] = large.data.subarray(2 * i, 2 * i + 2);
    result.data.set([value + ofRed, value - (red * ofRed + blue * ofBlue) / green, value + ofBlue], 3 * i);
  });
  return result;
}

function rgba({data, width, height, channels}) {
  const result = new Uint8ClampedArray(4 * width * height).fill(255);  // rounds, and clips
  for (let i = 0; i < width * height; i++) for (let channel = 0; channel < 3; channel++) {
    result[4 * i + channel] = 255 * data[channels * i + channel];
  }
  return result;
}

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
  last = last.then(async () => {
    try {
      postMessage({id, answer: await TASKS[task](argument, share => postMessage({id, share}))});
    } catch (error) {
      postMessage({id, error: error.message ?? String(error)});
    }
  });
};
