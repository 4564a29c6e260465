// An edition's page: a live preview of the editor's words. Without it, the button "Show" does the same.
"use strict";

{
  const words = document.querySelector(".desk-words");
  const show = words?.querySelector("[data-preview]");

  async function preview() {
    const answer = await fetch(show.formAction, { method: "POST", body: new FormData(show.form) });
    if (answer.ok) words.querySelector("iframe").srcdoc = await answer.text();
  }

  if (show) {
    let waiting;
    words.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(preview, 300);
    });
    preview();
  }
}
