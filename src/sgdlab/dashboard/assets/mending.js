"use strict";
// Dash's dropdowns have a field beside their button that is hidden from screen readers, and that Tab still reaches.
(() => {
  const mend = () => document.querySelectorAll('.dash-dropdown-focus-target[tabindex="0"]')
    .forEach((field) => { field.tabIndex = -1; });
  new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true });
})();
