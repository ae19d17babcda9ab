// Ticks off what a new password has to have while it is typed; the server checks all of it again.

const CLASSES = {
  special: /[^\p{L}\p{N}]/u,
  digit: /\p{Nd}/u,
  upper: /\p{Lu}/u,
  lower: /\p{Ll}/u,
};

function isMet(item, password) {
  if (item.dataset.minimum) {
    return [...password.normalize("NFC")].length >= Number(item.dataset.minimum);
  }
  return CLASSES[item.dataset.class].test(password);
}

/** Keeps the list of one field; each item says in words that it is met, not by its sign alone. */
function setUpRequirements(list) {
  const field = document.getElementById(list.dataset.requirements);
  const items = [...list.querySelectorAll("[data-minimum], [data-class]")];
  const status = document.getElementById("status");

  for (const item of items) {
    const words = document.createElement("span");
    words.className = "visually-hidden";
    item.append(words);
  }
  field.addEventListener("input", () => {
    for (const item of items) {
      const met = isMet(item, field.value);
      if (met !== item.classList.contains("met")) {
        item.classList.toggle("met", met);
        item.lastChild.textContent = met ? ` (${list.dataset.met})` : "";
        status.textContent = met ? item.textContent : "";
      }
    }
  });
}

document.querySelectorAll("[data-requirements]").forEach(setUpRequirements);
