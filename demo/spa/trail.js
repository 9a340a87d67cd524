// What the server side did for this session. The demo's own `/demo/events` tells it, from the log of the BFF, and only
// to those who name the session: nobody reads the trail of another one.

import { asFailure, call } from "./api.js";
import { byId, element } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

let newestShown = -1;

/** Reads and draws the trail of the session with this key; tells whether there is a refresh that was not shown yet. */
export async function showTrail(sessionKey) {
  const events = await eventsOf(sessionKey);
  const newest = events.at(-1)?.id ?? 0;
  // Drawing only what is new keeps the scroll position of whoever is reading.
  if (newest === newestShown) return false;
  const isNew = ({ id, kind }) => kind === "refreshed" && id > newestShown;
  const hasNewRefresh = events.some(isNew);
  newestShown = newest;
  byId("server-trail").replaceChildren(...events.map(eventItem).reverse());
  byId("trail-empty").hidden = events.length > 0;
  return hasNewRefresh;
}

/** Why the session with this key ended, in the words of the log; `undefined` if that is not known. */
export async function endOf(sessionKey) {
  try {
    return (await eventsOf(sessionKey)).findLast(({ kind }) => kind === "ended")?.reason;
  } catch (error) {
    asFailure(error); // whatever is wrong, the session is over all the same
    return undefined;
  }
}

function eventsOf(sessionKey) {
  return call("GET", `/demo/events?session=${encodeURIComponent(sessionKey)}`);
}

function eventItem(event) {
  const at = new Date(event.at * 1000);
  const time = element("time", { datetime: at.toISOString() }, CLOCK.format(at));
  return element("li", { "data-kind": event.kind }, time, ...description(event));
}

function description(event) {
  switch (event.kind) {
    case "proxied":
      return [
        element("span", { class: "what mono" }, `${event.method} ${event.path}`),
        hops(chip("cookie in", "cookie"), chip("JWT out", "token"), chip(String(event.status), toneOf(event.status))),
      ];
    case "refreshed":
      return [what("Tokens refreshed"), hops(chip("refresh token", "token"), chip(newToken(event), "token"))];
    case "started":
      return [what("Session started"), hops(chip("sign-in", "good"), chip("new cookie", "cookie"))];
    case "ended":
      return [what("Session ended")];
    default:
      return [what(event.kind)];
  }
}

function newToken({ expires_in: seconds }) {
  return typeof seconds === "number" ? `new JWT, good for ${seconds} s` : "new JWT";
}

function toneOf(status) {
  return status < 400 ? "good" : "bad";
}

function what(text) {
  return element("span", { class: "what" }, text);
}

/** The colour tells what kind of thing it is: a cookie, a token, a good or a bad end. */
function chip(text, tone) {
  return element("span", { class: `chip ${tone}` }, text);
}

/** Chips with arrows between them. */
function hops(...chips) {
  const row = element("div", { class: "hops" });
  chips.forEach((each, index) => {
    if (index > 0) row.append(element("span", { "aria-hidden": "true" }, "→"));
    row.append(each);
  });
  return row;
}
