"use strict";
// Where the reader is after a page or a panel has changed: title, focus and place follow.
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.pages = (() => {
  let arrivedAt = null;

  // On a later page the focus goes to the content, as a browser's own navigation would take it there.
  function arrive(_, path) {
    const heading = document.querySelector("main h1");
    document.title = `${heading ? heading.textContent : "Sweeps"} – sgdlab`;
    if (arrivedAt !== null && arrivedAt !== path) document.getElementById("content").focus({ preventScroll: true });
    arrivedAt = path;
    return path;
  }

  function show(children) {
    const heading = document.getElementById("point-heading");
    if (heading && children && children.length) {
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: "start", behavior: "instant" });
    }
    return String(Boolean(heading));
  }

  return { arrive, show };
})();
window.dash_clientside.tables = {
  search: (text, options) => ({ ...options, quickFilterText: text || "" }),
};
