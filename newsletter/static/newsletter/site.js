// Small comforts; every page works without them.
"use strict";

// A form that asks for a time zone starts from the browser's own: <select data-browser-zone> (or an input).
// A choice the reader already made (the server rendered it: data-browser-zone="keep") stays.
for (const field of document.querySelectorAll("[data-browser-zone]")) {
  if (field.dataset.browserZone === "keep") continue;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) continue;
  const known = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === zone);
  if (known) field.value = zone;
}

// "All" and "none" for a group of checkboxes: <button data-check="all|none" data-check-in="#id" hidden>.
for (const button of document.querySelectorAll("button[data-check]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    for (const box of document.querySelectorAll(`${button.dataset.checkIn} input[type=checkbox]`)) {
      box.checked = button.dataset.check === "all";
      box.dispatchEvent(new Event("change", { bubbles: true }));
    }
  });
}

// What a page has to say first, an error or "Saved.", is read out and reached first.
document.querySelector("[data-focus]")?.focus();

// Left and right arrow keys turn the days, as in a paper; never while somebody types.
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, summary, [contenteditable]")) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`a[data-turn][rel="${rel}"]`);
  if (link) link.click();
});

// Copies what a button holds, else the page's address: <button class="with-script" data-copy="text" data-copied="Copied">.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(button.dataset.copy || location.href);
    button.textContent = button.dataset.copied;
  });
}

// The list of topics folds again when somebody turns away from it.
for (const picker of document.querySelectorAll("details.picker")) {
  document.addEventListener("click", (event) => picker.contains(event.target) || picker.removeAttribute("open"));
  picker.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !picker.open) return;
    picker.open = false;
    picker.querySelector("summary").focus();
  });
}
