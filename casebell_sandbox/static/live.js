// Looks for news every second and swaps the changing part of the page; without it every page works by reloading.
"use strict";

const EVERY_MS = 1000;
let shown = null;

function isBusy(live) {
  const active = document.activeElement;
  const fields = live.querySelectorAll("input:not([type=hidden]), textarea, select");
  const isTyping = active && live.contains(active) && active.matches("input, textarea, select");
  return isTyping || live.querySelector("details[open]") !== null
    || [...fields].some((field) => "defaultValue" in field && field.type !== "radio" && field.value !== field.defaultValue);
}

function swap(live, fresh) {
  const places = [...live.querySelectorAll("[data-keep]")].map((box) => [box.scrollTop, box.scrollHeight - box.clientHeight - box.scrollTop < 40]);
  live.replaceChildren(...fresh.childNodes);
  live.querySelectorAll("[data-keep]").forEach((box, number) => {
    const [top, isAtEnd] = places[number] || [0, true];
    box.scrollTop = isAtEnd ? box.scrollHeight : top;
  });
  const first = live.querySelector("[autofocus]");
  if (first) first.focus();
}

async function look() {
  const live = document.getElementById("live");
  if (!live || document.hidden || isBusy(live)) return;
  const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  if (!fresh || fresh.innerHTML === shown || isBusy(live)) return;
  const isFirst = shown === null;
  shown = fresh.innerHTML;
  if (!isFirst || shown !== live.innerHTML) swap(live, fresh);
}

document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submit]")) event.target.form.submit();
});
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.menu[open]")) {
    if (!open.contains(event.target)) open.open = false;
  }
});
document.querySelectorAll("[data-keep]").forEach((box) => {
  if (!location.hash) box.scrollTop = box.scrollHeight;
});
// The next look begins when this one has ended: a slow page is not asked for twice at a time.
function keepLooking() {
  setTimeout(() => look().catch(() => {}).finally(keepLooking), EVERY_MS);
}
keepLooking();
