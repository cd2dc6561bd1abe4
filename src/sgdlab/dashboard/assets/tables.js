"use strict";
// What tables show in a cell. Everything is made as elements with text: nothing is read as markup.
(() => {
  const MARKS = { done: "●", running: "▶", interrupted: "‖", diverged: "↗", failed: "✗", damaged: "⚠", unknown: "?", missing: "○" };
  const shows = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  const computes = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  const element = (...parts) => React.createElement(...parts);

  // A link that changes the page without loading it anew, as Dash's own links do.
  function link(address, text) {
    const follow = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      history.pushState({}, "", address);
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
      window.scrollTo(0, 0);
    };
    return element("a", { href: address, onClick: follow }, text);
  }

  shows.RunLink = ({ value }) => value ? link(`/run/${encodeURIComponent(value)}`, value.slice(0, 12)) : "–";
  shows.PointLink = ({ value, data }) => {
    const open = (event) => {
      event.preventDefault();
      window.dash_clientside.set_props("address", { search: `?point=${encodeURIComponent(data.place)}` });
    };
    return element("a", { href: `?point=${encodeURIComponent(data.place)}`, onClick: open }, value);
  };
  shows.State = ({ value }) => element("span", { className: `state state-${value}` },
    element("span", { "aria-hidden": "true" }, `${MARKS[value] || "·"} `), value);

  const raised = (whole) => [...String(whole)].map((digit) => digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");

  function power(value) {
    const exponent = Math.log2(value);
    return Number.isInteger(exponent) && (exponent < 0 || exponent > 10) ? `2${raised(exponent)}` : String(value);
  }
  computes.axis = (value) => value === null || value === undefined ? "" : typeof value === "number" && value > 0 ? power(value) : String(value);
  computes.metric = (value) => typeof value === "number" ? value.toPrecision(5).replace("-", "−") : "–";
  computes.percent = (value) => typeof value === "number" ? `${value} %` : "";
  computes.whole = (value) => typeof value === "number" ? value.toLocaleString("en") : "–";
})();
