// Swagger UI, without its frame: the operations of one OpenAPI document, each to be tried on the system that serves this page.

import { styled } from "/parts.js";

const STYLES = ["/vendor/swagger-ui.css", "/docs.css"];
const DARK = matchMedia("(prefers-color-scheme: dark)");

export async function showOperations(document, place, { signal, ...interceptors }) {
  const [{ SwaggerUI }] = await Promise.all([import("/vendor/swagger-ui.js"), ...STYLES.map(styled)]);
  if (signal.aborted) return;
  delete document.components.parameters?.["Idempotency-Key"]?.example; // filled in, it would make the second try a repeat
  followColors(signal);
  label(place, signal);
  SwaggerUI({
    spec: document, domNode: place, plugins: [frameless], layout: "Frameless", validatorUrl: null, docExpansion: "list",
    defaultModelsExpandDepth: 0, displayRequestDuration: true, syntaxHighlight: false, ...interceptors,
  });
}

// Title, description and servers are shown by the screen, which has the headings and the landmarks.
function frameless({ React, getComponent }) {
  const part = (name) => React.createElement(getComponent(name, true));
  return { components: { Frameless: () => React.createElement("div", { className: "swagger-ui" }, part("operations"), part("Models")) } };
}

function followColors(signal) {
  const follow = () => document.documentElement.classList.toggle("dark-mode", DARK.matches);
  follow();
  DARK.addEventListener("change", follow, { signal });
  signal.addEventListener("abort", () => document.documentElement.classList.remove("dark-mode"));
}

// Swagger UI gives most of its fields no label, its headings skip a level, and its long examples are out of reach of keys.
function label(place, signal) {
  const observer = new MutationObserver(() => {
    for (const field of place.querySelectorAll("select, textarea, input")) name(field);
    for (const text of place.querySelectorAll("pre:not([tabindex])")) text.tabIndex = 0;
    for (const title of place.querySelectorAll("h4, h5")) title.setAttribute("aria-level", title.localName === "h4" ? "3" : "4");
  });
  observer.observe(place, { childList: true, subtree: true });
  signal.addEventListener("abort", () => observer.disconnect());
}

function name(field) {
  if (field.labels?.length || field.getAttribute("aria-label")) return;
  const row = field.closest("tr");
  field.setAttribute("aria-label", row?.dataset.paramName || field.placeholder || "value");
}
