// The list of notes and the form below which they grow. A note is `{id, text, created_at}`.

import { call } from "./api.js";
import { byId, element } from "./dom.js";

const PATH = "/api/notes";
const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Reads and draws the notes, the newest first, as the API tells them. */
export async function loadNotes() {
  const notes = await call("GET", PATH);
  byId("notes").replaceChildren(...notes.map(noteItem));
  byId("notes-empty").hidden = notes.length > 0;
}

/** Sends what the form holds. The text stays there until it is safely stored. */
export async function addNote() {
  const [field, button] = [byId("note-text"), byId("note-add")];
  const text = field.value.trim();
  if (text === "" || button.disabled) return;

  button.disabled = true;
  try {
    await call("POST", PATH, { text });
    field.value = "";
    field.focus();
  } finally {
    button.disabled = false;
  }
}

function noteItem({ id, text, created_at: createdAt }) {
  const created = element("time", { datetime: createdAt }, WHEN.format(new Date(createdAt)));
  return element("li", { "data-note": id }, element("p", {}, text), created);
}
