/* What scrolls sideways can be reached with the keyboard, too. The theme sees to code and tables; equations are set later. */
(function () {
  "use strict";
  /* From a folder a page may not read another, so a search there shows no excerpts; asking would only be an error. */
  if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  function reach() {
    document.querySelectorAll("mjx-container[display], .bd-article table").forEach(function (each) {
      if (each.scrollWidth > each.clientWidth && getComputedStyle(each).overflowX !== "visible") each.tabIndex = 0;
    });
  }
  /* window.mathSet: a promise that is kept when the equations of the page are set; where there are none, at once. */
  window.mathSet = new Promise(function (done) { document.addEventListener("DOMContentLoaded", done); })
    .then(function () { return window.mathjaxReady; })
    .then(function () { return window.MathJax && window.MathJax.startup && window.MathJax.startup.promise; })
    .then(function () { reach(); window.addEventListener("resize", reach); });
})();
