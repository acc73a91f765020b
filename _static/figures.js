/* Draws every figure of a page with the one plotly.js of the site, which a page without figures does not load.
   Colours follow light and dark; sliders and buttons can be reached and moved with the keyboard. */
(function () {
  "use strict";
  var root = document.documentElement, clear = "rgba(0,0,0,0)";
  var library = new URL("vendor/plotly.js", document.currentScript.src).href;

  function load() {
    return new Promise(function (done, failed) {
      var amd = window.define, script = document.createElement("script");
      window.define = undefined; // else require.js would swallow it
      script.src = library;
      script.onload = function () {
        window.plotlyReady.then(function () { window.define = amd; done(window.Plotly); }, failed);
      };
      script.onerror = function () { window.define = amd; failed(library); };
      document.head.appendChild(script);
    });
  }

  function look(layout) {
    var dark = root.dataset.theme === "dark", text = dark ? "#ced6dd" : "#222832", line = dark ? "#48566b" : "#d1d5da";
    var found = {
      paper_bgcolor: clear, plot_bgcolor: clear, "font.color": text,
      "modebar.bgcolor": clear, "modebar.color": dark ? "#9ca4af" : "#677384",
    };
    Object.keys(layout).forEach(function (axis) {
      if (!/^[xy]axis/.test(axis)) return;
      ["gridcolor", "linecolor", "zerolinecolor"].forEach(function (kind) { found[axis + "." + kind] = line; });
    });
    (layout.updatemenus || []).forEach(function (_, at) {
      found["updatemenus[" + at + "].bgcolor"] = dark ? "#29313d" : "#ffffff";
      found["updatemenus[" + at + "].bordercolor"] = line;
    });
    return found;
  }

  /* Plotly draws sliders and buttons as bare shapes: name them, and let the keyboard reach them. */
  function name(box) {
    box.querySelectorAll(".slider-container .slider-group, g.slider-group").forEach(function (group, at) {
      var slider = box._fullLayout.sliders.filter(function (each) { return each.visible; })[at];
      var steps = slider.steps.filter(function (each) { return each.visible; });
      var words = {
        tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": steps.length - 1,
        "aria-label": (slider.currentvalue.prefix || "").replace(/[\s=:]+$/, "") || "step of the figure",
        "aria-valuenow": slider.active, "aria-valuetext": steps[slider.active].label,
      };
      Object.keys(words).forEach(function (key) { group.setAttribute(key, words[key]); });
      group.onkeydown = function (event) {
        var way = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -Infinity, End: Infinity}[event.key];
        if (!way) return;
        event.preventDefault();
        var active = Math.min(Math.max(slider.active + way, 0), steps.length - 1), change = {};
        change["sliders[" + slider._index + "].active"] = active;
        window.Plotly.relayout(box, change).then(function () {
          var step = steps[active];
          return step.method === "skip" ? 0 : window.Plotly[step.method].apply(0, [box].concat(step.args));
        }).then(function () { name(box); });
      };
    });
    box.querySelectorAll(".updatemenu-button, .updatemenu-header").forEach(function (button) {
      button.setAttribute("tabindex", 0);
      button.setAttribute("role", "button");
      button.setAttribute("aria-label", button.textContent);
      button.onkeydown = function (event) {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        button.dispatchEvent(new MouseEvent("click", {bubbles: true}));
      };
    });
  }

  function draw(box, Plotly) {
    var spec = JSON.parse(document.getElementById(box.id + "-data").textContent);
    var config = Object.assign({responsive: true, displaylogo: false}, spec.config || {});
    box.textContent = "";
    return Plotly.newPlot(box, spec.data, spec.layout, config)
      .then(function () { if (spec.frames) return Plotly.addFrames(box, spec.frames); })
      .then(function () { return Plotly.relayout(box, look(box.layout)); })
      .then(function () {
        name(box);
        box.on("plotly_hover", function (event) { // a point that names a frame shows it
          var shown = event.points[0].customdata, frames = (spec.frames || []).map(function (f) { return f.name; });
          if (frames.indexOf(shown) < 0) return;
          var at_once = {mode: "immediate", transition: {duration: 0}, frame: {duration: 0, redraw: true}};
          Plotly.animate(box, [shown], at_once);
        });
        ["plotly_afterplot", "plotly_sliderchange"].forEach(function (kind) { box.on(kind, function () { name(box); }); });
        new MutationObserver(function () { Plotly.relayout(box, look(box.layout)); })
          .observe(root, {attributes: true, attributeFilter: ["data-theme"]});
      });
  }

  /* window.figuresDrawn: a promise that is kept when every figure of the page is drawn. */
  window.figuresDrawn = new Promise(function (done) { document.addEventListener("DOMContentLoaded", done); }).then(function () {
    var boxes = Array.from(document.querySelectorAll("div.comm-plotly"));
    if (!boxes.length) return;
    return load().then(function (Plotly) {
      return boxes.reduce(function (before, box) {
        return before.then(function () { return draw(box, Plotly); });
      }, Promise.resolve());
    }).catch(function (reason) {
      boxes.forEach(function (box) {
        if (!box.data) box.textContent = box.getAttribute("aria-label") + " (not drawn: " + reason + ")";
      });
    });
  });
})();
