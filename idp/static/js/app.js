// Enhancements only: every page works without this module.

const status = document.getElementById("status");

/** Says *text* through the page's one polite live region. */
function announce(text) {
  if (status) {
    status.textContent = "";
    requestAnimationFrame(() => {
      status.textContent = text;
    });
  }
}

/** Unhides a "show" button and lets it switch its field between dots and letters. */
function setUpReveal(button) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const label = button.textContent.trim();
  const name = button.getAttribute("aria-label");

  function show(visible) {
    field.type = visible ? "text" : "password";
    button.textContent = visible ? button.dataset.hide : label;
    button.setAttribute("aria-label", visible ? button.dataset.hideName : name);
  }

  button.addEventListener("click", () => {
    const visible = field.type === "password";
    show(visible);
    announce(visible ? button.dataset.shown : button.dataset.hidden);
  });
  // Browsers offer to save a password only from a password field, and must not keep it as plain form history.
  field.form.addEventListener("submit", () => show(false));
  button.hidden = false;
}

/** Unhides a "copy" button and lets it copy the text of the element it names. */
function setUpCopy(button) {
  if (!navigator.clipboard) {
    return;
  }
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      announce(button.dataset.done);
    } catch {
      getSelection().selectAllChildren(source);
    }
  });
  button.hidden = false;
}

/** Unhides a "print" button; what is printed, the style sheet says. */
function setUpPrint(button) {
  button.addEventListener("click", () => print());
  button.hidden = false;
}

/**
 * Sends a form once where its button is pressed twice: the second answer would be about what the first did.
 * Another button of the same form is another wish.
 */
function setUpOnce(form) {
  let sent = -Infinity;
  let by;
  form.addEventListener("submit", (event) => {
    if (event.submitter === by && event.timeStamp - sent < 2000) {
      event.preventDefault();
    } else {
      sent = event.timeStamp;
      by = event.submitter;
    }
  });
}

document.querySelectorAll('form[method="post"]').forEach(setUpOnce);
document.querySelectorAll("button[data-reveal]").forEach(setUpReveal);
document.querySelectorAll("button[data-copy]").forEach(setUpCopy);
document.querySelectorAll("button[data-print]").forEach(setUpPrint);
