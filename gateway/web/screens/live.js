// The live board: every function, and every event on its way. It reads one feed and asks no function anything; only the
// demo, which a person sends, does.

import { html, nothing } from "/vendor/lit.js";
import { drawing } from "/board/drawing.js";
import { follow } from "/board/feed.js";
import { demo } from "/board/demo-card.js";
import { empty, isOver, reports, sagas, services, take } from "/board/state.js";
import { chart, edgeRate, eventList, facts, node, sagaList, triggerTable, troubles } from "/board/views.js";
import { heading, onScreen, status, styled } from "/parts.js";
import { t } from "/words.js";

const FEED = "/board/feed";
// ms between two drawings of the text; what moves is drawn by itself. A drawing that takes long comes less often, so that
// text has at most a fifteenth of the time and frames have the rest.
const OFTEN = 200;
const SELDOM = 1000;
const SHARE = 15;
const SAGAS = 6;
const COLORS = { event: "--accent", saga: "--saga", retry: "--warn", letter: "--bad", ink: "--ink", paper: "--paper" };

export default function start({ main }) {
  const board = empty();
  const state = { waking: null, told: false, lost: false, unfed: false, chosen: null };
  const { draw, options, leave } = onScreen(main, state, () => view());
  const places = new Map();
  let moving = null;
  let palette = null;
  let due = null;
  let pause = OFTEN;
  let paused = false;

  function told(document) {
    Object.assign(state, { told: true, lost: false, unfed: false });
    const seen = take(board, document, Date.now());
    if (moving && !globalThis.document.hidden) seen.events.forEach(event);
    if (moving && !globalThis.document.hidden) seen.deliveries.forEach(delivery);
    soon();
  }

  function lost(unfed) {
    Object.assign(state, { lost: true, unfed });
    soon();
  }

  function event({ by, to, saga }) {
    const kind = saga !== null && saga === highlighted() ? "saga" : "event";
    for (const name of to) moving.move(by ?? "", name, kind, performance.now());
  }

  function delivery({ to, offset, state: became }) {
    if (became === "delivered") return;
    const cause = board.events.find((one) => one.offset === offset);
    if (became === "retrying") moving.move(cause?.by ?? "", to, "retry", performance.now());
    else moving.move(to, "dead-letters", "letter", performance.now());
  }

  // The one that a person has chosen, or else the newest that is under way.
  function highlighted() {
    if (state.chosen !== null && board.sagas.has(state.chosen)) return state.chosen;
    return sagas(board, SAGAS).find((one) => !isOver(one))?.id ?? null;
  }

  function soon() {
    due ??= setTimeout(() => {
      due = null;
      if (paused) return;
      const began = performance.now();
      draw();
      observe();
      requestAnimationFrame((now) => { pause = Math.min(SELDOM, Math.max(OFTEN, SHARE * (now - began))); });
    }, pause);
  }

  // Where the functions are is asked only when something has another size: the question makes the browser lay out the page.
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
    const canvas = map.querySelector("canvas");
    moving ??= drawing(canvas, (name) => places.get(name), () => (palette ??= colors(map)), edgeRate);
    const frame = map.getBoundingClientRect();
    if (canvas.dataset.size !== `${frame.width} ${frame.height}`) {
      canvas.dataset.size = `${frame.width} ${frame.height}`;
      moving.fit(frame.width, frame.height);
      moving.repaint();
    }
    for (const one of map.querySelectorAll("[data-function]")) {
      const { x, y, width, height } = one.getBoundingClientRect();
      places.set(one.dataset.function, { x: x - frame.x, y: y - frame.y, width, height });
    }
  }

  const message = () => {
    if (state.unfed) return t("boardUnfed");
    if (!state.told) return state.lost ? "" : t("loading");
    const all = Object.values(board.functions);
    return t("boardAwake", all.filter(({ state: one }) => one !== "asleep").length, all.length);
  };

  const view = () => {
    const now = Date.now();
    const saga = board.sagas.get(highlighted());
    return html`
      ${heading(t("navLive"))}
      <p class="soft">${t("boardIntro")}</p>
      ${status(message())}
      ${state.lost && !state.unfed ? html`<div class="notice warn" role="alert" data-testid="lost"><p>${t("boardLost")}</p></div>` : nothing}
      ${state.told && !board.broker ? html`<div class="notice warn" role="alert" data-testid="broker-away"><p>${t("boardBrokerAway")}</p></div>` : nothing}
      ${state.told && !board.runtime ? html`<div class="notice warn" role="alert" data-testid="runtime-away"><p>${t("boardRuntimeAway")}</p></div>` : nothing}
      ${state.told ? html`
        ${facts(board, now)}
        ${reports(board) ? nothing : html`<p class="soft" data-testid="unreported">${t("unreported")}</p>`}
        <div class="map" data-testid="board" data-lost=${state.lost}>
          ${services(board).map(([folder, names]) => html`<section class="card service" aria-labelledby="service-${folder}">
            <h2 id="service-${folder}">${folder}</h2>
            <ul>${names.map((name) => node(board, name, now, saga?.functions.has(name) ?? false))}</ul>
          </section>`)}
          <canvas aria-hidden="true"></canvas>
        </div>
        <p class="soft legend">${t("boardLegend")}</p>
        <div class="beside">
          <div>${sagaList(sagas(board, SAGAS), saga?.id, choose)} ${chart(board, now)} ${demoCard()}</div>
          <div>${troubles(board)} ${eventList(board)}</div>
        </div>
        ${triggerTable(board)}` : html`<div class="card skeleton" aria-hidden="true"></div>`}
    `;
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
  Promise.allSettled([styled("/board/board.css")]).then(() => { if (!options.signal.aborted) end = follow(FEED, told, lost); });
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

function colors(map) {
  const style = getComputedStyle(map);
  return Object.fromEntries(Object.entries(COLORS).map(([kind, name]) => [kind, style.getPropertyValue(name).trim()]));
}
