"use strict";
const form = document.querySelector("form");
const rows = [...document.querySelectorAll("[data-verdict]")];
const selects = [...form.querySelectorAll("select")];

function filter() {
  const words = form.querySelector("input").value.toLowerCase().split(/\s+/).filter(Boolean);
  let left = 0;
  for (const row of rows) {
    const text = (row.textContent + " " + (row.dataset.words || "")).toLowerCase();
    const shown = selects.every(s => !s.value || row.dataset[s.dataset.by].split(" ").includes(s.value))
      && words.every(word => text.includes(word));
    row.hidden = !shown;
    left += shown;
  }
  for (const body of document.querySelectorAll(".matrix tbody"))
    body.hidden = !body.querySelector("tr[data-verdict]:not([hidden])");
  document.getElementById("none").hidden = left > 0;
}

function open() {
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.tagName === "DETAILS") { target.hidden = false; target.open = true; }
  target.scrollIntoView();
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", event => event.preventDefault());
addEventListener("hashchange", open);
open();
