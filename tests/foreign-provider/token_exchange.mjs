// RFC 8693: an access token of ours is exchanged for one with another audience and at most its scopes.

import { errors } from 'oidc-provider';
import { jwtVerify } from 'jose';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

const PARAMETERS = [
  'subject_token', 'subject_token_type', 'requested_token_type', 'audience', 'scope', 'actor_token', 'actor_token_type',
];

async function verified(provider, key, token) {
  try {
    const { payload } = await jwtVerify(token, key, {
      issuer: provider.issuer, typ: 'at+jwt', algorithms: ['ES256'], currentDate: new Date(),
    });
    return payload;
  } catch {
    throw new errors.InvalidRequest('subject_token is not a live access token of this provider');
  }
}

export function registerTokenExchange(provider, key, known) {
  provider.registerGrantType(TOKEN_EXCHANGE, async (ctx) => {
    const { client, params } = ctx.oidc;
    if (params.subject_token_type !== ACCESS_TOKEN || !params.subject_token) {
      throw new errors.InvalidRequest('subject_token has to be an access token');
    }
    if (params.requested_token_type && params.requested_token_type !== ACCESS_TOKEN) {
      throw new errors.InvalidRequest('only access tokens are issued');
    }
    if (params.actor_token || !params.audience) {
      throw new errors.InvalidRequest('an audience is needed, and there is no delegation');
    }
    const subject = await verified(provider, key, params.subject_token);
    if (subject.client_id !== client.clientId) {
      throw new errors.InvalidRequest('subject_token was issued to somebody else');
    }
    const held = (subject.scope ?? '').split(' ');
    const wanted = params.scope ? params.scope.split(' ') : held;
    if (!wanted.every((scope) => held.includes(scope))) {
      throw new errors.InvalidScope('more than the subject_token allows', params.scope);
    }
    const token = new provider.AccessToken({ accountId: subject.sub, client, gty: 'token_exchange', scope: wanted.join(' ') });
    token.resourceServer = new provider.ResourceServer(params.audience, {
      scope: known, audience: params.audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
    });
    ctx.oidc.entity('AccessToken', token);
    const value = await token.save();
    ctx.body = {
      access_token: value,
      issued_token_type: ACCESS_TOKEN,
      token_type: token.tokenType,
      expires_in: token.expiration,
      scope: token.scope,
    };
  }, PARAMETERS);
}
