// npm openid-client, certified as a relying party, with the checks it has and those it leaves to its user.
import assert from "node:assert/strict";
import { createRemoteJWKSet, importPKCS8, jwtVerify } from "jose";
import * as client from "openid-client";
import { atHash, keep, send } from "./talk.mjs";

const CALLBACK = "https://app.example/callback";
const SIGNED_OUT = "https://app.example/signed-out";
const SCOPES = "openid profile email offline_access notes:read notes:write";

async function discover({ issuer, secret }, id = "web", authentication = client.ClientSecretBasic(secret), metadata) {
  const config = await client.discovery(new URL(issuer), id, metadata, authentication);
  // It believes what comes from the token endpoint over TLS; here it looks at each signature as well.
  client.enableNonRepudiationChecks(config);
  return config;
}

// The first half of a login: what was sent, and what came back.
async function authorize(config, parameters = {}) {
  const sent = {
    state: client.randomState(),
    nonce: client.randomNonce(),
    pkceCodeVerifier: client.randomPKCECodeVerifier(),
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: SCOPES,
    state: sent.state,
    nonce: sent.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(sent.pkceCodeVerifier),
    code_challenge_method: "S256",
    ...parameters,
  });
  return { sent, callback: await send(url, CALLBACK) };
}

const redeem = async (config, { sent, callback }, checks = {}) =>
  keep(
    await client.authorizationCodeGrant(config, callback, {
      pkceCodeVerifier: sent.pkceCodeVerifier,
      expectedState: sent.state,
      expectedNonce: sent.nonce,
      idTokenExpected: true,
      ...checks,
    }),
  );

const logIn = async (config, parameters) => redeem(config, await authorize(config, parameters));

async function verify(config, token, audience, typ) {
  const server = config.serverMetadata();
  const keys = createRemoteJWKSet(new URL(server.jwks_uri));
  return jwtVerify(token, keys, { issuer: server.issuer, audience, typ });
}

export async function signs_in_refreshes_and_signs_out(setup) {
  const config = await discover(setup);
  const login = await authorize(config);
  assert.equal(login.callback.searchParams.get("iss"), setup.issuer, "RFC 9207");
  const tokens = await redeem(config, login);

  const { payload, protectedHeader } = await verify(config, tokens.id_token, "web");
  assert.equal(payload.nonce, login.sent.nonce);
  assert.equal(payload.at_hash, atHash(tokens.access_token, protectedHeader.alg));
  assert.ok(payload.auth_time <= payload.iat);
  assert.equal(typeof payload.sid, "string");
  const access = await verify(config, tokens.access_token, "https://notes.example", "at+jwt");
  assert.deepEqual(access.payload.scope.split(" ").sort(), SCOPES.split(" ").sort());
  const user = await client.fetchUserInfo(config, tokens.access_token, payload.sub);
  assert.equal(user.email, "alice@mail.example");

  const renewed = keep(await client.refreshTokenGrant(config, tokens.refresh_token));
  assert.notEqual(renewed.refresh_token, tokens.refresh_token);
  assert.equal(renewed.claims().auth_time, payload.auth_time);

  const state = client.randomState();
  const goodbye = client.buildEndSessionUrl(config, {
    id_token_hint: renewed.id_token,
    post_logout_redirect_uri: SIGNED_OUT,
    state,
  });
  const landed = await send(goodbye, SIGNED_OUT);
  assert.equal(landed.searchParams.get("state"), state);
  await assert.rejects(client.refreshTokenGrant(config, renewed.refresh_token), { error: "invalid_grant" });
  const silent = await authorize(config, { prompt: "none" });
  await assert.rejects(redeem(config, silent), { error: "login_required" });
}

export async function twenty_parallel_refreshes_stay_signed_in(setup) {
  const config = await discover(setup);
  const { refresh_token } = await logIn(config);
  const refresh = (token) => client.refreshTokenGrant(config, token);

  const renewed = await Promise.all(Array.from({ length: 20 }, () => refresh(refresh_token)));
  const successors = new Set(renewed.map((tokens) => keep(tokens).refresh_token));
  assert.equal(successors.size, 1, "all get the one successor");
  const [successor] = successors;
  await refresh(successor);

  // The first token again, after its successor was used: somebody has stolen it.
  await assert.rejects(refresh(refresh_token), { error: "invalid_grant" });
  await assert.rejects(refresh(successor), { error: "invalid_grant" });
}

export async function another_nonce_state_issuer_or_verifier_is_refused(setup) {
  const config = await discover(setup);
  const refused = async (edit, checks, expected) => {
    const login = await authorize(config);
    edit(login.callback.searchParams);
    await assert.rejects(redeem(config, login, checks), expected);
  };

  await refused(() => {}, { expectedNonce: "another" }, { code: "OAUTH_JWT_CLAIM_COMPARISON_FAILED" });
  await refused(() => {}, { expectedState: "another" }, { code: "OAUTH_INVALID_RESPONSE" });
  await refused((query) => query.set("iss", "https://attacker.example"), {}, { code: "OAUTH_INVALID_RESPONSE" });
  await refused((query) => query.delete("iss"), {}, { code: "OAUTH_INVALID_RESPONSE" });
  // Those were refused by the client; this one by the server.
  await refused(() => {}, { pkceCodeVerifier: client.randomPKCECodeVerifier() }, { error: "invalid_grant" });
}

export async function a_session_signs_in_without_a_page_and_a_code_works_once(setup) {
  const config = await discover(setup);
  const first = await logIn(config);
  const again = await authorize(config, { prompt: "none" });
  const second = await redeem(config, again);
  assert.equal(second.claims().sid, first.claims().sid);
  assert.equal(second.claims().auth_time, first.claims().auth_time);

  await assert.rejects(redeem(config, again), { error: "invalid_grant" });
  await assert.rejects(client.refreshTokenGrant(config, second.refresh_token), { error: "invalid_grant" });
  await client.refreshTokenGrant(config, first.refresh_token);
}

export async function introspection_follows_revocation(setup) {
  const config = await discover(setup);
  const api = await discover(setup, "notes-api");
  const tokens = await logIn(config);

  const active = await client.tokenIntrospection(api, tokens.access_token);
  assert.deepEqual(
    { active: active.active, client_id: active.client_id, sub: active.sub, iss: active.iss },
    { active: true, client_id: "web", sub: tokens.claims().sub, iss: setup.issuer },
  );
  assert.equal((await client.tokenIntrospection(config, tokens.refresh_token)).active, true);

  await client.tokenRevocation(config, tokens.refresh_token, { token_type_hint: "refresh_token" });
  assert.deepEqual(await client.tokenIntrospection(api, tokens.access_token), { active: false });
  assert.deepEqual(await client.tokenIntrospection(config, tokens.refresh_token), { active: false });
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
}

export async function a_service_gets_tokens_for_the_resource_it_names(setup) {
  const config = await discover(setup, "service", client.ClientSecretPost(setup.secret));
  const resource = "https://files.example";
  const tokens = keep(await client.clientCredentialsGrant(config, { scope: "files:read", resource }));
  assert.equal(tokens.refresh_token, undefined);
  assert.equal(tokens.id_token, undefined);
  const { payload } = await verify(config, tokens.access_token, resource, "at+jwt");
  assert.equal(payload.sub, "service");
  assert.equal(payload.scope, "files:read");

  const elsewhere = { scope: "files:read", resource: "https://elsewhere.example" };
  await assert.rejects(client.clientCredentialsGrant(config, elsewhere), { error: "invalid_target" });
}

export async function a_login_for_two_resources_gets_a_token_for_each(setup) {
  const config = await discover(setup);
  const resources = ["https://notes.example", "https://files.example"];
  const query = new URLSearchParams(resources.map((resource) => ["resource", resource]));
  const sent = { state: client.randomState(), pkceCodeVerifier: client.randomPKCECodeVerifier() };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: "openid offline_access notes:read files:read",
    state: sent.state,
    code_challenge: await client.calculatePKCECodeChallenge(sent.pkceCodeVerifier),
    code_challenge_method: "S256",
  });
  const callback = await send(`${url}&${query}`, CALLBACK);
  const tokens = await redeem(config, { sent, callback }, { expectedNonce: undefined });

  for (const [resource, scope] of [
    ["https://notes.example", "notes:read"],
    ["https://files.example", "files:read"],
  ]) {
    const narrowed = keep(await client.refreshTokenGrant(config, tokens.refresh_token, { resource }));
    tokens.refresh_token = narrowed.refresh_token;
    const { payload } = await verify(config, narrowed.access_token, resource, "at+jwt");
    assert.equal(payload.scope, scope);
    assert.equal([payload.aud].flat().includes(resources.find((other) => other !== resource)), false);
  }
}

export async function a_pushed_request_signs_in(setup) {
  const config = await discover(setup, "pushing");
  const sent = { state: client.randomState(), nonce: client.randomNonce(), pkceCodeVerifier: client.randomPKCECodeVerifier() };
  const request = {
    redirect_uri: CALLBACK,
    scope: "openid",
    state: sent.state,
    nonce: sent.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(sent.pkceCodeVerifier),
    code_challenge_method: "S256",
  };
  const url = await client.buildAuthorizationUrlWithPAR(config, request);
  assert.deepEqual([...url.searchParams.keys()].sort(), ["client_id", "request_uri"]);
  await redeem(config, { sent, callback: await send(url, CALLBACK) });

  const unpushed = await send(client.buildAuthorizationUrl(config, request), CALLBACK);
  await assert.rejects(redeem(config, { sent, callback: unpushed }), { error: "invalid_request" });
}

export async function each_algorithm_is_verified_by_jose(setup) {
  for (const [id, algorithm] of [
    ["web", "ES256"],
    ["rs256", "RS256"],
    ["eddsa", "EdDSA"],
  ]) {
    const metadata = { id_token_signed_response_alg: algorithm };
    const config = await discover(setup, id, client.ClientSecretBasic(setup.secret), metadata);
    const tokens = await logIn(config, { scope: "openid" });
    const { payload, protectedHeader } = await verify(config, tokens.id_token, id);
    assert.equal(protectedHeader.alg, algorithm);
    assert.equal(payload.at_hash, atHash(tokens.access_token, algorithm));
    const access = await verify(config, tokens.access_token, undefined, "at+jwt");
    assert.equal(access.protectedHeader.alg, algorithm);
  }
}

export async function an_api_exchanges_its_callers_token_for_one_of_its_own(setup) {
  const config = await discover(setup);
  const api = await discover(setup, "notes-api");
  const tokens = await logIn(config);
  const exchange = (further) =>
    client.genericGrantRequest(api, "urn:ietf:params:oauth:grant-type:token-exchange", {
      subject_token: tokens.access_token,
      subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
      ...further,
    });

  const exchanged = keep(await exchange({ audience: "https://search.example", scope: "notes:read" }));
  assert.equal(exchanged.issued_token_type, "urn:ietf:params:oauth:token-type:access_token");
  assert.equal(exchanged.refresh_token, undefined);
  const { payload } = await verify(api, exchanged.access_token, "https://search.example", "at+jwt");
  assert.deepEqual(
    { sub: payload.sub, client_id: payload.client_id, actor: payload.act.sub, scope: payload.scope },
    { sub: tokens.claims().sub, client_id: "notes-api", actor: "notes-api", scope: "notes:read" },
  );

  await assert.rejects(exchange({ audience: "https://search.example", scope: "notes:write" }), {
    error: "invalid_scope",
  });
  await assert.rejects(exchange({ audience: "https://files.example" }), { error: "invalid_target" });
  // A sign-out ends what the API may get as well.
  await client.tokenRevocation(config, tokens.refresh_token);
  await assert.rejects(exchange({ audience: "https://search.example" }), { status: 400 });
}

export async function a_client_signs_with_a_key_of_its_own(setup) {
  const key = await importPKCS8(setup.key, "ES256");
  const config = await discover(setup, "signed", client.PrivateKeyJwt({ key, kid: "own" }));
  const tokens = await logIn(config, { scope: "openid offline_access notes:read" });
  keep(await client.refreshTokenGrant(config, tokens.refresh_token));
  keep(await client.clientCredentialsGrant(config, { scope: "notes:read" }));

  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  const stranger = await discover(setup, "signed", client.PrivateKeyJwt({ key: pair.privateKey, kid: "own" }));
  const refusal = await client.clientCredentialsGrant(stranger, { scope: "notes:read" }).catch((error) => error);
  assert.equal(refusal.status ?? refusal.cause?.status, 401, refusal);
}
