// An edition's page: live preview, saving while typing, and the ranking's buttons, keys and dragging without a new page.
// Without it every button sends the form, and "Show" and "Save" do the rest.
"use strict";

{
  const form = document.getElementById("edition_form");
  const words = document.querySelector(".desk-words");
  const texts = document.querySelector("[data-desk]");
  const show = words?.querySelector("[data-preview]");
  const ranking = () => document.getElementById("ranking");
  const TYPING = 1500; // milliseconds without a key until what is typed is stored
  let waiting, previewing, line = Promise.resolve();

  // --- one request after the other, and its answer put into the page

  function send(name, value) {
    clearTimeout(waiting);
    waiting = undefined;
    line = line.then(() => post(name, value)).catch(() => say(texts.dataset.offline));
    return line;
  }

  async function post(name, value) {
    const data = new FormData(form);
    data.set(name, value);
    const typed = new Map([...data].filter(([key]) => !key.startsWith("initial-")));
    const answer = await fetch(form.action, { method: "POST", body: data });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const refused = page.querySelector("[data-refused]")?.dataset.refused.trim();
    if (!answer.ok || !page.getElementById("ranking")) throw new Error("no answer");
    if (!refused) remember(typed);
    if (refused || name === "act") swap(page);
    else for (const part of [".desk-last", ".desk-history"]) replace(part, page);
    say(refused ?? texts.dataset.savedText.replace("%s", new Date().toLocaleTimeString()));
  }

  // What is stored now is what the next change is compared with.
  function remember(typed) {
    for (const field of form.querySelectorAll("[name^=initial-]")) {
      const own = field.name.slice("initial-".length);
      if (typed.has(own)) field.value = typed.get(own);
    }
  }

  function replace(part, page) {
    const [here, there] = [document.querySelector(part), page.querySelector(part)];
    if (here && there) here.replaceWith(there);
    else if (there) ranking().querySelector(".desk-tools").after(there);
  }

  function swap(page) {
    const open = [...document.querySelectorAll("#ranking details[open]")].map((one) => one.closest("[id]").id);
    const chosen = [...document.querySelectorAll("[name=chosen]:checked")].map((one) => one.value);
    const held = document.activeElement;
    const focus = held?.closest?.(".desk-row") && [held.closest(".desk-row").id, held.getAttribute("title"), held.type];
    const filters = [...document.querySelectorAll("[data-filter], [data-standing]")].map((one) => one.value);
    for (const part of ["#ranking", ".desk-reach", ".desk-crowded"]) {
      const there = page.querySelector(part);
      document.querySelector(part)?.replaceWith(...(there ? [there] : []));
    }
    for (const id of open) {
      const details = document.querySelector(`#${id}`)?.closest("details") ?? document.querySelector(`#${id} details`);
      if (details) details.open = true;
    }
    for (const box of document.querySelectorAll("[name=chosen]")) box.checked = chosen.includes(box.value);
    document.querySelectorAll("[data-filter], [data-standing]").forEach((one, place) => (one.value = filters[place]));
    filter();
    if (focus) {
      const row = document.getElementById(focus[0]);
      const same = [...(row?.querySelectorAll("button, input:not([type=hidden]), summary") ?? [])];
      same.find((one) => one.getAttribute("title") === focus[1] && one.type === focus[2])?.focus();
    }
  }

  function say(text) {
    const place = document.querySelector("[data-saved]");
    if (place) place.textContent = text;
  }

  // --- filters and choosing

  function filter() {
    const [text, standing] = [document.querySelector("[data-filter]"), document.querySelector("[data-standing]")];
    const wanted = text?.value.toLowerCase().split(/\s+/) ?? [];
    for (const row of document.querySelectorAll(".desk-row")) {
      const known = row.dataset.words.toLowerCase();
      const untouched = !["is-pinned", "is-excluded", "is-pick", "is-lead"].some((name) => row.classList.contains(name));
      const stands = !standing?.value || (standing.value === "is-listed" ? untouched : row.classList.contains(standing.value));
      row.hidden = !stands || !wanted.every((word) => known.includes(word));
    }
  }

  // --- the live preview

  async function preview() {
    const answer = await fetch(show.formAction, { method: "POST", body: new FormData(form) });
    if (answer.ok) words.querySelector("iframe").srcdoc = await answer.text();
  }

  // --- what is done in the page

  function typing(event) {
    if (event.target.matches("[data-filter], [data-standing]")) return filter();
    if (event.target.matches("[data-choose-all]")) {
      for (const row of document.querySelectorAll(".desk-row:not([hidden])")) {
        row.querySelector("[name=chosen]").checked = event.target.checked;
      }
    }
    if (event.target.closest(".desk-words")) {
      clearTimeout(previewing);
      previewing = setTimeout(preview, 300);
    }
    const name = event.target.name ?? "";
    if (!name || name === "chosen" || name === "show" || name === "in" || name.startsWith("topic-") || name.endsWith("-position")) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => send("_continue", "1"), TYPING);
  }

  function moved(field) {
    send("act", `place:${field.closest(".desk-row").dataset.item}:${field.value}`);
    field.value = form.elements[`initial-${field.name}`].value; // the act moves it, not the form
  }

  const KEYS = { ArrowUp: "up", ArrowDown: "down", Home: "top" };

  function pressed(event) {
    const row = event.target.closest(".desk-row");
    if (row && event.altKey && KEYS[event.key]) {
      event.preventDefault();
      send("act", `${KEYS[event.key]}:${row.dataset.item}`);
    } else if (event.key === "Enter" && event.target.matches?.("input[type=number]")) {
      event.preventDefault();
      event.target.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (event.key === "Enter" && event.target.matches?.(".desk-refile input")) {
      event.preventDefault();
      event.target.nextElementSibling.click();
    }
  }

  // --- dragging a row to another place: with a mouse anywhere, with a finger by its handle, so that a page still scrolls

  const FURTHER = 5; // pixels until a press is no click
  let held, dragged, home;

  function grabbed(event) {
    const isMouse = event.pointerType === "mouse";
    const row = event.target.closest(".desk-row");
    const fits = isMouse ? !event.target.closest("input, textarea, button, .desk-about") : event.target.closest(".desk-handle");
    held = row && fits && !event.button ? { row, x: event.clientX, y: event.clientY } : undefined;
  }

  function over(event) {
    if (!held) return;
    if (!dragged) {
      if (Math.hypot(event.clientX - held.x, event.clientY - held.y) < FURTHER) return;
      dragged = held.row;
      home = dragged.nextElementSibling;
      dragged.classList.add("is-dragged");
      form.setPointerCapture(event.pointerId);
    }
    const row = document.elementFromPoint(event.clientX, event.clientY)?.closest(".desk-row");
    if (!row || row === dragged) return;
    const middle = row.getBoundingClientRect().top + row.offsetHeight / 2;
    row[event.clientY < middle ? "before" : "after"](dragged);
    dragged.scrollIntoView({ block: "nearest" });
  }

  function dropped(event) {
    const [row, list] = [dragged, dragged?.parentElement];
    held = dragged = undefined;
    if (!row) return;
    row.classList.remove("is-dragged");
    if (event.type === "pointercancel") return list.insertBefore(row, home);
    send("act", `place:${row.dataset.item}:${[...document.querySelectorAll(".desk-row")].indexOf(row) + 1}`);
  }

  if (form && ranking()?.querySelector(".desk-tools")) {
    form.addEventListener("input", typing);
    form.addEventListener("keydown", pressed);
    form.addEventListener("change", (event) => {
      if (event.target.matches(".desk-place input[type=number]") && event.target.value) moved(event.target);
    });
    form.addEventListener("click", (event) => {
      const button = event.target.closest("button[name=act]");
      if (!button) return;
      event.preventDefault();
      send("act", button.value);
    });
    form.addEventListener("pointerdown", grabbed);
    form.addEventListener("pointermove", over);
    form.addEventListener("pointerup", dropped);
    form.addEventListener("pointercancel", dropped);
    addEventListener("pagehide", () => {
      if (waiting) navigator.sendBeacon(form.action, new FormData(form));
    });
    if (show) preview();
  }
}
