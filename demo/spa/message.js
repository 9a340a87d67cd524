// The one place for what went wrong. A message belongs to a topic, and only its own topic takes it away: the clock
// that gets an answer must not wipe out what the person was told about their note.

import { byId, element } from "./dom.js";

let current = { topic: "", text: "" };

/** Shows a message in place of the one before. `tone` is "error" or "info". */
export function showMessage(topic, text, tone = "error") {
  if (current.topic === topic && current.text === text) return;
  current = { topic, text };
  byId("message").replaceChildren(element("p", { class: tone }, text));
}

/** Takes the message away if it is of this topic. */
export function clearMessage(topic) {
  if (current.topic !== topic) return;
  current = { topic: "", text: "" };
  byId("message").replaceChildren();
}
