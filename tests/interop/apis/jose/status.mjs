// Who has signed out meanwhile: the Token Status List of the issuer (draft-ietf-oauth-status-list).
import { inflateSync } from "node:zlib";
import { jwtVerify } from "jose";

const LONGEST = 16 * 1024 * 1024;
const lists = new Map();

// Whether the grant of a verified token has ended. Throws when that cannot be told.
export async function isRevoked(claims, issuer, keys) {
  if (claims.status === undefined) {
    return false; // a service's own token: there is nobody to sign out
  }
  const { idx, uri } = claims.status.status_list;
  // The issuer signed it; even so nobody is called but the issuer.
  if (!Number.isSafeInteger(idx) || idx < 0 || !String(uri).startsWith(`${issuer}/`)) {
    throw new Error("the token names no status list of its issuer");
  }
  const { bytes } = await listAt(uri, keys);
  const byte = Math.floor(idx / 8); // not idx >> 3: that is of 32 bits, and negative from 2^31 on
  return byte >= bytes.length || ((bytes[byte] >> (idx % 8)) & 1) === 1;
}

// One fetch at a time for each list, and none while the last one is fresh.
function listAt(uri, keys) {
  const held = lists.get(uri);
  if (held && Date.now() < held.until) {
    return held.list;
  }
  const list = fetchList(uri, keys).catch((cause) => {
    throw new Error("the status list cannot be had", { cause });
  });
  const entry = { list, until: Date.now() + 5_000 };
  lists.set(uri, entry);
  list.then(
    ({ ttl }) => (entry.until = Date.now() + ttl * 1000),
    () => (entry.until = Date.now() + 1_000), // unreachable: nobody gets in, and it is asked for once a second
  );
  return list;
}

async function fetchList(uri, keys) {
  const headers = { Accept: "application/statuslist+jwt" };
  const answer = await fetch(uri, { headers, redirect: "error", signal: AbortSignal.timeout(5_000) });
  if (answer.status !== 200) {
    throw new Error(`the status list answered ${answer.status}`);
  }
  const rules = { typ: "statuslist+jwt", subject: uri, algorithms: ["ES256", "EdDSA", "RS256"], requiredClaims: ["iat"] };
  const { payload } = await jwtVerify(await answer.text(), keys, rules);
  const { bits, lst } = payload.status_list;
  if (bits !== 1) {
    throw new Error("a list of one bit for each grant is what is understood here");
  }
  const bytes = inflateSync(Buffer.from(lst, "base64url"), { maxOutputLength: LONGEST });
  return { bytes, ttl: payload.ttl ?? 5 };
}
