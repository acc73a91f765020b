// What the built book shows and JupyterLab does not: recorded numbers in the prose (comm_lite.book.teach.record), folded
// cells, and references to another chapter. Nothing is written into the notebook.
(function () {
  const TEXT = "application/papermill.record/text/plain";
  const GLUE = /\{glue:text\}`([^`]+)`/g;
  const REF = /\{ref\}`([^`<]+?)\s*<([\w-]+)>`/g;
  const LABEL = /\((eq-[\w-]+)\)|^\(([\w-]+)\)=/gm;  // $$ … $$ (eq-clip), (ch-information)=

  const all = (cell, pattern) => [...cell.model.sharedModel.source.matchAll(pattern)];

  // ------------------------------------------------------------------ recorded numbers

  function recorded(cells) {
    const found = new Map();
    for (const { model } of cells) {
      for (let i = 0; model.type === "code" && i < model.outputs.length; i++) {
        const output = model.outputs.get(i), of = output.metadata.scrapbook;
        // Python's quotes keep the last zero of a number
        if (of) found.set(of.name, String(output.data[TEXT]).replace(/^(['"])(.*)\1$/, "$2"));
      }
    }
    return found;
  }

  function fill(cell, values) {
    const names = all(cell, GLUE).map((match) => match[1]);
    if (!names.length) return;
    for (const span of cell.node.querySelectorAll("span[data-record], span:not([class], [style])")) {
      const bare = !span.attributes.length && !span.childElementCount && names.includes(span.textContent);
      const name = span.dataset.record || (bare && span.textContent);
      if (!name) continue;
      const text = values.has(name) ? values.get(name) : "⋯";
      if (span.textContent !== text) span.textContent = text;
      span.dataset.record = name;
      span.title = values.has(name) ? name : `${name}: known when the cells of this chapter have run`;
    }
  }

  // ------------------------------------------------------------------ folded cells

  const folded = new WeakSet();

  async function fold(cell) {
    if (folded.has(cell)) return;
    folded.add(cell);
    await cell.ready;
    const tags = cell.model.getMetadata("tags") || [];
    if (!tags.includes("hide-input") && !tags.includes("hide-cell")) return;
    cell.syncCollapse = false;  // else the notebook would be changed by being looked at
    cell.inputHidden = true;
  }

  // ------------------------------------------------------------------ references to another chapter

  let labels = null;  // which chapter holds which label, read when the first reference needs it

  async function holders(contents, folder, found) {
    for (const item of (await contents.get(folder)).content) {
      if (item.type === "directory") await holders(contents, item.path, found);
      if (item.type !== "notebook") continue;
      const { cells } = (await contents.get(item.path)).content;
      const prose = cells.filter((cell) => cell.cell_type === "markdown").map((cell) => [cell.source].flat().join(""));
      for (const [, equation, place] of prose.join("\n").matchAll(LABEL)) found.set(equation || place, item.path);
    }
    return found;
  }

  async function refer(app, cell, path) {
    const titles = new Map(all(cell, REF).map((match) => [match[1].trim(), match[2]]));
    const lost = [...cell.node.querySelectorAll('.text-yellow-600[title="Cross Reference Not Found"]')]
      .concat([...cell.node.querySelectorAll('a.hover-link[href="#"]')].filter((a) => titles.has(a.textContent)))
      .filter((node) => !node.dataset.referred);
    if (!lost.length) return;
    for (const node of lost) node.dataset.referred = "";  // once, also while the answer is on its way
    labels = labels || holders(app.serviceManager.contents, path.split("/")[0], new Map());
    const known = await labels;
    for (const node of lost) {
      const text = node.textContent, target = known.get(titles.get(text) || text);
      if (!target) continue;
      const link = document.createElement("a");
      link.href = `${app.serviceManager.serverSettings.baseUrl}lab/tree/${target}`;
      link.textContent = titles.has(text) ? text : `in ${target.split("/").pop().replace(".ipynb", "")}`;
      link.addEventListener("click", (event) => {
        event.preventDefault();
        event.stopPropagation();
        app.commands.execute("docmanager:open", { path: target });
      });
      node.style.display = "none";  // React keeps its own node
      node.after(link);
    }
  }

  // ------------------------------------------------------------------

  function look(app) {
    for (const { content, context } of app.shell.widgets("main")) {
      if (!content || !content.activeCell) continue;
      const values = recorded(content.widgets);
      for (const cell of content.widgets) {
        fold(cell);
        if (cell.model.type !== "markdown") continue;
        fill(cell, values);
        refer(app, cell, context.path);
      }
    }
  }

  function activate(app) {
    let waiting = false;
    new MutationObserver(() => {  // a cell was drawn or has run
      if (!waiting) setTimeout(() => { waiting = false; look(app); }, 200);
      waiting = true;
    }).observe(document.body, { childList: true, subtree: true, characterData: true });
  }

  const plugin = { id: "comm-lite:chapters", autoStart: true, activate };
  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["comm-lite"] = { init: () => {}, get: async () => () => plugin };
})();
