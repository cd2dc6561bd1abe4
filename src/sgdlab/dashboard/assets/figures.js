"use strict";
// Figures come without colours: the style sheet owns them, so that light and dark are one figure.
window.dash_clientside = window.dash_clientside || {};
window.dash_clientside.figures = (() => {
  const NARROW = 600, MOST_TICKS = 7;
  const none = () => window.dash_clientside.no_update;
  const probe = document.createElement("span");

  // Variables may be light-dark(…); what they come to is known to an element that has them as its colour.
  function colourOf(variable) {
    if (!probe.isConnected) {
      probe.hidden = true;
      document.body.append(probe);
    }
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  }

  function faint(colour) {
    return colour.replace("rgb(", "rgba(").replace(")", ", 0.2)");
  }

  function painted(trace) {
    const meta = trace.meta || {};
    if (meta.colour === "own" || meta.colour === undefined) return trace;
    const colour = colourOf(meta.colour === "text" ? "--text" : `--curve-${meta.colour}`);
    const result = { ...trace, line: { ...trace.line, color: colour }, hoverlabel: { bordercolor: colour } };
    if (trace.marker) result.marker = { ...trace.marker, color: colour, line: { ...trace.marker.line, color: colour } };
    if (trace.error_y) result.error_y = { ...trace.error_y, color: colour };
    if (trace.fill) result.fillcolor = faint(colour);
    return result;
  }

  // On a phone every other tick has room.
  function thinned(xaxis) {
    if (innerWidth >= NARROW || !xaxis.tickvals || xaxis.tickvals.length <= MOST_TICKS) return xaxis;
    const keep = (_, index) => index % 2 === 0;
    return { ...xaxis, tickvals: xaxis.tickvals.filter(keep), ticktext: xaxis.ticktext.filter(keep) };
  }

  function layoutOf(plot) {
    const text = colourOf("--text"), line = colourOf("--line");
    const axis = { gridcolor: line, linecolor: text, tickcolor: line, ticks: "outside", showline: true, zeroline: false, automargin: true };
    return {
      xaxis: { ...axis, ...thinned(plot.layout.xaxis) },
      yaxis: { ...axis, ...plot.layout.yaxis },
      font: { color: text, family: "system-ui, sans-serif", size: 13 },
      hoverlabel: { align: "left", bgcolor: colourOf("--page"), font: { color: text } },
      legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom" },
      margin: { l: 10, r: 10, t: 34, b: 10 }, // the tools have the top, the legend the bottom
      modebar: { bgcolor: "transparent", color: colourOf("--quiet"), activecolor: text },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      showlegend: plot.data.length > 1,
      uirevision: "kept", // news must not undo a reader's zoom
    };
  }

  function paint(plot) {
    if (!plot) return none();
    return { data: plot.data.map(painted), layout: layoutOf(plot) };
  }

  // The address of what was clicked: of a heat map pointNumber is [row, column]; one place may stand for all.
  function follow(clicks, figures) {
    const { triggered } = window.dash_clientside.callback_context;
    const click = triggered.length ? triggered[0].value : null;
    if (!click || !click.points.length) return none();
    const index = clicks.indexOf(click);
    const { curveNumber, pointNumber } = click.points[0];
    const places = ((figures[index] || { data: [] }).data[curveNumber].meta || {}).places || [];
    const place = Array.isArray(pointNumber) ? (places[pointNumber[0]] || [])[pointNumber[1]]
      : places.length === 1 ? places[0] : places[pointNumber];
    return place ? `?point=${encodeURIComponent(place)}` : none();
  }

  return { paint, follow };
})();
