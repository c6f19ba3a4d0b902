// The page's canvas in a notebook: Python's traits are drawn, and Python is told what is done.
export default {
  render({ model, el: element }) {
    element.classList.add("spacetime_attn");
    element.dataset.lmSuppressShortcuts = "true"; // arrows and Delete are ours, and not JupyterLab's
    element.innerHTML = `CANVAS_HTML`;
    const props = {
      get value() { return model.get("_drawn"); },
      get aspect() { return model.get("aspect"); },
      get picture() { return model.get("_backdrop"); },
      shown: true,
    };
    const trigger = (event, told) => model.send({ event, ...told });
    const watch = (names, draw) => model.on("change", draw);
    CANVAS_JS
  },
};
