// The feed of the live board: server-sent events. A feed that is lost is asked for again, and begins with a snapshot.

import { signed } from "/api.js";

const AGAIN = 2000; // ms until a feed that was refused is asked for again; the browser itself mends one that breaks off
const REFUSED = EventSource.CLOSED;

// `onDocument` hears each document, `onLost` that there is no feed, and whether there is nobody who could feed it.
export function follow(path, onDocument, onLost) {
  const leaving = new AbortController();
  let source;
  let again;
  async function begin() {
    const headers = await signed();
    if (leaving.signal.aborted) return;
    if (headers.Authorization) read(headers);
    else open();
  }
  function open() {
    source = new EventSource(path);
    source.onmessage = ({ data }) => taken(JSON.parse(data));
    source.onerror = lost;
  }
  // A cluster's board ends each stream after a while and says so: nothing is lost.
  function taken(document) {
    if (document.kind !== "over") return onDocument(document);
    source.close();
    open();
  }
  async function lost() {
    const mine = source;
    const refused = mine.readyState === REFUSED;
    onLost(refused && (await unfed(path)));
    if (refused && mine === source) again = setTimeout(begin, AGAIN);
  }
  // An EventSource can show no token.
  async function read(headers) {
    let over = false;
    const hear = (document) => { if (document.kind === "over") over = true; else onDocument(document); };
    const status = await streamed(path, headers, leaving.signal, hear).catch(() => 0);
    if (leaving.signal.aborted) return;
    if (over) return begin();
    onLost(status === 404);
    again = setTimeout(begin, AGAIN);
  }
  begin();
  return () => {
    leaving.abort();
    clearTimeout(again);
    source?.close();
    source = null;
  };
}

// Hears one feed to its end, by whoever may; the status of the answer.
async function streamed(path, headers, signal, onDocument) {
  const answer = await fetch(path, { signal, headers, cache: "no-store" });
  const reader = answer.ok ? answer.body.pipeThrough(new TextDecoderStream()).getReader() : null;
  for (let text = ""; reader; ) {
    const { value, done } = await reader.read();
    if (done) break;
    const messages = (text + value).split("\n\n");
    text = messages.pop();
    for (const message of messages) if (message.startsWith("data: ")) onDocument(JSON.parse(message.slice(6)));
  }
  return answer.status;
}

// An EventSource does not say why it was refused.
async function unfed(path) {
  const leaving = new AbortController();
  const answer = await fetch(path, { signal: leaving.signal, cache: "no-store" }).catch(() => null);
  leaving.abort();
  return answer?.status === 404;
}
