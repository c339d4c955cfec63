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

  async function look() {
    const old = document.getElementById("matter");
    if (!old || !("live" in old.dataset)) return;
    if (!busy()) {
      try {
        const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
        if (answer.ok) {
          const page = new DOMParser().parseFromString(await answer.text(), "text/html");
          const fresh = page.getElementById("matter");
          if (fresh && fresh.innerHTML !== old.innerHTML) {
            const open = new Set([...old.querySelectorAll("details[open]")].map((d) => d.id));
            fresh.querySelectorAll("details").forEach((d) => { if (open.has(d.id)) d.open = true; });
            old.replaceWith(fresh);
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
