// Verifies tokens by npm jose, with the key set from its address as jose keeps it. One JSON object a line: the address
// first, then { token, issuer, audience, typ, now } each, answered by {} or { refused }.
import { createInterface } from "node:readline";

import { createRemoteJWKSet, jwtVerify } from "jose";

import { setTime } from "../foreign-provider/clock.mjs";

let keys;
for await (const line of createInterface({ input: process.stdin })) {
  const { jwks, token, now, ...expected } = JSON.parse(line);
  if (jwks) {
    keys = createRemoteJWKSet(new URL(jwks));
    continue;
  }
  setTime(now);
  const verdict = await jwtVerify(token, keys, expected).then(
    () => ({}),
    (error) => ({ refused: error.code ?? String(error) }),
  );
  process.stdout.write(`${JSON.stringify(verdict)}\n`);
}
