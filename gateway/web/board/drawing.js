// What moves on the board: events as dots on curves between functions, each curve with its rate. One canvas, a bounded
// number of dots and curves, and no frame is drawn while nothing moves.

const MOST = 240; // dots; of more, the brighter curve and its rate are all that is seen
const TRAVEL = 900; // ms
const GLOW = 2500; // ms that a curve is bright after an event
const FAINT = 0.16;
const MOST_EDGES = 120;
const MEMORY = 5000; // ms over which a rate is averaged
const LEAST_RATE = 0.05; // events a second; less is not written
const SHAPES = { event: dot, saga: ringed, retry: ring, letter: square };

// `places` gives {x, y, width, height} of a node within the map, `colors` the colours of the page.
// `write` puts a rate into words.
export function drawing(canvas, places, colors, write) {
  const context = canvas.getContext("2d");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const edges = new Map();
  let dots = [];
  let frame = null;
  let drawn = 0;

  function move(from, to, kind, now) {
    if (!places(from) || !places(to) || from === to) return;
    const key = `${from} ${to}`;
    const edge = edges.get(key) ?? { from, to, rate: 0, last: now };
    edges.delete(key); // the newest is the last one
    edges.set(key, edge);
    Object.assign(edge, { kind, rate: rateOf(edge, now) + 1000 / MEMORY, last: now });
    if (edges.size > MOST_EDGES) edges.delete(edges.keys().next().value);
    if (!still.matches && dots.length < MOST) dots.push({ edge, kind, from: now });
    frame ??= requestAnimationFrame(paint);
  }

  function paint(now) {
    frame = null;
    drawn += 1;
    const palette = colors();
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const edge of edges.values()) line(edge, now, palette);
    dots = dots.filter((one) => now - one.from < TRAVEL);
    for (const one of dots) point(one, now, palette);
    for (const edge of edges.values()) label(edge, now, palette);
    if (busy(now)) frame = requestAnimationFrame(paint);
  }

  const busy = (now) => [...edges.values()].some((edge) => now - edge.last < GLOW || rateOf(edge, now) > LEAST_RATE);

  function line(edge, now, palette) {
    const curve = between(places(edge.from), places(edge.to));
    if (!curve) return;
    context.globalAlpha = Math.max(FAINT, 0.8 * (1 - (now - edge.last) / GLOW));
    context.strokeStyle = palette[edge.kind];
    context.lineWidth = edge.kind === "saga" ? 3 : 1.75;
    context.setLineDash(edge.kind === "retry" ? [5, 5] : []);
    context.beginPath();
    context.moveTo(curve[0], curve[1]);
    context.bezierCurveTo(...curve.slice(2));
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  function label(edge, now, palette) {
    const rate = rateOf(edge, now);
    const curve = rate > LEAST_RATE && between(places(edge.from), places(edge.to));
    if (!curve) return;
    const [x, y] = along(curve, 0.5);
    context.font = "600 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 4;
    context.strokeStyle = palette.paper;
    context.strokeText(write(rate), x, y + 4);
    context.fillStyle = palette.ink;
    context.fillText(write(rate), x, y + 4);
  }

  function point({ edge, kind, from }, now, palette) {
    const curve = between(places(edge.from), places(edge.to));
    if (!curve) return;
    const gone = Math.max(0, (now - from) / TRAVEL);
    const [x, y] = along(curve, gone * gone * (3 - 2 * gone));
    context.fillStyle = context.strokeStyle = palette[kind];
    SHAPES[kind](context, x, y);
  }

  function fit(width, height) {
    const scale = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(width * scale), height: Math.round(height * scale) });
    context.setTransform(scale, 0, 0, scale, 0, 0);
  }

  function repaint() {
    frame ??= requestAnimationFrame(paint);
  }

  return { move, fit, repaint, stop: () => cancelAnimationFrame(frame), frames: () => drawn, dots: () => dots.length };
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
