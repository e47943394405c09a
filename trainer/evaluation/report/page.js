"use strict";
// Filters the records, keeps the filter in the address, and gives the images their bytes.
// Texts are only ever read from the page; none becomes markup.
(() => {
  const form = document.getElementById("filters");
  const names = ["task", "verdict", "tag", "text"];
  const sections = [...document.querySelectorAll("section.task")];
  const records = [...document.querySelectorAll(".record")].map((element) => ({
    element,
    task: element.closest("section").dataset.task,
    verdict: element.dataset.verdict,
    tags: new Set([...element.querySelectorAll("[data-tag]")].map((each) => each.dataset.tag)),
    text: [...element.querySelectorAll("[data-text]")]
      .map((each) => each.textContent)
      .join("\n")
      .toLowerCase(),
  }));

  function wanted() {
    return Object.fromEntries(names.map((name) => [name, form.elements[name].value]));
  }

  function apply() {
    const { task, verdict, tag, text } = wanted();
    const searched = text.trim().toLowerCase();
    let shown = 0;
    for (const record of records) {
      const fits =
        (!task || record.task === task) &&
        (!verdict || record.verdict === verdict) &&
        (!tag || record.tags.has(tag)) &&
        record.text.includes(searched);
      record.element.hidden = !fits;
      shown += fits;
    }
    for (const section of sections) {
      section.hidden = !section.querySelector(".record:not([hidden])");
    }
    for (const button of document.querySelectorAll("[data-tag]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tag === tag));
    }
    const number = (value) => value.toLocaleString("en");
    form.elements.shown.value = `${number(shown)} shown of ${number(records.length)}`;
    document.getElementById("none").hidden = shown > 0;
  }

  function select(name, value) {
    const field = form.elements[name];
    if (field instanceof HTMLSelectElement) {
      if (![...field.options].some((option) => option.value === value)) {
        field.add(new Option(value, value)); // an address may ask for what the list leaves out
      }
    }
    field.value = value;
  }

  function readAddress() {
    const found = new URLSearchParams(location.hash.slice(1));
    for (const name of names) select(name, found.get(name) ?? "");
    apply();
    if (location.hash.includes("=")) document.getElementById("records").scrollIntoView();
  }

  function writeAddress() {
    const chosen = Object.entries(wanted()).filter(([, value]) => value);
    history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
  }

  let waiting = 0;
  function changed() {
    apply();
    clearTimeout(waiting); // browsers refuse to change the address at every key
    waiting = setTimeout(writeAddress, 250);
  }

  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(changed));
  addEventListener("hashchange", () => {
    if (location.hash.includes("=") || location.hash.length < 2) readAddress();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tag]");
    if (!button) return;
    select("tag", button.getAttribute("aria-pressed") === "true" ? "" : button.dataset.tag);
    changed();
    button.scrollIntoView({ block: "nearest" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select")) return;
    event.preventDefault();
    form.elements.text.focus();
  });

  const images = JSON.parse(document.getElementById("images").textContent);
  for (const element of document.querySelectorAll("img[data-image]")) {
    element.src = `data:image/jpeg;base64,${images[element.dataset.image]}`;
  }
  readAddress();
})();
