// Signing in at the OpenID Connect issuer of this airline: authorization code with PKCE (RFC 7636). Loaded only where there
// is an issuer. Tokens stay in this tab, and go to the issuer and to this gateway alone.

import { signWith } from "/api.js";
import { browser, tab } from "/storage.js";

const KEPT = "session";
const BEGUN = "signing-in";
const EARLY = 30_000; // ms before its end, from which a token is replaced: it has to arrive as well

// The session of this tab; `identity` is what the gateway says of the issuer, `onChange` hears that somebody is in or out.
export function session(identity, onChange) {
  let refreshing = null;

  const kept = () => tab.read(KEPT);
  const endpoints = once(() => discovered(identity.issuer));

  // Who is signed in: the name, and the number of a customer.
  function me() {
    const claims = kept() && claimsOf(kept().access);
    return claims && { name: claims.preferred_username ?? claims.sub ?? "", customer: claimed(claims, identity.ownerClaim) };
  }

  async function bearer() {
    let tokens = kept();
    if (tokens && tokens.expiresAt - EARLY < Date.now()) tokens = await (refreshing ??= refresh(tokens).finally(() => { refreshing = null; }));
    return tokens ? { Authorization: `Bearer ${tokens.access}` } : {};
  }

  async function signIn() {
    const { authorization_endpoint: where } = await endpoints();
    const begun = { state: random(), verifier: random(), back: location.pathname + location.search };
    tab.set(BEGUN, JSON.stringify(begun));
    const asked = {
      response_type: "code", client_id: identity.client, redirect_uri: `${location.origin}/`, scope: identity.scope, state: begun.state,
      code_challenge: await challenge(begun.verifier), code_challenge_method: "S256",
    };
    const address = new URL(where);
    for (const [name, value] of Object.entries(asked)) address.searchParams.set(name, value);
    location.assign(address);
  }

  // Where somebody comes back from the issuer: the address of the screen that they left; null for everybody else.
  async function finish() {
    const answer = new URLSearchParams(location.search);
    const begun = tab.read(BEGUN);
    if (!begun || location.pathname !== "/" || answer.get("state") !== begun.state) return null;
    tab.remove(BEGUN);
    if (answer.has("iss") && trimmed(answer.get("iss")) !== identity.issuer) throw new Error(answer.get("iss"));
    if (!answer.has("code")) throw new Error(answer.get("error_description") ?? answer.get("error") ?? "");
    const { token_endpoint: where } = await endpoints();
    const code = { grant_type: "authorization_code", code: answer.get("code"), code_verifier: begun.verifier, redirect_uri: `${location.origin}/` };
    keep(await post(where, { ...code, client_id: identity.client }));
    const { customer } = me();
    if (customer) browser.set("customer", customer);
    return begun.back;
  }

  async function signOut() {
    const { access, refresh: token } = kept() ?? {};
    out();
    const { revocation_endpoint: where } = await endpoints().catch(() => ({}));
    if (where && access) await post(where, { token: token ?? access, client_id: identity.client }).catch(() => null);
  }

  async function refresh({ refresh: token }) {
    try {
      const { token_endpoint: where } = await endpoints();
      return keep(await post(where, { grant_type: "refresh_token", refresh_token: token ?? "", client_id: identity.client }), token);
    } catch (error) {
      if (error instanceof TypeError) throw error; // the issuer is away, and may be back
      out();
      return null;
    }
  }

  function keep(answer, before) {
    const tokens = {
      access: answer.access_token, refresh: answer.refresh_token ?? before, expiresAt: Date.now() + 1000 * (answer.expires_in ?? 60),
    };
    tab.set(KEPT, JSON.stringify(tokens));
    onChange();
    return tokens;
  }

  function out() {
    tab.remove(KEPT);
    browser.remove("customer");
    onChange();
  }

  signWith(bearer);
  return { me, signIn, finish, signOut };
}

const trimmed = (issuer) => issuer.replace(/\/$/, "");

async function discovered(issuer) {
  const answer = await fetch(`${issuer}/.well-known/openid-configuration`);
  const found = await answer.json();
  if (trimmed(found.issuer) !== issuer) throw new Error(found.issuer);
  return found;
}

async function post(where, form) {
  const answer = await fetch(where, { method: "POST", body: new URLSearchParams(form) });
  const text = await answer.text();
  const document = text ? JSON.parse(text) : {};
  if (!answer.ok) throw new Error(document.error_description ?? document.error ?? `HTTP ${answer.status}`);
  return document;
}

// The same promise for all who ask, until it fails.
function once(make) {
  let made = null;
  return () => (made ??= make().catch((error) => { made = null; throw error; }));
}

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

// Browsers have it on https and on this machine's own addresses only.
const challenge = async (verifier) => base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))));

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

// What a token says, for the eyes of its owner; the functions verify it.
function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}

const claimed = (claims, name) => claims[name] ?? name.split(".").reduce((found, part) => found?.[part], claims) ?? null;
