// The frame of the page: which screen an address shows, the navigation, the language.

import { html, nothing, render } from "/vendor/lit.js";
import { get, NoAnswer } from "/api.js";
import { drawAgain, failure, heading, onScreen, styled } from "/parts.js";
import { browser } from "/storage.js";
import { language, learn, preferred, speak, t } from "/words.js";

const SCREENS = [
  [/^\/$/, () => import("/screens/search.js")],
  [/^\/book$/, () => import("/screens/book.js")],
  [/^\/trips$/, () => import("/screens/trips.js")],
  [/^\/trips\/([^/]+)$/, () => import("/screens/trip.js")],
  [/^\/customers$/, () => import("/screens/customer.js")],
  [/^\/live$/, () => import("/screens/live.js")],
  [/^\/docs$/, () => import("/screens/docs.js")],
  [/^\/ops$/, () => operators("letters")],
  [/^\/ops\/(sagas|outboxes|checks|flights|audit)$/, ([, name]) => operators(name)],
  [/^\/ops\/sagas\/([^/]+)$/, () => operators("saga")],
];
const LINKS = [
  ["/", "navSearch"], ["/trips", "navTrips"], ["/customers", "navCustomer"], ["/live", "navLive"], ["/docs", "navDocs"],
  ["/ops", "navOps"],
];

// Customers load nothing of it.
async function operators(name) {
  const [screen] = await Promise.all([import(`/screens/ops/${name}.js`), styled("/ops.css"), learn("ops")]);
  return screen;
}

const icon = document.querySelector("link[rel=icon]").href; // one picture, and no request for it

let leave = () => {};
let session = null; // where people sign in
let trouble = null; // a word and its values
let shown = 0;

// The screen that is there works until the next one is loaded. Then the address, the screen and the focus change in one step,
// so no key or click goes to a screen that has ended.
async function show({ address = location.href, enter = () => {}, focus = true } = {}) {
  const turn = ++shown;
  const { pathname, search } = new URL(address, location.href);
  const [load, found] = screenOf(pathname);
  if (session) await learn("session");
  const { default: start, wide = false } = (await load(found).catch(() => null)) ?? { default: lost };
  if (turn !== shown) return; // somebody has gone on meanwhile
  leave();
  enter();
  frame();
  const main = document.querySelector("main");
  render(html``, main);
  main.classList.toggle("wide", wide);
  leave = start({ main, parameters: found.slice(1).map(decoded), query: new URLSearchParams(search), go }) ?? (() => {});
  entitle();
  if (focus) main.querySelector("h1")?.focus();
}

// The screen itself could not be fetched. A module that failed once may fail for ever, so the whole page is loaded again.
function lost({ main }) {
  const view = () => html`${heading(t("noScreen"))}${failure(new NoAnswer(), () => location.reload())}`;
  const { draw, leave: end } = onScreen(main, {}, view);
  draw();
  return end;
}

function entitle() {
  document.title = `${document.querySelector("h1")?.textContent ?? ""} · ${t("name")}`;
}

// Whatever somebody has pasted.
function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function screenOf(path) {
  for (const [pattern, load] of SCREENS) {
    const found = pattern.exec(path);
    if (found) return [load, found];
  }
  return [() => import("/screens/nowhere.js"), [path]];
}

function go(address, { replace = false } = {}) {
  return show({ address, enter: () => history[replace ? "replaceState" : "pushState"](null, "", address) });
}

function frame() {
  const current = (path) => ((path === "/" ? location.pathname === path : `${location.pathname}/`.startsWith(`${path}/`)) ? "page" : nothing);
  render(
    html`
      <a class="skip" href="#main">${t("skip")}</a>
      <header class="bar">
        <a class="brand" href="/"><img src=${icon} alt="" width="28" height="28">${t("name")}</a>
        <nav aria-label=${t("navigation")}>
          ${LINKS.map(([path, word]) => html`<a href=${path} data-testid=${word} aria-current=${current(path)}>${t(word)}</a>`)}
        </nav>
        ${session ? signing(session.me()) : nothing}
        <button class="plain" data-testid="language" lang=${other()} @click=${switchLanguage}>${t("otherLanguage")}</button>
      </header>
      ${trouble ? html`<p class="notice bad" role="alert" data-testid="trouble">${t(...trouble)}</p>` : nothing}
      <main id="main"></main>
    `,
    document.body,
  );
}

const signing = (me) => (me
  ? html`<button class="plain" data-testid="sign-out" @click=${() => session.signOut().then(() => show())}>${t("signOut", me.name)}</button>`
  : html`<button class="plain" data-testid="sign-in" @click=${() => session.signIn().catch(untold)}>${t("signIn")}</button>`);

function untold(error) {
  trouble = ["notSignedIn", error.message];
  frame();
}

// Where the airline asks nobody to sign in, nothing of it is loaded.
async function identify() {
  const [page] = performance.getEntriesByType("navigation");
  if (!page?.serverTiming?.some(({ name }) => name === "identity")) return;
  const identity = await get("/identity").catch(() => null);
  if (!identity?.issuer) return;
  const [{ session: open }] = await Promise.all([import("/session.js"), learn("session")]);
  session = open(identity, () => { if (shown) frame(); });
  try {
    const back = await session.finish();
    if (back) history.replaceState(null, "", back);
  } catch (error) {
    trouble = ["notSignedIn", error.message];
    history.replaceState(null, "", "/");
  }
}

const other = () => (language === "en" ? "ko" : "en");

// The screen stays as it is, with what was typed and sent; only its words change.
async function switchLanguage() {
  const wanted = other();
  const spoken = await speak(wanted).then(() => true, () => false);
  trouble = spoken ? null : ["noAnswer"];
  if (spoken) browser.set("language", wanted);
  frame();
  drawAgain();
  entitle();
}

function follow(event) {
  const link = event.target.closest?.("a[href]");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.origin !== location.origin || link.target || link.hash || event.defaultPrevented) return;
  if (!SCREENS.some(([pattern]) => pattern.test(link.pathname))) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

document.addEventListener("click", follow);
addEventListener("popstate", () => show());
await speak(preferred());
await identify();
frame();
await show({ focus: false });
