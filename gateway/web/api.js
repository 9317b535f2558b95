// The public HTTP API. Functions sleep, so an answer may be late: whoever calls learns which one is waking.

export const LATE = 1000; // ms until a call is said to wake a function
const PATIENCE = 60_000; // ms that a command is sent again for want of an answer
const LONGEST_PAUSE = 8000;
const UNANSWERED = new Set([429, 500, 502, 503, 504]);
const OWNERS = [
  [/^\/reservations\/[^/]+\/events/, "dashboard"],
  [/^\/(reservations|(outbox|audit)\/reserve)/, "reserve"],
  [/^\/(flights|promotions|holds|audit\/flight-seats)/, "flight-seats"],
  [/^\/(payments|ledger|outbox\/payment)/, "payment"],
  [/^\/(customerInfos|audit\/dashboard)/, "dashboard"],
  [/^\/(dead-letters|audit\/dead-letters)/, "dead-letters"],
];

// An answer that refuses (RFC 9457).
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `HTTP ${status}`);
    this.status = status;
    this.fields = Object.fromEntries((document.errors ?? []).map(({ field, message }) => [field, message]));
  }
}

// No answer at all: the network, or the gateway, is away.
export class NoAnswer extends Error {}

export function mayBeRepeated(error) {
  return error instanceof NoAnswer || (error instanceof Problem && UNANSWERED.has(error.status));
}

// The headers that say who asks, once somebody has signed in (session.js).
let signature = async () => ({});
export function signWith(how) {
  signature = how;
}
export const signed = () => signature();

function functionOf(path) {
  return OWNERS.find(([pattern]) => pattern.test(path))?.[1] ?? "gateway";
}

let ahead = null; // ms by which this machine's clock is ahead of the airline's; null before the first answer
const TOLERATED = 2000; // ms; an answer says its time in whole seconds, and was on its way

// The airline's time, in ms since 1970: people's clocks may be wrong by hours.
export const now = () => Date.now() - (ahead ?? 0);

// The same where nothing may have been asked yet: then the gateway is, which wakes no function.
export async function certainlyNow(options) {
  if (ahead === null) await get("/healthz", options);
  return now();
}

function compare(answer) {
  const found = Date.now() - Date.parse(answer.headers.get("date"));
  if (Math.abs(found - (ahead ?? 0)) > TOLERATED) ahead = found;
  ahead ??= 0;
}

// One request. `onWaking` hears the function's name and true when the answer is late, and the name and false when it is there.
export async function call(method, path, { body, key, signal, onWaking = () => {} } = {}) {
  const late = setTimeout(() => onWaking(functionOf(path), true), LATE);
  try {
    const { headers, ...rest } = sent(body, key);
    const answer = await fetch(path, { method, signal, cache: "no-store", headers: { ...headers, ...(await signature()) }, ...rest });
    compare(answer);
    return await read(answer);
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new NoAnswer(error.message);
  } finally {
    clearTimeout(late);
    if (!signal?.aborted) onWaking(functionOf(path), false);
  }
}

export const get = (path, options) => call("GET", path, options);

// Where the page behind a page of a list begins; null behind the last one.
export function behind({ _links }) {
  return _links.next ? new URL(_links.next.href, location.href).searchParams.get("after") : null;
}

// Sends a command until there is an answer; the key makes all of them one command. What a repeat cannot mend is thrown.
export async function command(method, path, { onAgain = () => {}, ...options }) {
  const until = Date.now() + PATIENCE;
  for (let pause = 1000; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      return await call(method, path, options);
    } catch (error) {
      if (!mayBeRepeated(error) || Date.now() + pause > until) throw error;
      onAgain(error);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}

// randomUUID is only there on https and on this machine's own addresses.
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function sent(body, key) {
  const headers = { Accept: "application/hal+json, application/problem+json" };
  if (key) headers["Idempotency-Key"] = key;
  if (body === undefined) return { headers };
  return { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function read(answer) {
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
  return answer.status === 204 ? null : answer.json();
}
