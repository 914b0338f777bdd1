// Finds faces and their eyes, as gln_jax/photos/detection.py, eyes.py and face_windows.py do. Eyes are [[x, y], [x, y]] in
// pixels of the photograph, the left one, seen with the face upright, first.
import {after, areaTaps, bound, cut, extent, interpolated, inverse, moved, picture, resampled, resized, turned} from './images.js';
const MOST_SEARCHED = 3_000_000;  // pixels, fewer than in Python: a browser has one core for it
const STRIDES = [8, 16, 32], OVERLAP = 0.3;  // of YuNet, and of two boxes of which it keeps the better one
const SIZE = 48, CELLS = 12, DIRECTIONS = 8, PITCH = 2, CORNER = [15, 11];  // of a window, as in face_windows.py
const REACH = 3, STRAYED = 2;  // eye distances, as in eyes.py

const distanceOf = ([[x1, y1], [x2, y2]]) => Math.hypot(x2 - x1, y2 - y1);
const middleOf = ([[x1, y1], [x2, y2]]) => [(x1 + x2) / 2, (y1 + y2) / 2];
const farthest = (eyes, others) => Math.max(...eyes.map(([x, y], i) => Math.hypot(x - others[i][0], y - others[i][1])));

/** The faces in a photograph (RGBA), the largest first: [{eyes}]. `yunet` is an ONNX session. */
export async function find(photo, grey, yunet, ort, settings, progress) {
  const known = settings.detection, [finds, searches] = [[], searchesOf(photo, known)];
  for (const [number, {scale, roll}] of searches.entries()) {
    finds.push(...await search(photo, scale, roll, yunet, ort, known));
    progress((number + 1) / searches.length);
  }
  const candidates = finds.map(({eyes, score, isUpright}) => {
    const better = refine(grey, eyes, settings), isFace = better.likeness >= known.LEAST_LIKENESS;
    const trust = isFace ? score + better.likeness / 2 : isUpright && score >= known.CLEAR_SCORE ? score : -Infinity;
    return {eyes: isFace ? better.eyes : eyes, trust: trust + (isUpright ? known.UPRIGHT : 0)};
  });
  const kept = [];
  for (const candidate of candidates.filter(each => each.trust > 0).sort((one, other) => other.trust - one.trust)) {
    const own = boxOf(candidate.eyes, known);
    const isNew = kept.map(other => boxOf(other.eyes, known)).every(other =>
      Math.hypot(own.x - other.x, own.y - other.y) > known.SAME_FACE * Math.max(own.width, other.width));
    if (own.width >= known.SMALLEST && isNew) kept.push(candidate);
  }
  return kept.map(candidate => steadied(grey, candidate, settings)).sort((one, other) => distanceOf(other.eyes) - distanceOf(one.eyes));
}

/** The middle {x, y} of a face's box and its width. */
export function boxOf(eyes, {FACE_WIDTH, BOX_EYES}) {
  const [x, y] = middleOf(eyes), across = eyes[1].map((value, axis) => FACE_WIDTH * (value - eyes[0][axis]));
  return {x: x - (0.5 - BOX_EYES) * across[1], y: y + (0.5 - BOX_EYES) * across[0], width: Math.hypot(...across)};
}

/** [{scale, roll in radians}] of each copy that is searched. */
function searchesOf({width, height}, known) {
  const area = width * height, coarse = Math.min(known.LARGEST_ENLARGEMENT, Math.sqrt(known.COARSELY_SEARCHED_PIXELS / area));
  const fine = Math.max(coarse, Math.min(known.ENLARGEMENT, Math.sqrt(MOST_SEARCHED / area)));
  const upright = (fine > 1.5 * coarse ? [fine, coarse] : [fine]).map(scale => ({scale, roll: 0}));
  return [...upright, ...known.ROLLS.map(degrees => {
    const roll = degrees * Math.PI / 180, [left, top, right, bottom] = extent(turned(roll), width, height);
    return {scale: Math.min(coarse, Math.sqrt(known.TURNED_PIXELS / ((right - left) * (bottom - top)))), roll};
  })];
}

/** What YuNet finds in a copy of the photograph, scaled, then turned within a black picture that just holds it. */
async function search(photo, scale, roll, yunet, ort, {LEAST_SCORE}) {
  const [across, down] = [photo.width, photo.height].map(length => Math.max(1, Math.round(length * scale)));
  let copy = across === photo.width && down === photo.height ? photo : resized(photo, across, down), turn = turned(0);
  if (roll) {
    const [left, top, right, bottom] = extent(turned(roll), across, down);
    const [width, height] = [right - left, bottom - top].map(length => Math.trunc(length) + 1);
    turn = after([1, 0, (width - 1 - left - right) / 2, 0, 1, (height - 1 - top - bottom) / 2], turned(roll));
    copy = interpolated(copy, turn, width, height, 'linear', true);
  }
  const {width, height} = copy, back = inverse(turn);
  const wide = 32 * Math.ceil(width / 32), high = 32 * Math.ceil(height / 32), planes = new Float32Array(3 * wide * high);
  new Uint8ClampedArray(copy.data).forEach((value, i) => {
    const place = Math.floor(i / copy.channels), channel = i % copy.channels;  // YuNet takes blue, green, red
    if (channel < 3) planes[((2 - channel) * high + Math.floor(place / width)) * wide + place % width] = value;
  });
  const out = await yunet.run({input: new ort.Tensor('float32', planes, [1, 3, high, wide])}), found = [];
  for (const stride of STRIDES) {
    const [classes, objects, boxes, points] = ['cls', 'obj', 'bbox', 'kps'].map(name => out[`${name}_${stride}`].data);
    for (let i = 0; i < classes.length; i++) {
      const score = Math.sqrt(Math.min(1, Math.max(0, classes[i])) * Math.min(1, Math.max(0, objects[i])));
      if (score < LEAST_SCORE) continue;
      const corner = [i % (wide / stride), Math.floor(i / (wide / stride))];
      const at = (array, from, axis) => (corner[axis] + array[from + axis]) * stride;
      const [boxWidth, boxHeight] = [2, 3].map(side => Math.exp(boxes[4 * i + side]) * stride);
      const eyes = [0, 2].map(from => moved(back, [0, 1].map(axis => at(points, 10 * i + from, axis))).map((value, axis) =>
        (value + 0.5) * [photo.width / across, photo.height / down][axis] - 0.5));
      found.push({score, eyes, isUpright: !roll, width: boxWidth, height: boxHeight,
        x: at(boxes, 4 * i, 0) - boxWidth / 2, y: at(boxes, 4 * i, 1) - boxHeight / 2});
    }
  }
  return found.sort((one, other) => other.score - one.score).reduce((kept, face) =>
    kept.every(other => overlap(face, other) <= OVERLAP) ? [...kept, face] : kept, []).filter(({eyes}) => {
    const [x, y] = middleOf(eyes), distance = distanceOf(eyes);  // of an odd picture, YuNet gives anything at all
    return x >= 0 && y >= 0 && x < photo.width && y < photo.height && distance > 1 && distance < Math.max(photo.width, photo.height);
  });
}

function overlap(one, other) {
  const along = (start, length) => Math.max(0, Math.min(one[start] + one[length], other[start] + other[length]) - Math.max(one[start], other[start]));
  const shared = along('x', 'width') * along('y', 'height');
  return shared / (one.width * one.height + other.width * other.height - shared);
}

/** Where the eyes near a rough guess are: {eyes, likeness}. `grey` is a picture in [0, 255]. */
export function refine(grey, start, settings) {
  const {eyes: known, matrices} = settings, distance = distanceOf(start), centre = middleOf(start);
  const size = Object.keys(known.SIZES).find(name => distance >= known.SIZES[name][0] && distance < (known.SIZES[name][1] ?? Infinity));
  const [[left, right], [top, bottom]] = [grey.width, grey.height].map((length, axis) => {
    const first = bound(centre[axis] - REACH * distance, 0, length - 1);
    return [first, bound(centre[axis] + REACH * distance + 1, first + 1, length)];
  });
  let part = cut(grey, left, top, right - left, bottom - top);
  const whole = [part.width, part.height];
  if (distance > known.LARGEST_DISTANCE) {
    const [width, height] = whole.map(length => Math.max(1, Math.round(length * known.LARGEST_DISTANCE / distance)));
    part = resampled(part, areaTaps(part.height, height), areaTaps(part.width, width));
  }
  const scale = [part.width / whole[0], part.height / whole[1]], corner = [left, top];
  const inside = start.map(eye => eye.map((value, axis) => (value - corner[axis] + 0.5) * scale[axis] - 0.5));
  let eyes = inside;
  for (let step = 0; step < known.STEPS; step++) {
    const off = product(features(part, eyes, settings.template_eyes), matrices[`step${step}_of_${size}`], 4);
    const [across, down] = [eyes[1][0] - eyes[0][0], eyes[1][1] - eyes[0][1]];
    eyes = eyes.map(([x, y], i) => [x + across * off[2 * i] - down * off[2 * i + 1], y + down * off[2 * i] + across * off[2 * i + 1]]);
  }
  const growth = distanceOf(eyes) / distanceOf(inside);
  const hasStrayed = farthest(eyes, inside) > STRAYED * distanceOf(inside) || growth < 1 / 3 || growth > 3;
  return {eyes: eyes.map(eye => eye.map((value, axis) => (value + 0.5) / scale[axis] - 0.5 + corner[axis])),
    likeness: hasStrayed ? -Infinity : product(features(part, eyes, settings.template_eyes), matrices[`likeness_of_${size}`], 1)[0]};
}

function steadied(grey, candidate, settings) {
  const middle = middleOf(candidate.eyes), {ZOOMS, STEADY} = settings.detection;
  const ends = ZOOMS.map(zoom => refine(grey, candidate.eyes.map(eye =>
    eye.map((value, axis) => middle[axis] + zoom * (value - middle[axis]))), settings).eyes);
  if (Math.max(...ends.map(end => farthest(end, candidate.eyes))) > STEADY * distanceOf(candidate.eyes)) return candidate;
  const eyes = [0, 1].map(eye => [0, 1].map(axis => ends.reduce((sum, end) => sum + end[eye][axis], 0) / ends.length));
  return {...candidate, eyes};
}

const product = (vector, matrix, width) => Float64Array.from({length: width}, (_, column) =>
  vector.reduce((sum, value, i) => sum + value * matrix[i * width + column], 0));
const POOLING = Array.from({length: CELLS}, (_, cell) => ({first: 0, weights: Float64Array.from({length: SIZE},
  (_, i) => Math.max(0, 1 - Math.abs((i + 0.5) * CELLS / SIZE - cell - 0.5)) * CELLS / SIZE)}));

/** Histograms of the gradient's direction in the window that two eyes span, and a 1. */
function features(image, [[x1, y1], [x2, y2]], [[u1, v1], [u2]]) {
  const turn = [(x2 - x1) / (u2 - u1), (y2 - y1) / (u2 - u1)];
  const toImage = after([turn[0], -turn[1], x1, turn[1], turn[0], y1], [PITCH, 0, CORNER[0] - u1, 0, PITCH, CORNER[1] - v1]);
  const side = SIZE + 2, {data} = interpolated(image, inverse(toImage), side, side, 'linear');
  const strengths = picture(SIZE, SIZE, DIRECTIONS);
  for (let row = 0; row < SIZE; row++) for (let column = 0; column < SIZE; column++) {
    const at = (row + 1) * side + column + 1, across = data[at + 1] - data[at - 1], down = data[at + side] - data[at - side];
    const direction = (Math.atan2(down, across) * DIRECTIONS / (2 * Math.PI) + DIRECTIONS) % DIRECTIONS;
    const below = Math.floor(direction), share = direction - below, to = (row * SIZE + column) * DIRECTIONS;
    strengths.data[to + below % DIRECTIONS] += Math.hypot(across, down) * (1 - share);
    strengths.data[to + (below + 1) % DIRECTIONS] += Math.hypot(across, down) * share;
  }
  const cells = resampled(strengths, POOLING, POOLING).data, count = CELLS * CELLS;
  const contrast = Float64Array.from({length: count}, (_, i) => Math.hypot(...cells.subarray(i * DIRECTIONS, (i + 1) * DIRECTIONS)));
  const near = place => [-1, 0, 1].map(step => Math.min(CELLS - 1, Math.max(0, place + step)));
  const around = contrast.map((_, i) => near(Math.floor(i / CELLS)).reduce((sum, row) =>
    sum + near(i % CELLS).reduce((line, column) => line + contrast[row * CELLS + column], 0), 0) / 9);
  const floor = 0.1 * around.reduce((sum, value) => sum + value) / count + 1e-3;
  const found = new Float32Array(count * DIRECTIONS + 1).fill(1);
  for (let i = 0; i < count; i++) for (let direction = 0; direction < DIRECTIONS; direction++) {
    found[direction * count + i] = cells[i * DIRECTIONS + direction] / (around[i] + floor);
  }
  return found;
}
