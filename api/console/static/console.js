// Keeps a page that waits for something fresh: every two seconds it reads the page
// again and puts the new matter in place of the old. It stops while somebody types
// or another tab is in front, and when the page no longer waits.
"use strict";
(function () {
  const every = 2000;

  function busy() {
    const at = document.activeElement;
    return document.hidden || (at && at.closest("form, summary") && at.closest("main"));
  }

  // What a person opened, was just told, or stands on is theirs and stays.
  function carry(old, fresh) {
    const open = new Set([...old.querySelectorAll("details[open]")].map((d) => d.id));
    fresh.querySelectorAll("details").forEach((d) => { if (open.has(d.id)) d.open = true; });
    const said = old.querySelector(".said");
    if (said && !fresh.querySelector(".said")) fresh.prepend(said.cloneNode(true));
  }

  function replace(old, fresh) {
    const at = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(fresh);
    if (at) fresh.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
  }

  async function look() {
    const old = document.getElementById("matter");
    if (!old || !("live" in old.dataset)) return;
    if (!busy()) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "manual" });
        if (answer.type === "opaqueredirect") return location.reload(); // signed out meanwhile
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.getElementById("matter");
          if (fresh) {
            carry(old, fresh);
            if (fresh.innerHTML !== old.innerHTML && !busy()) replace(old, fresh);
          }
        }
      } catch (e) {
        // No answer now; the next look may have one.
      }
    }
    setTimeout(look, every);
  }

  setTimeout(look, every);
})();
