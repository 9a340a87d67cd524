// Measures npm jose for `cargo bench -p resource-server --bench verify`: verification with a local key set. One JSON object a line:
// { jwks, tokens, issuer, audience } first, then { checks } each, answered by { clock, cpu }: nanoseconds of one check.
import { createInterface } from "node:readline";

import { createLocalJWKSet, jwtVerify } from "jose";

let keys, tokens, expected;
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if (order.jwks) {
    keys = createLocalJWKSet(order.jwks);
    tokens = order.tokens;
    expected = { issuer: order.issuer, audience: order.audience, typ: "at+jwt" };
    continue;
  }
  // As the other contenders do.
  await jwtVerify(tokens[0], keys, expected);
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  for (let check = 0; check < order.checks; check += 1) {
    await jwtVerify(tokens[check % tokens.length], keys, expected);
  }
  const clock = Number(process.hrtime.bigint() - began);
  const { user, system } = process.cpuUsage(cpu);
  const each = { clock: clock / order.checks, cpu: ((user + system) * 1000) / order.checks };
  process.stdout.write(`${JSON.stringify(each)}\n`);
}
