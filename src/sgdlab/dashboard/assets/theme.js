"use strict";
// Light or dark: as the system has it, until the reader chooses; the choice is kept in this browser.
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.theme = (() => {
  const NEXT = { system: "light", light: "dark", dark: "system" };
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function stored() {
    try {
      return localStorage.getItem("sgdlab-theme") in NEXT ? localStorage.getItem("sgdlab-theme") : "system";
    } catch {
      return "system"; // a browser may refuse to keep anything
    }
  }

  function apply(choice) {
    const mode = choice === "system" ? (dark.matches ? "dark" : "light") : choice;
    document.documentElement.style.colorScheme = mode;
    document.documentElement.dataset.mode = mode;
    document.documentElement.dataset.agThemeMode = mode;
    return mode;
  }

  function current() {
    return [apply(stored()), stored()];
  }

  // Returns what is shown, and the name of the choice on its button.
  function choose(clicks) {
    if (clicks && window.dash_clientside.callback_context.triggered.length) {
      try {
        localStorage.setItem("sgdlab-theme", NEXT[stored()]);
      } catch { /* then it lasts until the page is closed */ }
    }
    const [mode, choice] = current();
    return [mode, `Colours: ${choice}`];
  }

  apply(stored());
  dark.addEventListener("change", () => {
    if (window.dash_clientside.set_props) window.dash_clientside.set_props("mode", { data: current()[0] });
  });
  return { choose };
})();
