// What moves on the board: events as dots on curves between functions, each curve with its rate. One canvas, one animation
// frame after the other, a bounded number of dots and curves, and no frame while nothing moves.
//
// Curves and rates change slowly and are expensive to draw, so they are drawn beside the page a few times a second. A frame
// copies that picture and puts ready-made dots on it: no path, no text, no question about where something is.

const MOST = 240; // dots; of more, the brighter curve and its rate are all that is seen
const TRAVEL = 900; // ms
const GLOW = 2500; // ms that a curve is bright after an event
const FAINT = 0.16;
const MOST_EDGES = 120;
const MEMORY = 5000; // ms over which a rate is averaged
const LEAST_RATE = 0.05; // events a second; less is not written
const STALE = 125; // ms until curves and rates are drawn again
const SPRITE = 24; // px of the square around a dot
const SHAPES = { event: dot, saga: ringed, retry: ring, letter: square };

// `places` gives {x, y, width, height} of a node within the map, `colors` the colours of the page.
// `write` puts a rate into words.
export function drawing(canvas, places, colors, write) {
  const context = canvas.getContext("2d");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const scenery = document.createElement("canvas").getContext("2d");
  const edges = new Map();
  let sprites = null;
  let sceneryOf = -Infinity;
  let dots = [];
  let frame = null;

  function move(from, to, kind, now) {
    if (!places(from) || !places(to) || from === to) return;
    const key = `${from} ${to}`;
    const edge = edges.get(key) ?? { from, to, rate: 0, last: now, curve: between(places(from), places(to)) };
    edges.delete(key); // the newest is the last one
    edges.set(key, edge);
    Object.assign(edge, { kind, rate: rateOf(edge, now) + 1000 / MEMORY, last: now });
    if (edges.size > MOST_EDGES) edges.delete(edges.keys().next().value);
    if (!still.matches && dots.length < MOST) dots.push({ edge, kind, from: now });
    frame ??= requestAnimationFrame(paint);
  }

  function paint(now) {
    const stale = now - sceneryOf >= STALE;
    if (stale) drawScenery(now);
    if (stale || dots.length) {
      context.globalCompositeOperation = "copy"; // what was there is gone without being cleared
      context.drawImage(scenery.canvas, 0, 0);
      context.globalCompositeOperation = "source-over";
      dots = dots.filter((one) => now - one.from < TRAVEL);
      for (const one of dots) point(one, now);
    }
    frame = busy(now) ? requestAnimationFrame(paint) : null;
  }

  function busy(now) {
    for (const edge of edges.values()) if (now - edge.last < GLOW || rateOf(edge, now) > LEAST_RATE) return true;
    return dots.length > 0;
  }

  function drawScenery(now) {
    const palette = colors();
    sceneryOf = now;
    sprites ??= Object.fromEntries(Object.entries(SHAPES).map(([kind, shape]) => [kind, sprite(shape, palette[kind])]));
    scenery.clearRect(0, 0, canvas.width, canvas.height);
    for (const edge of edges.values()) line(edge, now, palette);
    for (const edge of edges.values()) label(edge, now, palette);
  }

  function line({ curve, kind, last }, now, palette) {
    scenery.globalAlpha = Math.max(FAINT, 0.8 * (1 - (now - last) / GLOW));
    scenery.strokeStyle = palette[kind];
    scenery.lineWidth = kind === "saga" ? 3 : 1.75;
    scenery.setLineDash(kind === "retry" ? [5, 5] : []);
    scenery.beginPath();
    scenery.moveTo(curve[0], curve[1]);
    scenery.bezierCurveTo(...curve.slice(2));
    scenery.stroke();
    scenery.setLineDash([]);
    scenery.globalAlpha = 1;
  }

  function label(edge, now, palette) {
    const rate = rateOf(edge, now);
    if (rate <= LEAST_RATE) return;
    const [x, y] = along(edge.curve, 0.5);
    scenery.font = "600 11px system-ui, sans-serif";
    scenery.textAlign = "center";
    scenery.lineWidth = 4;
    scenery.strokeStyle = palette.paper;
    scenery.strokeText(write(rate), x, y + 4);
    scenery.fillStyle = palette.ink;
    scenery.fillText(write(rate), x, y + 4);
  }

  function point({ edge, kind, from }, now) {
    const gone = Math.max(0, (now - from) / TRAVEL);
    const [x, y] = along(edge.curve, gone * gone * (3 - 2 * gone));
    const { scale, image } = sprites[kind];
    context.drawImage(image, Math.round(x * scale - image.width / 2), Math.round(y * scale - image.height / 2));
  }

  // After the size of the map, or the place of a function in it, has changed.
  function fit(width, height) {
    const scale = devicePixelRatio || 1;
    const size = { width: Math.round(width * scale), height: Math.round(height * scale) };
    if (canvas.width !== size.width || canvas.height !== size.height) {
      for (const one of [canvas, scenery.canvas]) Object.assign(one, size);
      scenery.setTransform(scale, 0, 0, scale, 0, 0);
    }
    for (const [key, edge] of edges) {
      edge.curve = between(places(edge.from), places(edge.to));
      if (!edge.curve) edges.delete(key);
    }
    dots = dots.filter(({ edge }) => edge.curve);
    repaint();
  }

  // Also after the colours have changed.
  function repaint() {
    sprites = null;
    sceneryOf = -Infinity;
    frame ??= requestAnimationFrame(paint);
  }

  return { move, fit, repaint, stop: () => cancelAnimationFrame(frame) };
}

function sprite(shape, color) {
  const scale = devicePixelRatio || 1;
  const context = Object.assign(document.createElement("canvas"), { width: SPRITE * scale, height: SPRITE * scale }).getContext("2d");
  context.scale(scale, scale);
  context.fillStyle = context.strokeStyle = color;
  shape(context, SPRITE / 2, SPRITE / 2);
  return { scale, image: context.canvas };
}

const rateOf = ({ rate, last }, now) => rate * Math.exp(-Math.max(0, now - last) / MEMORY);

// From the side of one to the side of the other; between functions above one another, around on the right.
export function between(a, b) {
  if (!a || !b) return null;
  const [y1, y2] = [a.y + a.height / 2, b.y + b.height / 2];
  if (Math.abs(a.x - b.x) < a.width / 2) {
    const [x1, x2] = [a.x + a.width, b.x + b.width];
    const out = Math.max(x1, x2) + Math.min(14 + Math.abs(y1 - y2) * 0.12, 44);
    return [x1, y1, out, y1, out, y2, x2, y2];
  }
  const right = b.x > a.x;
  const [x1, x2] = right ? [a.x + a.width, b.x] : [a.x, b.x + b.width];
  const bend = Math.min(Math.abs(x2 - x1) / 2, 140) * (right ? 1 : -1);
  return [x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2];
}

function along([x0, y0, x1, y1, x2, y2, x3, y3], t) {
  const u = 1 - t;
  const mix = (a, b, c, d) => u * u * u * a + 3 * u * u * t * b + 3 * u * t * t * c + t * t * t * d;
  return [mix(x0, x1, x2, x3), mix(y0, y1, y2, y3)];
}

function dot(context, x, y) {
  context.beginPath();
  context.arc(x, y, 4.5, 0, 2 * Math.PI);
  context.fill();
}

function ringed(context, x, y) {
  dot(context, x, y);
  context.lineWidth = 2;
  context.beginPath();
  context.arc(x, y, 8.5, 0, 2 * Math.PI);
  context.stroke();
}

function ring(context, x, y) {
  context.lineWidth = 2.5;
  context.beginPath();
  context.arc(x, y, 5.5, 0, 2 * Math.PI);
  context.stroke();
}

function square(context, x, y) {
  context.fillRect(x - 6, y - 6, 12, 12);
}
