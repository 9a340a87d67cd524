// An OpenID provider that is not ours: npm `oidc-provider` as a confidential web client meets it in the field. PKCE is
// required, refresh tokens rotate and a second use of one revokes the grant, access tokens are RFC 9068 JWTs.
//
// The harness speaks to it in lines of JSON. The first line on stdin is the set-up; the answer on stdout is
// `{"port": …}` once connections are accepted. Every line says what time it is, and each
// later one is answered by one line. When stdin ends,
// the harness has gone and so does this process.

import { setTime } from './clock.mjs';
import * as pages from './pages.mjs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';

// Standard output belongs to the answers.
console.info = console.error;
console.log = console.error;

// Imported late: the library must see the shifted clock.
const { default: Provider } = await import('oidc-provider');

const { registerTokenExchange, TOKEN_EXCHANGE } = await import('./token_exchange.mjs');

const NOTES_SCOPES = 'notes:read notes:write';

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), alg: 'ES256', use: 'sig' };
}

function configuration(setup) {
  return {
    clients: [{
      client_id: setup.client_id,
      client_secret: setup.client_secret,
      redirect_uris: setup.redirect_uris,
      post_logout_redirect_uris: setup.post_logout_redirect_uris,
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials', TOKEN_EXCHANGE],
      backchannel_logout_uri: setup.backchannel_logout_uri,
      backchannel_logout_session_required: true,
      response_types: ['code'],
      token_endpoint_auth_method: setup.client_auth,
      id_token_signed_response_alg: 'ES256',
    }],
    jwks: { keys: [signingKey()] },
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    scopes: ['openid', 'offline_access', 'profile', 'email'],
    claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, sub) => ({
      accountId: sub,
      claims: () => ({ sub, name: sub, email: setup.users[sub]?.email, email_verified: true }),
    }),
    pkce: { required: () => true },
    // The library's own default hands refresh tokens to web clients only after prompt=consent.
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: setup.access_token_lifetime,
      AuthorizationCode: 60,
      IdToken: setup.access_token_lifetime,
      RefreshToken: 30 * 24 * 3600,
      Grant: 90 * 24 * 3600,
      Interaction: 3600,
      Session: 24 * 3600,
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => { ctx.body = pages.signOut(form); },
        postLogoutSuccessSource: (ctx) => { ctx.body = pages.message('Signed out', 'You have signed out.'); },
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => setup.audience,
        useGrantedResource: () => true,
        getResourceServerInfo: (_ctx, indicator) => ({
          scope: NOTES_SCOPES,
          audience: indicator,
          accessTokenFormat: 'jwt',
          accessTokenTTL: setup.access_token_lifetime,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
    // The library's own dispatcher refuses to call loopback addresses, and the app listens on IPv4 only.
    fetch: (url, { dispatcher: _, ...options }) =>
      fetch(String(url).replace('//localhost:', '//127.0.0.1:'), options),
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = pages.message('The request was refused', out.error);
    },
  };
}

/** Everything the client asked for is granted: consent is not what these tests are about. */
async function grantAll(provider, setup, params, accountId) {
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  for (const resource of [params.resource ?? setup.audience].flat()) {
    grant.addResourceScope(resource, NOTES_SCOPES);
  }
  return grant.save();
}

async function readForm(request) {
  const chunks = [];
  for await (const chunk of request) {
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function sendPage(response, status, html) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(html);
}

async function interact(provider, setup, request, response) {
  const { uid, params, prompt, session } = await provider.interactionDetails(request, response);
  const finish = (result) => provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  const form = request.method === 'POST' ? await readForm(request) : undefined;

  if (form?.get('decision') === 'deny') {
    return finish({ error: 'access_denied', error_description: 'the user said no <b>&</b> left' });
  }
  if (prompt.name === 'consent') {
    return finish({ consent: { grantId: await grantAll(provider, setup, params, session.accountId) } });
  }
  if (!form) {
    return sendPage(response, 200, pages.signIn(uid));
  }
  const name = form.get('username');
  if (setup.users[name]?.password !== form.get('password')) {
    return sendPage(response, 200, pages.signIn(uid, 'The user name or the password is wrong.'));
  }
  const grantId = await grantAll(provider, setup, params, name);
  return finish({ login: { accountId: name }, consent: { grantId } });
}

function serve(setup) {
  const settings = configuration(setup);
  const provider = new Provider(setup.issuer, settings);
  registerTokenExchange(provider, createPublicKey({ key: settings.jwks.keys[0], format: 'jwk' }), NOTES_SCOPES);
  provider.on('server_error', (_ctx, error) => console.error(error));
  const oidc = provider.callback();
  const server = createServer((request, response) => {
    if (!request.url.startsWith('/interaction/')) {
      oidc(request, response);
      return;
    }
    interact(provider, setup, request, response).catch((error) => {
      console.error(error);
      sendPage(response, 400, pages.message('The request was refused', error.name));
    });
  });
  server.listen(0, '127.0.0.1', () => answer({ port: server.address().port }));
}

function answer(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

let serving = false;
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const message = JSON.parse(line);
    if (!serving) {
      serving = true;
      setTime(message.now);
      serve(message);
      return;
    }
    setTime(message.now);
    answer({ now: message.now });
  })
  .on('close', () => process.exit(0));
