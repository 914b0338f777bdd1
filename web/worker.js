// All that computes, beside the page: the networks in onnxruntime-web, finding faces, restoring, the whole picture.
import * as ort from './ort.wasm.bundle.min.mjs';
import * as faces from './faces.js';
import * as images from './images.js';
const MOST_PIXELS_MADE = 16_000_000;  // of the whole picture: more than a phone's canvas takes
const STRIP = 64;  // rows of the whole picture that are enlarged at once
const found = {}, sessions = {}, mixes = {};  // files and networks by their names
let settings, photo, grey, steps;

/** Puts those files into `found` that are not there yet; `sizes` are their bytes. */
async function fetchAll(names, sizes, progress) {
  const missing = names.filter(name => !found[name]), all = missing.reduce((sum, name) => sum + sizes[name], 0);
  let loaded = 0;
  for (const name of missing) {
    const answer = await fetch(new URL(name, import.meta.url));
    if (!answer.ok) throw new Error(`${name}: the server answers ${answer.status}; is the folder complete?`);
    const reader = answer.body.getReader(), parts = [];
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      parts.push(part.value);
      progress((loaded += part.value.length) / all);
    }
    found[name] = new Uint8Array(await new Blob(parts).arrayBuffer());
  }
}

async function load(_, progress) {
  if (settings) return settings;
  await fetchAll(['settings.json'], {}, () => {});
  const known = JSON.parse(new TextDecoder().decode(found['settings.json']));
  await fetchAll(known.first, known.files, progress);
  const numbers = new Float32Array(found['numbers.bin'].buffer), {matrices} = known;
  Object.entries(matrices).forEach(([name, [start, length]]) => { matrices[name] = numbers.subarray(start, start + length); });
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = found['ort-wasm-simd-threaded.wasm'];
  for (const name of known.first.filter(name => name.endsWith('.onnx'))) sessions[name] = await ort.InferenceSession.create(found[name]);
  settings = known;
  for (const network of known.networks) {  // the first face would take twice as long: browsers compile what they run often
    const size = images.FACE / network.scale;
    await restored(network, images.picture(size, size, 4), size, 0, progress);
  }
  return settings;
}

async function find({data, width, height, blob}, progress) {
  steps = jpegSteps(new Uint8Array(await blob.arrayBuffer()));
  photo = images.picture(width, height, 4, new Uint8ClampedArray(data));
  grey = images.luminanceOf(photo, settings.luminance_weights);
  grey.data.set(grey.data.map(Math.round));
  const found = await faces.find(photo, grey, sessions['yunet.onnx'], ort, settings, progress);
  return found.map(face => face.eyes).sort(([[one]], [[other]]) => one - other);
}

/** Restores the face with these eyes: {bicubic, restored: RGBA bytes, sourcePixels, network, consistency, warnings, note}. */
async function restore({eyes, sharpness}, progress) {
  const transform = images.toTemplate(eyes, settings.template_eyes), sourcePixels = images.FACE / images.magnification(transform);
  const chosen = settings.networks.find(network => sourcePixels < network.limit), network = chosen ?? settings.networks.at(-1);
  const lr = images.lrFace(photo, transform, network), {bicubic, ...made} = await restored(network, lr, sourcePixels, sharpness, progress);
  const answer = {sourcePixels, bicubic: new Uint8ClampedArray(bicubic.data)};
  if (!chosen) return {...answer, note: `left alone: it spans ${Math.round(sourcePixels)} pixels already`};
  const [ofNetwork, consistency] = made.consistency.data;
  return {...answer, luminance: made.luminance.data, restored: new Uint8ClampedArray(made.restored.data), consistency,
    network: network.name, scale: network.scale, lrSize: lr.width, warnings: warnings(network, sourcePixels, lr.width, ofNetwork, sharpness)};
}

/** What a network's file gives of an LR face, as export.py's `onnx_restoring` says. */
async function restored(network, {data, width, height}, sourcePixels, sharpness, progress) {
  const slack = Float32Array.from({length: 64}, (_, i) => steps ? steps[i] / 510 * Math.min(1, width / sourcePixels) : 0);
  return sessions[`${network.name}.onnx`].run({lr: new ort.Tensor('float32', data, [1, height, width, 4]),
    slack: new ort.Tensor('float32', slack, [1, 8, 8]), parameters: await mixed(network, sharpness, progress)});
}

/** A network's parameters for this photograph's JPEG and a sharpness: sums of files' numbers, each times so much. */
async function mixed({name, ways, parameters}, sharpness, progress) {
  const share = ways ? shareOf(ways) : 0;
  const terms = parameters.map(([file, itself, byShare, bySharpness]) => [file, itself + byShare * share + bySharpness * sharpness])
    .filter(([, times]) => times), key = JSON.stringify(terms);
  if (mixes[name]?.key !== key) {
    await fetchAll(terms.map(([file]) => file), settings.files, progress);
    const sum = new Float32Array(found[terms[0][0]].length / 2);
    for (const [file, times] of terms) {
      const halves = new Uint16Array(found[file].buffer);
      for (let i = 0; i < sum.length; i++) sum[i] += times * settings.matrices.halves[halves[i]];
    }
    mixes[name] = {key, tensor: new ort.Tensor('float32', sum, [sum.length])};
  }
  return mixes[name].tensor;
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

/** How far a network is to be from its partner (0) towards itself (1) for this photograph's JPEG: face_upsampling.WAYS. */
function shareOf(ways) {
  const strength = steps ? Math.log2(1 + steps.reduce((sum, step) => sum + step) / 64) : 0;
  const [, share] = ways.reduce(([x1, share], [x2, y2]) =>
    [x2, strength > x1 ? share + (y2 - share) * Math.min(1, (strength - x1) / (x2 - x1)) : share]);
  return +share.toFixed(2);
}

function warnings({calibration, fewest}, sourcePixels, size, ofNetwork, sharpness) {
  const tiny = settings.tiny.replace('{pixels:.0f}', Math.round(sourcePixels)).replace('{lr_size}', size);
  const at = name => calibration[0][name] + sharpness * (calibration[1][name] - calibration[0][name]);  // as parameters move
  const isDoubtful = calibration && (-Math.min(ofNetwork, 100) - at('mean')) / at('deviation') > at('most');
  return [...sourcePixels < fewest ? [tiny] : [], ...isDoubtful ? [settings.unsure] : []];
}

/** The photograph enlarged, with these faces ({eyes, luminance}) in it: {data: RGBA bytes, width, height}. */
async function whole(restored, progress) {
  const small = restored.filter(face => face.sourcePixels < images.FACE), scale = Math.max(1, ...small.map(face => face.scale));
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
