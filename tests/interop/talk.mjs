// How a story speaks with the harness: one JSON object a line, each way.
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const next = async () => JSON.parse((await lines.next()).value);

export const say = (words) => process.stdout.write(`${JSON.stringify(words)}\n`);

// Sends somebody with a browser to an address. They sign in if they are asked to, and come back with the address below
// `target` that the provider sent them to.
export async function send(address, target) {
  say({ visit: address.toString(), target });
  return new URL((await next()).arrived);
}

// What must never be in the server's log.
export function keep(tokens) {
  for (const name of ["access_token", "refresh_token", "id_token"]) {
    if (tokens[name]) {
      say({ secret: tokens[name] });
    }
  }
  return tokens;
}

// OpenID Connect Core §3.1.3.6: the left half of the access token's hash, by the hash of the ID token's algorithm.
export function atHash(accessToken, algorithm) {
  const hash = createHash(algorithm === "EdDSA" || algorithm === "Ed25519" ? "sha512" : "sha256");
  const digest = hash.update(accessToken).digest();
  return digest.subarray(0, digest.length / 2).toString("base64url");
}
