// Goes on to the portal once the pages that sign out elsewhere are loaded; the link does the same without this module.

const PATIENCE = 5000; // milliseconds: a portal that does not answer holds nobody up for longer

const link = document.querySelector("a[data-onward]");
const [visit] = performance.getEntriesByType("navigation");

function goOn() {
  location.replace(link.href);
}

// Who comes back to this page means to see it. Frames are part of the page: its load event waits for them.
if (visit?.type !== "back_forward") {
  setTimeout(goOn, PATIENCE);
  if (document.readyState === "complete") {
    goOn();
  } else {
    addEventListener("load", goOn, { once: true });
  }
}
