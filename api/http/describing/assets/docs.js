"use strict";
// Shows only the routes, events and schemas that have every word that is typed.
const box = document.querySelector("nav input");
const shown = [...document.querySelectorAll("[data-words]")];
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const one of shown) {
    one.hidden = !words.every((word) => one.dataset.words.includes(word));
  }
});
