// How long the access token and the session last. The server tells seconds; between two answers they are counted down
// here, on a clock that does not jump when the machine's time is set.

import { byId, setText } from "./dom.js";

/** The lifetime of the demo's access tokens, which is what a full bar stands for. */
const FULL_TOKEN_SECONDS = 60;

let tokenDeadline = null;
let sessionDeadline = null;

/** Takes over what the server said. */
export function setClocks({ tokenSeconds, sessionSeconds }) {
  // Two answers differ by a rounded second or two; a new token makes a leap.
  const renewed = tokenDeadline !== null && secondsUntil(tokenDeadline) + 5 < tokenSeconds;
  tokenDeadline = deadlineIn(tokenSeconds);
  sessionDeadline = deadlineIn(sessionSeconds);
  if (renewed) celebrate();
  showClocks();
}

/** Draws both clocks as they are now. */
export function showClocks() {
  const token = secondsUntil(tokenDeadline);
  setText(byId("token-countdown"), token === 0 ? "expired" : inDigits(token));
  setText(byId("token-hint"), tokenHint(token));
  byId("token-progress").value = Math.min(token ?? 0, FULL_TOKEN_SECONDS);
  setText(byId("session-countdown"), inDigits(secondsUntil(sessionDeadline)));
}

/** Whether the session's clock has run out, so that only the server knows how things stand. */
export function isTimeUp() {
  return secondsUntil(sessionDeadline) === 0;
}

function tokenHint(seconds) {
  return seconds === 0
    ? "The next call to the API waits until Cloakroom has renewed it. You stay signed in."
    : "It never comes here. Cloakroom renews it shortly before it expires, when this page calls the API.";
}

function deadlineIn(seconds) {
  return typeof seconds === "number" ? performance.now() + seconds * 1000 : null;
}

/** `null` for what the server did not tell. */
function secondsUntil(deadline) {
  if (deadline === null) return null;
  return Math.max(0, Math.ceil((deadline - performance.now()) / 1000));
}

/** `0:43`, `59:58`, `7:59:58`. */
function inDigits(seconds) {
  if (seconds === null) return "–";
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Lets the clock light up for a moment; the class is taken off again so that the next time shows, too. */
function celebrate() {
  const clock = byId("token-clock");
  clock.classList.add("renewed");
  clock.addEventListener("animationend", () => clock.classList.remove("renewed"), { once: true });
}
