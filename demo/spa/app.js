// Puts the page together: what is shown when, and what calls what.

import { asFailure } from "./api.js";
import { showBrowserHoldings } from "./browser.js";
import { isTimeUp, setClocks, showClocks } from "./clocks.js";
import { byId, definition, element } from "./dom.js";
import { clearMessage, showMessage } from "./message.js";
import { addNote, loadNotes } from "./notes.js";
import { readSession } from "./session.js";
import { endAllSessions, endSession, loadSessions } from "./sessions.js";
import { endOf, showTrail } from "./trail.js";
import { sentenceFor, sentenceForEnd } from "./words.js";

/** How often the page looks how things stand, without counting as use of the session. */
const LOOK_EVERY_MS = 5_000;
/** How often it calls the API while the box is ticked. */
const CALL_EVERY_MS = 15_000;

let session = null;

/** Shows one of the page's states: "loading", "signed-out" or "signed-in". */
function showState(state) {
  document.body.dataset.state = state;
  byId("signed-out").hidden = state !== "signed-out";
  byId("signed-in").hidden = state !== "signed-in";
  byId("sign-out").hidden = state !== "signed-in";
}

/** Reads the session anew and draws whatever follows from it. */
async function look({ slide }) {
  const before = session;
  session = await readSession({ slide });
  if (session === null) {
    await showSignedOut(before);
    return;
  }
  showWho();
  setClocks(session);
  showState("signed-in");
  clearMessage("session");
  await showBrowserHoldings();
  await loadSessions();
  if (await showTrail(session.key)) {
    // The answer above may be older than the refresh that the trail has just told of.
    setClocks((await readSession({ slide: false })) ?? session);
  }
}

/** Shows the way in, and why the session that was there is over. */
async function showSignedOut(before) {
  showState("signed-out");
  if (before === null) return;
  showMessage("session", sentenceForEnd(await endOf(before.key)), "info");
  window.scrollTo(0, 0);
}

function showWho() {
  const rows = [
    ["Name", session.name ?? "–"],
    ["E-mail", session.email ?? "–"],
    ["Subject", element("code", {}, session.subject)],
  ];
  byId("who").replaceChildren(...rows.map(([term, value]) => definition(term, value)));
  // A link of our own site only: the claim must not be able to send anyone elsewhere.
  if (session.logoutUrl.origin === window.location.origin) byId("sign-out").href = session.logoutUrl.href;
}

/** Runs something that may fail, and says in words that it did. A topic's next success takes its message away. */
async function attempt(topic, work) {
  try {
    await work();
    clearMessage(topic);
    return true;
  } catch (error) {
    const failure = asFailure(error);
    if (failure.isSignedOut) {
      const before = session;
      session = null;
      await showSignedOut(before);
    } else {
      showMessage(topic, sentenceFor(failure));
    }
    return false;
  }
}

/** Looks how things stand; one look after the other, so that an old answer never covers a newer one. */
let lastLook = Promise.resolve();
function lookNow({ slide } = { slide: false }) {
  lastLook = lastLook.then(() => attempt("look", () => look({ slide })));
  return lastLook;
}

async function reloadNotes() {
  if (await attempt("notes", loadNotes)) await lookNow();
}

async function submitNote(event) {
  event.preventDefault();
  if (await attempt("note", addNote)) await reloadNotes();
}

async function endOne(event) {
  const button = event.target.closest("button[data-handle]");
  if (button === null) return;
  await attempt("sessions", () => endSession(button));
  await lookNow();
}

/** Ends every session, and goes on to sign out at the auth server, as "Sign out" does. */
async function signOutEverywhere() {
  let onward = null;
  const isDone = await attempt("sessions", async () => {
    onward = await endAllSessions();
  });
  if (!isDone) return;
  session = null;
  window.location.assign(onward ?? "/");
}

/** Does something again and again, never twice at once, and not for a page that nobody sees. */
function every(milliseconds, work) {
  let isRunning = false;
  setInterval(async () => {
    if (isRunning || document.hidden || session === null) return;
    isRunning = true;
    try {
      await work();
    } finally {
      isRunning = false;
    }
  }, milliseconds);
}

async function begin() {
  if (!(await lookNow({ slide: true }))) {
    // Nothing is known yet: keep asking, so that the page comes alive together with the server.
    setTimeout(begin, LOOK_EVERY_MS);
    return;
  }
  if (session !== null) await reloadNotes();
}

byId("note-form").addEventListener("submit", submitNote);
byId("notes-reload").addEventListener("click", reloadNotes);
byId("sessions").addEventListener("click", endOne);
byId("sign-out-everywhere").addEventListener("click", signOutEverywhere);
byId("note-text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("note-form").requestSubmit();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && session !== null) lookNow();
});
// A page that "Back" brings out of the browser's memory shows what was true when it was left.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

every(1_000, async () => {
  showClocks();
  if (isTimeUp()) await lookNow();
});
every(LOOK_EVERY_MS, () => lookNow());
every(CALL_EVERY_MS, async () => {
  if (byId("keep-calling").checked) await reloadNotes();
});
begin();
