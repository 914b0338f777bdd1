// Pictures as arrays, with the numbers of the Python package: gln_jax/images.py, data/alignment.py, photos/pasting.py.
// A picture is {data: Float32Array, width, height, channels}; pixel (0, 0) is centred at (0, 0). A transform is
// [a, b, x, c, d, y]: it takes (x, y) to (a x + b y + x, c x + d y + y). Taps are, for each pixel of a result along one axis,
// the first pixel that counts and the weights from there on.
export const FACE = 128;
const MARGIN = 4, OVERHANG = 2, FEATHER = 16, MATCHED_SIGMA = 8;
export const picture = (width, height, channels, data = new Float32Array(width * height * channels)) =>
  ({data, width, height, channels});

export function toTemplate([[x1, y1], [x2, y2]], [[u1, v1], [u2, v2]]) {
  const across = x2 - x1, down = y2 - y1, length = across ** 2 + down ** 2;
  const real = ((u2 - u1) * across + (v2 - v1) * down) / length, imaginary = ((v2 - v1) * across - (u2 - u1) * down) / length;
  return [real, -imaginary, u1 - real * x1 + imaginary * y1, imaginary, real, v1 - imaginary * x1 - real * y1];
}

export const enlargement = factor => [factor, 0, (factor - 1) / 2, 0, factor, (factor - 1) / 2];
export const turned = roll => [Math.cos(roll), -Math.sin(roll), 0, Math.sin(roll), Math.cos(roll), 0];
export const after = ([a, b, x, c, d, y], [e, f, u, g, h, v]) =>
  [a * e + b * g, a * f + b * h, a * u + b * v + x, c * e + d * g, c * f + d * h, c * u + d * v + y];

export function inverse([a, b, x, c, d, y]) {
  const scale = 1 / (a * d - b * c);
  return [d * scale, -b * scale, (b * y - d * x) * scale, -c * scale, a * scale, (c * x - a * y) * scale];
}
export const bound = (value, least, most) => Math.trunc(Math.min(Math.max(value, least), most));
export const moved = ([a, b, x, c, d, y], [u, v]) => [a * u + b * v + x, c * u + d * v + y];
export const magnification = ([a, b, , c, d]) => Math.sqrt(Math.abs(a * d - b * c));

/** [left, top, right, bottom] of the upright rectangle that holds what a transform makes of a picture of this size. */
export function extent(transform, width, height) {
  const [xs, ys] = [0, 1].map(axis => [-0.5, width - 0.5].flatMap(x => [-0.5, height - 0.5].map(y => moved(transform, [x, y])[axis])));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

/** Keys's kernel at distances of at least 0: a = -0.5 where pictures are resampled, -0.75 where OpenCV warps. */
const keys = a => x => x < 1 ? ((a + 2) * x - a - 3) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
const bicubic = keys(-0.5);
const normalized = (weights, sum = weights.reduce((sum, weight) => sum + weight)) => Float64Array.from(weights, weight => weight / sum);

/** Taps that make `newSize` of `size` pixels; `kernel` is of a distance in old pixels, zero from `reach` on. */
export function taps(size, newSize, kernel, reach = Infinity) {
  return Array.from({length: newSize}, (_, place) => {
    const centre = (place + 0.5) * size / newSize - 0.5;
    const first = Math.max(0, Math.ceil(centre - reach)), last = Math.min(size - 1, Math.floor(centre + reach));
    return {first, weights: normalized(Array.from({length: last - first + 1}, (_, i) => kernel(Math.abs(first + i - centre))))};
  });
}
export const enlargingTaps = (size, newSize) => taps(size, newSize, bicubic, 2);
const gaussianTaps = (scale, sigma) => taps(FACE, FACE / scale, distance => Math.exp(-0.5 * (distance / sigma) ** 2), 6 * sigma);

/** Each new pixel the mean of what it covers (OpenCV's INTER_AREA), for sizes no larger than the old ones. */
export function areaTaps(size, newSize) {
  const reach = (size / newSize + 1) / 2;
  return taps(size, newSize, distance => Math.min(1, Math.max(0, reach - distance)), reach);
}

/** The picture with its columns combined by the taps `rows` and its rows by `columns`. */
export function resampled(image, rows, columns) {
  const {channels, width} = image, line = width * channels, data = image.data;
  const between = new Float32Array(rows.length * line);
  rows.forEach(({first, weights}, row) => weights.forEach((weight, i) => {
    const from = (first + i) * line, to = row * line;
    for (let place = 0; place < line; place++) between[to + place] += weight * data[from + place];
  }));
  const result = picture(columns.length, rows.length, channels);
  columns.forEach(({first, weights}, column) => {
    for (let row = 0; row < rows.length; row++) for (let channel = 0; channel < channels; channel++) {
      let sum = 0, from = row * line + first * channels + channel;
      for (let i = 0; i < weights.length; i++, from += channels) sum += weights[i] * between[from];
      result.data[(row * columns.length + column) * channels + channel] = sum;
    }
  });
  return result;
}
const fitting = (size, newSize) => newSize > size ? enlargingTaps(size, newSize) : areaTaps(size, newSize);
export const resized = (image, width, height) => resampled(image, fitting(image.height, height), fitting(image.width, width));

// --- Warping, as OpenCV's warpAffine does it: places are rounded to 32nds of a pixel
const sinc = x => x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
const KERNELS = {linear: [2, x => 1 - x], cubic: [4, keys(-0.75)], lanczos: [8, x => sinc(x) * sinc(x / 4)]};
const TABLES = Object.fromEntries(Object.entries(KERNELS).map(([name, [length, kernel]]) => [name, Array.from({length: 32},
  (_, part) => normalized(Array.from({length}, (_, i) => kernel(Math.abs(i - length / 2 + 1 - part / 32)))))]));

function mirrored(place, size) {
  while (place < 0 || place >= size) place = size === 1 ? 0 : place < 0 ? -place : 2 * size - 2 - place;
  return place;
}

/** What `transform` makes of a picture, beyond whose border it goes on mirrored, or black; `kernel` is a name in KERNELS. */
export function interpolated(image, transform, width, height, kernel, isBlackOutside = false) {
  const {data, channels} = image, table = TABLES[kernel], length = KERNELS[kernel][0];
  const result = picture(width, height, channels), [a, b, x, c, d, y] = inverse(transform);
  const columns = new Int32Array(length), rows = new Int32Array(length);
  for (let row = 0, at = 0; row < height; row++) for (let column = 0; column < width; column++, at += channels) {
    const across = Math.round((b * row + x) * 1024) + Math.round(a * column * 1024) + 16 >> 5;
    const down = Math.round((d * row + y) * 1024) + Math.round(c * column * 1024) + 16 >> 5;
    const isOutside = (place, size) => place < -16 || place > 32 * size - 16;
    if (isBlackOutside && (isOutside(across, image.width) || isOutside(down, image.height))) continue;
    const left = (across >> 5) - length / 2 + 1, top = (down >> 5) - length / 2 + 1;
    for (let i = 0; i < length; i++) {
      columns[i] = mirrored(left + i, image.width) * channels;
      rows[i] = mirrored(top + i, image.height) * image.width * channels;
    }
    const byColumn = table[across & 31], byRow = table[down & 31];
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      for (let i = 0; i < length; i++) {
        let line = 0;
        for (let j = 0; j < length; j++) line += byColumn[j] * data[rows[i] + columns[j] + channel];
        sum += byRow[i] * line;
      }
      result.data[at + channel] = sum;
    }
  }
  return result;
}

/** The part of a picture from (left, top), as floats. */
export function cut(image, left, top, width, height) {
  const part = picture(width, height, image.channels), line = width * image.channels;
  for (let row = 0; row < height; row++) {
    const from = ((top + row) * image.width + left) * image.channels;
    part.data.set(image.data.subarray(from, from + line), row * line);
  }
  return part;
}

/** As data/alignment.py's `warp`: free of aliasing where it shrinks. */
export function warp(image, transform, width, height) {
  const margin = MARGIN * Math.max(1, 1 / magnification(transform)), needed = extent(inverse(transform), width, height);
  const left = bound(needed[0] - margin, 0, image.width - 1), right = bound(needed[2] + margin + 1, 1, image.width);
  const top = bound(needed[1] - margin, 0, image.height - 1), bottom = bound(needed[3] + margin + 1, 1, image.height);
  image = cut(image, left, top, right - left, bottom - top);
  transform = after(transform, [1, 0, left, 0, 1, top]);
  const finer = Math.max(1, Math.ceil(1 / magnification(transform) - 1e-6));
  if (finer === 1) return interpolated(image, transform, width, height, 'lanczos');
  const shifted = after([1, 0, OVERHANG, 0, 1, OVERHANG], transform), wide = 2 * OVERHANG;
  const fine = interpolated(image, after(enlargement(finer), shifted), finer * (width + wide), finer * (height + wide), 'cubic');
  const reduced = size => taps(finer * (size + wide), size + wide, distance => bicubic(distance / finer), 2 * finer)
    .slice(OVERHANG, -OVERHANG);
  return resampled(fine, reduced(height), reduced(width));
}

/** The LR face that a network is to be given, as `lr_face` in data/alignment.py; `network`: {scale, blur_sigma}. */
export function lrFace(image, transform, {scale, blur_sigma}) {
  const pitch = magnification(transform), size = FACE / scale;
  if (pitch >= scale * (1 - 1e-6)) return warp(image, after(enlargement(1 / scale), transform), size, size);
  const missing = blur_sigma * Math.sqrt(1 - (Math.max(1, pitch) ** 2 - 1) / (scale ** 2 - 1));
  const reducing = gaussianTaps(scale, Math.max(missing, 0.1));
  return resampled(warp(image, transform, FACE, FACE), reducing, reducing);
}

// --- Pasting, as photos/pasting.py
export function luminanceOf({data, width, height, channels}, [red, green, blue]) {
  return picture(width, height, 1, Float32Array.from({length: width * height},
    (_, i) => red * data[i * channels] + green * data[i * channels + 1] + blue * data[i * channels + 2]));
}

function lowest(image) {
  const reach = 4 * MATCHED_SIGMA, blurring = Array.from({length: FACE}, (_, place) => {
    const weights = new Float64Array(FACE);
    for (let i = -reach; i <= reach; i++) weights[mirrored(place + i, FACE)] += Math.exp(-0.5 * (i / MATCHED_SIGMA) ** 2);
    return {first: 0, weights: normalized(weights)};
  });
  return resampled(image, blurring, blurring);
}

/** Puts a face's luminance [128 x 128] in [0, 1] into a canvas of bytes (RGBA), in place; `transform` is to the face. */
export function paste(canvas, luminance, transform, shares) {
  const [x1, y1, x2, y2] = extent(inverse(transform), FACE, FACE);
  const [left, right] = [Math.floor(x1), Math.ceil(x2) + 1].map(x => Math.min(Math.max(x, 0), canvas.width));
  const [top, bottom] = [Math.floor(y1), Math.ceil(y2) + 1].map(y => Math.min(Math.max(y, 0), canvas.height));
  if (left >= right || top >= bottom) return;
  const below = luminanceOf(warp(canvas, transform, FACE, FACE), shares);
  const off = lowest(picture(FACE, FACE, 1, below.data.map((value, i) => value / 255 - luminance.data[i])));
  const ramp = Float32Array.from({length: FACE}, (_, i) =>
    0.5 - 0.5 * Math.cos(Math.PI * Math.min(1, Math.max(0, (Math.min(i, FACE - 1 - i) - 2) / FEATHER))));
  const both = picture(FACE, FACE, 2);
  for (let i = 0; i < FACE * FACE; i++) {
    both.data[2 * i] = 255 * (luminance.data[i] + off.data[i]);
    both.data[2 * i + 1] = ramp[i % FACE] * ramp[Math.floor(i / FACE)];
  }
  const width = right - left, toPart = after([1, 0, -left, 0, 1, -top], inverse(transform)), toFace = inverse(toPart);
  const warped = warp(both, toPart, width, bottom - top);
  for (let i = 0; i < warped.width * warped.height; i++) {
    const row = Math.floor(i / width), [u, v] = moved(toFace, [i % width, row]);
    if (Math.min(u, v) < -0.5 || Math.max(u, v) > FACE - 0.5) continue;
    const at = ((top + row) * canvas.width + left + i % width) * canvas.channels, pixel = canvas.data.subarray(at, at + 3);
    const own = shares[0] * pixel[0] + shares[1] * pixel[1] + shares[2] * pixel[2];
    const change = Math.min(1, Math.max(0, warped.data[2 * i + 1])) * (warped.data[2 * i] - own);
    for (let channel = 0; channel < 3; channel++) pixel[channel] = Math.round(pixel[channel] + change);
  }
}
