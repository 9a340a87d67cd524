// The few things this page does to its document. Data becomes text nodes only: nothing here parses HTML.

/** The element with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes an element; children are elements or texts. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A row of a definition list. */
export function definition(term, ...description) {
  return element("div", {}, element("dt", {}, term), element("dd", {}, ...description));
}

/** Sets a text only when it changes, so that screen readers and selections are left in peace. */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
