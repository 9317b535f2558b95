// The contracts: the OpenAPI document of each HTTP function, to be tried out, and the AsyncAPI document of the events.
// The documents are files of this page; looking at them wakes nobody.

import { html, nothing } from "/vendor/lit.js";
import { get, LATE, Problem, signed } from "/api.js";
import { failure, heading, onScreen, status, waking } from "/parts.js";
import { eventDocument } from "/screens/docs-events.js";
import { showOperations } from "/screens/docs-operations.js";
import { t } from "/words.js";

const EVENTS = "events";

export const wide = true;

export default function start({ main, query }) {
  const wanted = query.get("document") ?? "reserve";
  const state = { documents: [], events: null, info: null, ready: false, error: null, waking: null };
  const { draw, options, leave } = onScreen(main, state, () => view());

  async function load() {
    state.error = null;
    draw();
    try {
      state.documents = await get("/contracts/openapi.json", options);
      if (wanted === EVENTS) state.events = await get("/contracts/asyncapi.json", options);
      else await tryOut(await get(`/contracts/openapi/${encodeURIComponent(wanted)}.json`, options));
      state.ready = true;
    } catch (error) {
      state.error = error;
    }
    draw();
  }

  async function tryOut(document) {
    state.info = document.info;
    await showOperations(document, main.querySelector("#tried"), { signal: options.signal, ...lateness() });
  }

  // Swagger UI asks by itself; here it is only seen that an answer is late.
  function lateness() {
    let late = 0;
    return {
      requestInterceptor: async (request) => {
        late = setTimeout(() => options.onWaking(wanted, true), LATE);
        Object.assign(request.headers, await signed());
        return request;
      },
      responseInterceptor: (response) => { clearTimeout(late); options.onWaking(wanted, false); return response; },
    };
  }

  const trouble = (error) => (error instanceof Problem && error.status === 404
    ? html`<div class="notice bad" role="alert" data-testid="failure"><p>${t("noDocument")}</p></div>` : failure(error, load));

  const view = () => html`
    ${heading(t("navDocs"))}
    <p class="soft">${t("docsHint")}</p>
    <nav class="tabs" aria-label=${t("documents")}>
      ${state.documents.map(({ name, title }) => tab(name, title))}
      ${state.documents.length ? tab(EVENTS, t("docsEvents")) : nothing}
    </nav>
    ${status(waking(state.waking) || (state.ready || state.error ? "" : t("loading")))}
    ${state.error ? trouble(state.error) : nothing}
    ${state.events ? eventDocument(state.events) : operations()}
  `;

  const operations = () => html`<section ?hidden=${!state.ready} lang="en">
    <h2>${state.info?.title}</h2>
    <details class="soft"><summary data-testid="manners">${t("docsManners")}</summary><p>${state.info?.description}</p></details>
    <div id="tried" data-testid="openapi"></div>
  </section>`;

  const tab = (name, title) => html`<a href="/docs?document=${name}" data-testid="document-${name}"
    aria-current=${name === wanted ? "page" : nothing}>${title}</a>`;

  draw();
  load();
  return leave;
}
