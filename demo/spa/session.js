// Who is signed in, and until when: the claims of `/bff/user`.

import { call, Failure } from "./api.js";

/**
 * Reads the session; `null` when nobody is signed in.
 *
 * `slide: false` looks without counting as use, so that watching the countdown does not keep the session alive.
 */
export async function readSession({ slide }) {
  try {
    return sessionFrom(await call("GET", slide ? "/bff/user" : "/bff/user?slide=false"));
  } catch (failure) {
    if (failure instanceof Failure && failure.status === 401) return null;
    throw failure;
  }
}

/** Makes a session of the list of claims, each `{type, value}`. */
function sessionFrom(list) {
  const claims = new Map(list.map(({ type, value }) => [type, value]));
  const logoutUrl = new URL(claims.get("bff:logout_url"), window.location.origin);
  return {
    name: claims.get("name") ?? claims.get("preferred_username"),
    email: claims.get("email"),
    subject: claims.get("sub"),
    tokenSeconds: claims.get("bff:access_token_expires_in"),
    sessionSeconds: claims.get("bff:session_expires_in"),
    logoutUrl,
    // The name under which the server side logs this session. It opens nothing: the cookie does that.
    key: logoutUrl.searchParams.get("sid"),
  };
}
