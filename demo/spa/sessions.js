// The sessions of the person who is signed in, in whatever browser, and how they end. A session is
// `{handle, created_at, last_used_at, device: {browser, platform}, current}`.

import { call } from "./api.js";
import { byId, element, setText } from "./dom.js";

const PATH = "/bff/sessions";
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

let shown = "";

/** Reads and draws the sessions, the newest first. Looking does not count as use. */
export async function loadSessions() {
  const { sessions, complete } = await call("GET", `${PATH}?slide=false`);
  // Drawing only what has changed leaves the focus where it is.
  const news = JSON.stringify(sessions);
  if (news !== shown) byId("sessions").replaceChildren(...sessions.map(sessionItem));
  shown = news;
  byId("sessions-incomplete").hidden = complete;
}

/** Ends one session; its browser learns of it at its next call. */
export async function endSession(button) {
  button.disabled = true;
  try {
    await call("DELETE", `${PATH}/${encodeURIComponent(button.dataset.handle)}`);
  } finally {
    button.disabled = false;
  }
  setText(byId("sessions-status"), `The session in ${button.dataset.device} has ended.`);
  // The button that had the focus is about to go.
  byId("sessions-title").focus();
}

/** Ends all sessions, this one too; returns where to sign out at the auth server, if it has a place for that. */
export async function endAllSessions() {
  const { redirect_to: onward } = await call("DELETE", PATH);
  return onward;
}

function sessionItem({ handle, created_at: created, last_used_at: lastUsed, device, current }) {
  const name = deviceName(device);
  const about = element(
    "div",
    {},
    element("p", { class: "device" }, name),
    element("p", { class: "hint" }, since("Signed in", created), " ", since("Last used", lastUsed)),
  );
  const end = { type: "button", class: "button quiet small", "data-handle": handle, "data-device": name };
  end["aria-label"] = `End the session in ${name}, signed in ${WHEN.format(new Date(created))}`;
  const side = current ? element("span", { class: "chip good" }, "this one") : element("button", end, "End");
  return element("li", current ? { "aria-current": "true" } : {}, about, side);
}

function deviceName({ browser, platform }) {
  if (browser && platform) return `${browser} on ${platform}`;
  return browser ?? platform ?? "an unknown device";
}

function since(what, instant) {
  return element("span", {}, `${what} `, element("time", { datetime: instant }, WHEN.format(new Date(instant))));
}
