// What people read when something fails. Nothing the server sends is shown as it is: problems are known by their code.

const SENTENCES = {
  "session-required": "You are signed out. Sign in again.",
  "csrf-required": "The server took this request for one of another site. Reload the page.",
  "cross-site": "The server took this request for one of another site. Reload the page.",
  "store-unavailable": "The server cannot reach its storage. You are still signed in: try again in a moment.",
  "provider-unavailable": "The sign-in service does not answer. You are still signed in: try again in a moment.",
  "upstream-unavailable": "The notes service does not answer. Try again in a moment.",
  "upstream-timeout": "The notes service took too long. Try again in a moment.",
  "session-not-found": "That session has ended already.",
  "sign-out-incomplete": "The server cannot reach its storage. Some of your sessions may go on: try again in a moment.",
  "route-not-found": "The server does not know this address.",
  "method-not-allowed": "The server does not allow this here.",
  "invalid-path": "The server does not accept this address.",
  "invalid-text": "A note has 1 to 10,000 characters.",
  "body-too-large": "The note is too long.",
  "too-many-notes": "There is no room for another note.",
  "keys-unavailable": "The notes service cannot reach the auth server. Try again in a moment.",
  "insufficient-scope": "Your sign-in does not allow this. Sign out and in again.",
};

const BY_STATUS = {
  400: "The server could not use what was sent.",
  401: "The notes service refused the session’s token. Try again in a moment.",
  403: "You are not allowed to do this.",
  404: "This is not there any more.",
  413: "The text is too long.",
  422: "The server could not use what was sent.",
  429: "Too many requests. Try again in a moment.",
  502: "The notes service does not answer. Try again in a moment.",
  503: "The server is busy. Try again in a moment.",
  504: "The notes service took too long. Try again in a moment.",
};

const UNREACHABLE = "The server does not answer. Is the demo still running?";
const UNEXPECTED = "Something went wrong on the server. Try again in a moment.";

/** A sentence for a failed call; `failure` is what `api.js` throws. */
export function sentenceFor(failure) {
  if (failure.kind === "network") return UNREACHABLE;
  return SENTENCES[failure.code] ?? BY_STATUS[failure.status] ?? UNEXPECTED;
}

const SIGNED_OUT = SENTENCES["session-required"];

/** By the reasons that the server side's log gives. */
const ENDINGS = {
  idle_timeout: "Your session ended: it was not used for too long. Sign in again.",
  absolute_timeout: "Your session ended: it had lasted as long as a session may. Sign in again.",
  refresh_refused: "Your session ended: the auth server does not renew it any more. Sign in again.",
  ended_by_user: "Your session ended: you have ended it from another browser. Sign in again.",
  everywhere: "Your session ended: you have signed out everywhere. Sign in again.",
  session_cap: "Your session ended: you have signed in with too many browsers. Sign in again.",
  device_changed: "Your session ended: it turned up in another browser. Sign in again.",
  no_refresh_token: "Your session ended: its access token has expired. Sign in again.",
};

/** A sentence for a session that is over; `reason` may be unknown. */
export function sentenceForEnd(reason) {
  return ENDINGS[reason] ?? SIGNED_OUT;
}
