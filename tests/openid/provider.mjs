// A certified OpenID provider on a port of this machine: node provider.mjs '{"address": ..., "port": ..., "keys": ..., ...}'.
// Everybody may sign in, with any password; what a token says of somebody is in the settings, by the name. With `tls`, the
// files of a certificate and its key, it is asked by https.

import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import Provider from "oidc-provider";

const { address, port, tls, keys, people, audience, redirects } = JSON.parse(process.argv[2]);
const issuer = `${tls ? "https" : "http"}://${address}:${port}`;
const programs = Object.keys(people).map((name) => ({
  client_id: name, client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
}));
const page = {
  client_id: "airline", token_endpoint_auth_method: "none", redirect_uris: redirects, response_types: ["code"],
  grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
};

const provider = new Provider(issuer, {
  clients: [page, ...programs],
  jwks: { keys },
  scopes: ["openid", "offline_access"],
  pkce: { required: () => true },
  clientBasedCORS: () => true,
  issueRefreshToken: () => true,
  findAccount: (_, name) => ({ accountId: name, claims: () => ({ sub: name }) }),
  extraTokenClaims: (_, token) => people[token.accountId ?? token.clientId],
  ttl: { AccessToken: 600, ClientCredentials: 600 },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    devInteractions: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: "openid offline_access", audience, accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } }),
    },
  },
});
const server = tls
  ? https.createServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) }, provider.callback())
  : http.createServer(provider.callback());
server.listen(port, address, () => console.log("ready"));
