// Lists of papers: keys, and papers saved in this browser. Every page works without.
"use strict";

{
  const MOST = 200; // as many as the page of saved papers takes (views/reading_list.py)

  function recall(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem(name)) ?? otherwise;
    } catch {
      return otherwise; // storage is forbidden, or holds what is not ours
    }
  }

  function keep(name, value) {
    try {
      localStorage.setItem(name, JSON.stringify(value));
    } catch {
      // Storage is full or forbidden: nothing is saved, and the button says so by not changing.
    }
  }

  function saved() {
    const list = recall("saved", []);
    return Array.isArray(list) ? list.filter(Number.isSafeInteger).slice(-MOST) : [];
  }

  // --- save: <button data-save="12" aria-pressed>, <a data-saved-list>, and a line that tells how many there are.

  const toast = document.querySelector("[data-toast]");

  function show() {
    const list = saved();
    for (const link of document.querySelectorAll("a[data-saved-list]")) {
      link.search = list.length ? `?papers=${list.join(",")}` : "";
      const count = link.querySelector("[data-count]");
      if (count) count.textContent = list.length ? ` (${list.length})` : "";
    }
    for (const button of document.querySelectorAll("button[data-save]")) {
      button.setAttribute("aria-pressed", String(list.includes(Number(button.dataset.save))));
    }
  }

  function toggle(button) {
    const paper = Number(button.dataset.save);
    const list = saved();
    keep("saved", list.includes(paper) ? list.filter((each) => each !== paper) : [...list, paper].slice(-MOST));
    show();
    if (toast) toast.hidden = false;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-save], button[data-forget]");
    if (button?.dataset.save) toggle(button);
    else if (button) {
      keep("saved", []);
      location.assign(location.pathname);
    }
  });

  // The page of saved papers without an address of its own shows those of this browser.
  const ownList = document.querySelector("a[data-saved-list]");
  if (ownList && location.pathname === ownList.pathname && !location.search && saved().length) {
    location.replace(`${ownList.pathname}?papers=${saved().join(",")}`);
  }
  show();
  addEventListener("storage", show); // another tab saved something
  addEventListener("pageshow", show); // and when the browser takes this page out of its memory

  // --- share: the phone's own way where there is one; else the link leads to the paper's page.

  for (const link of navigator.share ? document.querySelectorAll("a[data-share]") : []) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const title = link.closest("article")?.querySelector("h1, h2")?.textContent.trim();
      navigator.share({ title, url: link.href.replace(/#.*/, "") }).catch(() => {}); // somebody changed their mind
    });
  }

  // --- keys: j and k go to the next and previous paper, o opens it, s saves it, / searches (WCAG 2.1.4: can be off).

  const papers = [...document.querySelectorAll(".paper-list .paper")];
  const titleOf = (paper) => paper.querySelector(".paper-title a");

  /** The paper that holds the focus, else -1. */
  const current = () => papers.findIndex((paper) => paper.contains(document.activeElement));

  function go(step) {
    const at = current();
    // Without one: from what is on the screen.
    const below = papers.findIndex((paper) => paper.getBoundingClientRect().top >= 0);
    const next = at >= 0 ? at + step : step > 0 ? below : (below < 0 ? papers.length : below) - 1;
    const title = papers[next] && titleOf(papers[next]);
    if (!title) return;
    papers[next].closest("li").scrollIntoView({ block: "start" });
    title.focus({ preventScroll: true });
  }

  function search() {
    const box = [...document.querySelectorAll('input[type="search"]')].find((each) => each.offsetParent);
    if (box) box.select();
    else document.querySelector(".search-link")?.click();
  }

  const acts = {
    j: () => go(1),
    k: () => go(-1),
    o: () => papers[current()] && titleOf(papers[current()]).click(),
    s: () => (papers[current()] ?? document.querySelector(".paper-page"))?.querySelector("[data-save]")?.click(),
    "/": search,
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented || recall("keys", "on") === "off") return;
    if (event.target.closest("input, select, textarea, [contenteditable]") || !Object.hasOwn(acts, event.key)) return;
    event.preventDefault();
    acts[event.key]();
  });

  for (const button of document.querySelectorAll("button[data-keys]")) {
    const on = button.textContent;
    const say = () => (button.textContent = recall("keys", "on") === "off" ? button.dataset.off : on);
    button.addEventListener("click", () => {
      keep("keys", recall("keys", "on") === "off" ? "on" : "off");
      say();
    });
    say();
  }
}
