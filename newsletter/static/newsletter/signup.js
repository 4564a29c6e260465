// Signing up with fewer page loads; every form works without this.
"use strict";

// Shows what today's digest would be for the topics ticked and the papers brought: <div data-preview="address" data-preview-of="#form" hidden>.
for (const place of document.querySelectorAll("[data-preview]")) {
  const form = document.querySelector(place.dataset.previewOf);
  const into = place.querySelector("[data-preview-into]");
  let waiting = 0;
  let running = null;
  const show = async () => {
    const chosen = new URLSearchParams();
    for (const [name, value] of new FormData(form)) {
      if (name === "topics" || name === "cadence") chosen.append(name, value);
      else if (name.startsWith("topic-") && value) chosen.append(value === "mute" ? "mutes" : "topics", name.slice(6));
    }
    const brought = new FormData();
    const file = form.elements.file?.files[0];
    if (file) brought.append("file", file.slice(0, 65536), "brought");
    else if (form.elements.references?.value.trim()) brought.append("references", form.elements.references.value.slice(0, 65536));
    const how = brought.keys().next().done ? {} : { method: "POST", body: brought };
    running?.abort();
    running = new AbortController();
    try {
      const answer = await fetch(`${place.dataset.preview}?${chosen}`, { ...how, signal: running.signal });
      if (!answer.ok && answer.status !== 429) return;
      into.innerHTML = await answer.text();
      place.hidden = false;
    } catch (error) {
      if (error.name !== "AbortError") place.hidden = true;
    }
  };
  form.addEventListener("change", (event) => {
    if (!/^(topics$|cadence$|topic-|references$|file$)/.test(event.target.name)) return;
    clearTimeout(waiting);
    waiting = setTimeout(show, 250);
  });
  show();
}

// The banner: asks for the address and answers in place. <form data-inline>.
for (const form of document.querySelectorAll("form[data-inline]")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    const body = new URLSearchParams(new FormData(form));
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && !body.has("time_zone")) body.append("time_zone", zone);
    try {
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      const { message, is_accepted } = await answer.json();
      let line = form.querySelector("[role=status]");
      if (!line) {
        line = document.createElement("p");
        line.setAttribute("role", "status");
        form.append(line);
      }
      line.className = is_accepted ? "banner-answer" : "banner-answer error";
      line.textContent = message;
      if (is_accepted) for (const part of form.querySelectorAll("input, button")) part.hidden = true;
      line.tabIndex = -1;
      line.focus();
    } catch {
      form.submit();
    } finally {
      button.disabled = false;
    }
  });
}
