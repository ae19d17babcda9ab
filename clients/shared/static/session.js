// Notices that this page's session has ended elsewhere, and shows the page that says so.
// Asks only while the page is visible; without this script the next click shows the same page.
const PAUSE = 4000;
let asking = false;

async function ask() {
  if (asking || document.visibilityState !== "visible") return;
  asking = true;
  try {
    const answer = await fetch("/session", { cache: "no-store" });
    if (answer.ok && !(await answer.json()).signed_in) location.replace("/signed-out");
  } catch {
    // The portal is away for a moment: the next question comes in a few seconds.
  } finally {
    asking = false;
  }
}

setInterval(ask, PAUSE);
document.addEventListener("visibilitychange", ask);
window.addEventListener("pageshow", ask);

// A menu that is open closes with Escape or a click beside it.
const menu = document.querySelector("details.menu");
if (menu) {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}
