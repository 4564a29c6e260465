// The library's script makes the passkey; its number and the name that was typed go to the page that lists them.
"use strict";

{
  const form = document.getElementById("passkey");
  form.addEventListener("submit", (event) => {
    event.preventDefault(); // by the Enter key
    document.getElementById("passkey-register-button")?.click();
  });
  document.addEventListener("otp_webauthn.register_complete", (event) => {
    form.elements.passkey.value = event.detail.id;
    form.submit();
  });
}
