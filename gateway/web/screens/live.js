// The live board: every function, and every event on its way. It reads one feed and asks no function anything; only the
// demo, which a person starts, does.

import { html, noChange, nothing } from "/vendor/lit.js";
import { drawing } from "/board/drawing.js";
import { follow } from "/board/feed.js";
import { demo } from "/board/demo-card.js";
import { empty, isOver, reports, sagas, services, take } from "/board/state.js";
import { chart, edgeRate, eventList, facts, node, sagaList, triggerTable, troubles } from "/board/views.js";
import { heading, onScreen, status, styled } from "/parts.js";
import { t } from "/words.js";

const FEED = "/board/feed";
// The text is written in parts, each in an animation frame of its own: all at once would take longer than a frame has.
const PARTS = ["status", "functions", "sagas", "events", "triggers"];
// ms between two writings of the text; what moves is drawn by itself. Where frames come late because of it, it is written
// less often, so that at most a fifteenth of the time is lost to it.
const OFTEN = 250;
const SELDOM = 1000;
const SHARE = 15;
const FRAME = 17;
const SAGAS = 6;
const COLORS = { event: "--accent", saga: "--saga", retry: "--warn", letter: "--bad", ink: "--ink", paper: "--paper" };

export default function start({ main }) {
  const board = empty();
  const state = { waking: null, begun: false, lost: false, unfed: false, chosen: null };
  const { draw, options, leave } = onScreen(main, state, () => view());
  const places = new Map();
  let moving = null;
  let palette = null;
  let due = null;
  let whole = false; // all parts are there
  let written = null; // the part that is being written; without one, all are
  let pause = OFTEN;
  let paused = false;

  function received(document) {
    Object.assign(state, { begun: true, lost: false, unfed: false });
    const before = outline(board);
    const seen = take(board, document, Date.now());
    if (moving && !globalThis.document.hidden) animate(seen);
    if (outline(board) !== before) atOnce("status", "functions");
    soon();
  }

  // What may be shorter than a pause is shown all the same: a function that wakes, a broker that is away.
  function atOnce(...parts) {
    if (!whole) return;
    for (const one of parts) {
      written = one;
      draw();
    }
    written = null;
  }

  function animate({ events, deliveries }) {
    const chosen = highlighted();
    const now = performance.now();
    for (const one of events) event(one, chosen, now);
    for (const one of deliveries) delivery(one, now);
  }

  function lost(unfed) {
    Object.assign(state, { lost: true, unfed });
    soon();
  }

  function event({ by, to, saga }, chosen, now) {
    const kind = saga !== null && saga === chosen ? "saga" : "event";
    for (const name of to) moving.move(by ?? "", name, kind, now);
  }

  function delivery({ to, offset, state: became }, now) {
    if (became === "delivered") return;
    const cause = board.events.find((one) => one.offset === offset);
    if (became === "retrying") moving.move(cause?.by ?? "", to, "retry", now);
    else moving.move(to, "dead-letters", "letter", now);
  }

  // The one that a person has chosen, or else the newest that is under way.
  function highlighted() {
    if (state.chosen !== null && board.sagas.has(state.chosen)) return state.chosen;
    return sagas(board, SAGAS).find((one) => !isOver(one))?.id ?? null;
  }

  function soon() {
    due ??= setTimeout(() => { requestAnimationFrame((now) => write(0, now, 0)); }, pause);
  }

  // `late` is by how many ms the frames of the parts before have come too late.
  function write(part, before, late) {
    if (paused) return;
    if (part < PARTS.length) {
      written = whole ? PARTS[part] : null;
      whole = state.begun;
      draw();
      written = null;
      if (PARTS[part] === "functions") observe();
      requestAnimationFrame((now) => write(part + 1, now, late + Math.max(0, now - before - FRAME)));
      return;
    }
    pause = Math.min(SELDOM, Math.max(OFTEN, SHARE * late));
    due = null;
  }

  const part = (name, make) => (written === null || written === name ? make() : noChange);

  // The places of the functions are read only when a size has changed: reading them makes the browser lay out the page.
  const sizes = new ResizeObserver(measure);
  const observed = new Set();
  function observe() {
    for (const one of main.querySelectorAll(".map, .service")) {
      if (!observed.has(one)) sizes.observe(one);
      observed.add(one);
    }
  }

  function measure() {
    const map = main.querySelector(".map");
    if (!map) return;
    moving ??= drawing(map.querySelector("canvas"), (name) => places.get(name), () => (palette ??= colors(map)), edgeRate);
    const frame = map.getBoundingClientRect();
    for (const one of map.querySelectorAll("[data-function]")) {
      const { x, y, width, height } = one.getBoundingClientRect();
      places.set(one.dataset.function, { x: x - frame.x, y: y - frame.y, width, height });
    }
    moving.fit(frame.width, frame.height);
  }

  const message = () => {
    if (state.unfed) return t("boardUnfed");
    if (!state.begun) return state.lost ? "" : t("loading");
    const all = Object.values(board.functions);
    return t("boardAwake", all.filter(({ state: one }) => one !== "asleep").length, all.length);
  };

  const view = () => html`
    ${part("status", says)}
    ${state.begun ? picture() : html`<div class="card skeleton" aria-hidden="true"></div>`}
  `;

  const says = () => html`
    ${heading(t("navLive"))}
    <p class="soft">${t("boardIntro")}</p>
    ${status(message())}
    ${state.lost && !state.unfed ? warning("lost", "boardLost") : nothing}
    ${state.begun && !board.broker ? warning("broker-away", "boardBrokerAway") : nothing}
    ${state.begun && !board.runtime ? warning("runtime-away", "boardRuntimeAway") : nothing}
    ${state.begun ? facts(board, Date.now()) : nothing}
    ${!state.begun || reports(board) ? nothing : html`<p class="soft" data-testid="unreported">${t("unreported")}</p>`}
  `;

  const picture = () => {
    const now = Date.now();
    return html`
      ${part("functions", () => functions(now))}
      <p class="soft legend">${t("boardLegend")}</p>
      <div class="beside">
        <div>${part("sagas", () => html`${sagaList(sagas(board, SAGAS), highlighted(), choose)} ${chart(board, now)} ${demoCard()}`)}</div>
        <div>${part("events", () => html`${troubles(board)} ${eventList(board)}`)}</div>
      </div>
      ${part("triggers", () => triggerTable(board))}
    `;
  };

  const functions = (now) => {
    const touched = board.sagas.get(highlighted())?.functions;
    return html`<div class="map" data-testid="board" data-lost=${state.lost}>
      ${services(board).map(([folder, names]) => html`<section class="card service" aria-labelledby="service-${folder}">
        <h2 id="service-${folder}">${folder}</h2>
        <ul>${names.map((name) => node(board, name, now, touched?.has(name) ?? false))}</ul>
      </section>`)}
      <canvas aria-hidden="true"></canvas>
    </div>`;
  };

  const demoCard = demo({ signal: options.signal, functions: () => board.functions, fed: () => !state.lost, draw: () => soon() });

  function choose(identity) {
    state.chosen = state.chosen === identity ? null : identity;
    draw();
  }

  const ticking = setInterval(() => {
    if (!globalThis.document.hidden) soon();
  }, 1000);
  const waking = setInterval(() => {
    if (Object.values(board.functions).some((one) => one.state === "waking")) soon();
  }, OFTEN);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => {
    palette = null;
    moving?.repaint();
  };
  scheme.addEventListener("change", repaint);
  main.classList.add("wide");
  draw();
  let end = () => {};
  Promise.allSettled([styled("/board/board.css")]).then(() => { if (!options.signal.aborted) end = follow(FEED, received, lost); });
  return () => {
    paused = true;
    leave();
    end();
    sizes.disconnect();
    moving?.stop();
    clearTimeout(due);
    clearInterval(ticking);
    clearInterval(waking);
    scheme.removeEventListener("change", repaint);
    main.classList.remove("wide");
  };
}

const outline = ({ broker, runtime, functions }) => JSON.stringify([broker, runtime, Object.values(functions).map(({ state }) => state)]);

const warning = (name, word) => html`<div class="notice warn" role="alert" data-testid=${name}><p>${t(word)}</p></div>`;

function colors(map) {
  const style = getComputedStyle(map);
  return Object.fromEntries(Object.entries(COLORS).map(([kind, name]) => [kind, style.getPropertyValue(name).trim()]));
}
