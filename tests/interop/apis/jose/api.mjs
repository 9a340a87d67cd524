// An API that takes access tokens of one issuer, by npm jose.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { isRevoked } from "./status.mjs";

const { ISSUER, AUDIENCE, PORT = "0" } = process.env;

const keys = createRemoteJWKSet(new URL(`${ISSUER}/jwks`), {
  cacheMaxAge: 300_000, // a withdrawn key is believed for five minutes at most; the default is ten
  cooldownDuration: 30_000, // names of keys that nobody knows cause one fetch in thirty seconds, however many come
  timeoutDuration: 5_000,
});

const rules = {
  typ: "at+jwt", // RFC 9068: neither an ID token nor a logout token
  issuer: ISSUER, // byte for byte
  audience: AUDIENCE,
  algorithms: ["ES256", "EdDSA", "RS256"],
  requiredClaims: ["exp", "iat", "sub", "client_id", "jti"], // what is required is not left out unseen
  clockTolerance: 5,
};

// What is wrong with a token. Everything else that jose throws is about the keys: that is no fault of the caller.
const TOKEN_FAULTS = new Set([
  "ERR_JWS_INVALID",
  "ERR_JWT_INVALID",
  "ERR_JWT_EXPIRED",
  "ERR_JWT_CLAIM_VALIDATION_FAILED",
  "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
  "ERR_JOSE_ALG_NOT_ALLOWED",
  "ERR_JOSE_NOT_SUPPORTED",
  "ERR_JWKS_NO_MATCHING_KEY",
  "ERR_JWKS_MULTIPLE_MATCHING_KEYS",
]);

// The claims of the request's token, or the refusal: [status, headers].
export async function admit(request, scope) {
  const [, token] = /^Bearer +([\w.~+/-]+=*)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!token) {
    return { refusal: [401, { "WWW-Authenticate": 'Bearer realm="notes"' }] };
  }
  let claims;
  try {
    claims = (await jwtVerify(token, keys, rules)).payload;
    if (await isRevoked(claims, ISSUER, keys)) {
      return { refusal: [401, challenge("invalid_token")] };
    }
  } catch (error) {
    return { refusal: TOKEN_FAULTS.has(error.code) ? [401, challenge("invalid_token")] : [503, { "Retry-After": "5" }] };
  }
  if (!String(claims.scope ?? "").split(" ").includes(scope)) {
    return { refusal: [403, challenge("insufficient_scope", `, scope="${scope}"`)] };
  }
  return { claims };
}

const challenge = (error, more = "") => ({ "WWW-Authenticate": `Bearer realm="notes", error="${error}"${more}` });

const server = createServer(async (request, response) => {
  const { refusal, claims } = await admit(request, request.method === "GET" ? "notes:read" : "notes:write");
  if (refusal) {
    return response.writeHead(...refusal).end();
  }
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ notes_of: claims.sub }));
});
server.listen(Number(PORT), "127.0.0.1", () => console.log(`listens on ${server.address().port}`));
