// npm oauth4webapi: what openid-client is built on, used step by step by a program on somebody's device and by an API.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import { keep, send } from "./talk.mjs";

// RFC 8252 §7.3: registered without a port.
const CALLBACK = "http://127.0.0.1:51234/callback";
const API = "https://notes.example";
const app = { client_id: "app" };
const nobody = oauth.None();

async function discover({ issuer }, algorithm = "oidc") {
  const url = new URL(issuer);
  return oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm }));
}

async function logIn(server, scope = "openid offline_access notes:read") {
  const [verifier, state, nonce] = [
    oauth.generateRandomCodeVerifier(),
    oauth.generateRandomState(),
    oauth.generateRandomNonce(),
  ];
  const url = new URL(server.authorization_endpoint);
  const asked = {
    client_id: app.client_id,
    response_type: "code",
    redirect_uri: CALLBACK,
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  url.search = new URLSearchParams(asked).toString();
  const callback = await send(url, CALLBACK);
  const parameters = oauth.validateAuthResponse(server, app, callback, state);
  const redeem = () =>
    oauth.authorizationCodeGrantRequest(server, app, nobody, parameters, CALLBACK, verifier);
  const response = await redeem();
  const checks = { expectedNonce: nonce, requireIdToken: true };
  const tokens = keep(await oauth.processAuthorizationCodeResponse(server, app, response, checks));
  await oauth.validateApplicationLevelSignature(server, response);
  return { tokens, redeem };
}

async function refresh(server, token) {
  const response = await oauth.refreshTokenGrantRequest(server, app, nobody, token);
  return keep(await oauth.processRefreshTokenResponse(server, app, response));
}

// What an API of theirs thinks of a token of ours: RFC 9068 §4.
const judge = (server, token, audience = API) =>
  oauth.validateJwtAccessToken(
    server,
    new Request(API, { headers: { authorization: `Bearer ${token}` } }),
    audience,
  );

export async function an_app_signs_in_refreshes_and_is_believed_by_an_api(setup) {
  const server = await discover(setup);
  const { tokens } = await logIn(server);
  const claims = await judge(server, tokens.access_token);
  assert.equal(claims.client_id, "app");
  assert.equal(claims.sub, oauth.getValidatedIdTokenClaims(tokens).sub);
  await assert.rejects(judge(server, tokens.access_token, "https://elsewhere.example"));
  // RFC 8725 §3.12: the ID token is not for APIs.
  await assert.rejects(judge(server, tokens.id_token, "app"));

  const renewed = await refresh(server, tokens.refresh_token);
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  await judge(server, renewed.access_token);

  const response = await oauth.revocationRequest(server, app, nobody, renewed.refresh_token);
  await oauth.processRevocationResponse(response);
  await assert.rejects(refresh(server, renewed.refresh_token), { error: "invalid_grant" });
}

export async function both_forms_of_the_metadata_are_one(setup) {
  assert.deepEqual(await discover(setup, "oidc"), await discover(setup, "oauth2"));
}

export async function a_code_that_comes_twice_ends_what_the_first_brought(setup) {
  const server = await discover(setup);
  const { tokens, redeem } = await logIn(server);
  const again = await redeem();
  await assert.rejects(oauth.processAuthorizationCodeResponse(server, app, again), { error: "invalid_grant" });
  await assert.rejects(refresh(server, tokens.refresh_token), { error: "invalid_grant" });
}

export async function challenges_are_read_as_they_are_meant(setup) {
  const server = await discover(setup);
  const ask = async (token) =>
    oauth.processUserInfoResponse(
      server,
      app,
      oauth.skipSubjectCheck,
      await oauth.userInfoRequest(server, app, token),
    );
  const { tokens } = await logIn(server, "openid");
  assert.equal((await ask(tokens.access_token)).sub, oauth.getValidatedIdTokenClaims(tokens).sub);

  const refusal = await ask(`${tokens.access_token}x`).catch((error) => error);
  assert.equal(refusal.code, oauth.WWW_AUTHENTICATE_CHALLENGE);
  const [challenge] = refusal.cause;
  assert.deepEqual([challenge.scheme, challenge.parameters.error], ["bearer", "invalid_token"]);

  const confidential = { client_id: "web" };
  const wrong = oauth.ClientSecretBasic("not the secret");
  const response = await oauth.refreshTokenGrantRequest(server, confidential, wrong, "anything");
  const refused = await oauth.processRefreshTokenResponse(server, confidential, response).catch((error) => error);
  assert.ok(refused.error === "invalid_client" || refused.code === oauth.WWW_AUTHENTICATE_CHALLENGE, refused.code);
}
