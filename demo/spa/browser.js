// What a script on this page can find in the browser: it looks, and shows what it finds.

import { byId, definition, element } from "./dom.js";

/** Looks again and draws the result. */
export async function showBrowserHoldings() {
  const findings = [
    ["document.cookie", document.cookie === "" ? [] : document.cookie.split("; ").map((pair) => pair.split("=")[0])],
    ["localStorage", Object.keys(localStorage)],
    ["sessionStorage", Object.keys(sessionStorage)],
    ["indexedDB", await databaseNames()],
  ];
  byId("browser-holds").replaceChildren(...findings.map(([place, names]) => finding(place, names)));
}

function finding(place, names) {
  const [text, tone] = names.length === 0 ? ["empty", "none"] : [names.join(", "), "some"];
  return definition(element("code", {}, place), element("span", { class: tone }, text));
}

/** Some browsers do not list their databases; this page opens none, and there they count as none. */
async function databaseNames() {
  if (typeof indexedDB.databases !== "function") return [];
  return (await indexedDB.databases()).map(({ name }) => name);
}
