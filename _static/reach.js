/* What the theme leaves out for readers who do not see the page, or have no mouse. */
(function () {
  "use strict";
  /* From a folder a page may not read another, so a search there shows no excerpts; asking would only be an error. */
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  /* What scrolls sideways can be reached with the keyboard: the theme sees to code, but equations are set later. */
  function reach() {
    document.querySelectorAll("mjx-container[display], .bd-article table").forEach(function (each) {
      if (each.scrollWidth > each.clientWidth && getComputedStyle(each).overflowX !== "visible") each.tabIndex = 0;
    });
  }
  /* Where the corner of a table is empty, its first column holds the names of the rows. */
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll(".bd-article table").forEach(function (table) {
      var corner = table.querySelector("thead th");
      if (!corner || corner.textContent.trim()) return;
      table.querySelectorAll("tbody td:first-child").forEach(function (cell) { cell.setAttribute("role", "rowheader"); });
    });
  });

  /* window.mathSet: a promise that is kept when the equations of the page are set; where there are none, at once. */
  window.mathSet = new Promise(function (done) { document.addEventListener("DOMContentLoaded", done); })
    .then(function () { return window.mathjaxReady; })
    .then(function () { return window.MathJax && window.MathJax.startup && window.MathJax.startup.promise; })
    .then(function () { reach(); window.addEventListener("resize", reach); });
})();
