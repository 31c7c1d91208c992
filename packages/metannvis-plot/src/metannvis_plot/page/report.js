"use strict";
// Without this script the page shows every result; with it they can be chosen, blended and enlarged.
(() => {
  const controls = document.querySelector(".controls");
  const sections = [...document.querySelectorAll("section[data-method]")];
  const figures = [...document.querySelectorAll("figure")];
  const chosen = { method: "", layer: "", target: "", sample: "" };

  const show = () => {
    for (const section of sections) {
      let any = false;
      const fits = ["method", "layer"].every((key) => !chosen[key] || section.dataset[key] === chosen[key]);
      for (const figure of section.querySelectorAll("figure")) {
        const own = ["target", "sample"].every(
          (key) => !chosen[key] || !figure.dataset[key] || figure.dataset[key] === chosen[key],
        );
        figure.hidden = !own;
        any = any || own;
      }
      section.hidden = !(fits && any);
      const entry = document.querySelector(`nav a[href="#${section.id}"]`);
      if (entry) entry.parentElement.hidden = section.hidden;
    }
  };

  const choice = (key, label, values) => {
    const different = [...new Set(values)].filter((value) => value);
    if (different.length < 2) return;
    const select = document.createElement("select");
    for (const value of ["", ...different]) {
      const option = document.createElement("option");
      option.value = value;
      option.textContent = value || "all";
      select.append(option);
    }
    select.addEventListener("change", () => {
      chosen[key] = select.value;
      show();
    });
    select.ariaLabel = label;
    const box = document.createElement("label");
    box.append(label, select);
    controls.append(box);
  };

  const check = (label, name) => {
    const input = document.createElement("input");
    input.type = "checkbox";
    input.checked = document.body.classList.contains(name);
    input.addEventListener("change", () => document.body.classList.toggle(name, input.checked));
    const box = document.createElement("label");
    box.className = "check";
    box.append(input, label);
    controls.append(box);
  };

  choice("method", "Method", sections.map((section) => section.dataset.method));
  choice("layer", "Layer", sections.map((section) => section.dataset.layer));
  choice("target", "Target", figures.map((figure) => figure.dataset.target));
  choice("sample", "Sample", figures.map((figure) => figure.dataset.sample));
  if (document.querySelector(".stacked")) {
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: 0, max: 100, value: 85 });
    range.addEventListener("input", () => {
      document.documentElement.style.setProperty("--strength", range.value / 100);
    });
    const box = document.createElement("label");
    box.append("Opacity of the maps", range);
    controls.append(box);
    check("grey inputs", "gray");
    check("sharp pixels", "sharp");
  }
  controls.hidden = !controls.childElementCount;

  const dialog = document.querySelector("dialog");
  const large = dialog.querySelector(".large");
  for (const button of document.querySelectorAll(".picture")) {
    button.addEventListener("click", () => {
      large.replaceChildren(...[...button.children].map((image) => image.cloneNode()));
      dialog.showModal();
    });
  }
})();
