// The regions of a layout: drawn from `props.value`, dragged, and told to the page in shares of the picture.
const stage = element.querySelector(".stage");
const SMALLEST = 0.02, NUDGE = 0.01;
const EDGES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const REST = 150; // milliseconds without a key, after which a move is told
let held = null; // what the pointer moves, or keys
let drawn = ""; // what is shown

function node(kind, parent, text) {
  const made = document.createElement("div");
  made.className = kind;
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

function place(box, [left, top, right, bottom]) {
  box.bounds = [left, top, right, bottom];
  for (const part of [box, box.grip])
    if (part)
      Object.assign(part.style, {
        left: `${100 * left}%`, top: `${100 * top}%`,
        width: `${100 * (right - left)}%`, height: `${100 * (bottom - top)}%`,
      });
}

function draw() {
  const value = props.value;
  const wanted = JSON.stringify([value, props.aspect, props.picture, props.shown]);
  if (held || !value || wanted === drawn) return;
  drawn = wanted;
  const focused = stage.querySelector(".region:focus")?.dataset.index;
  stage.replaceChildren();
  stage.style.aspectRatio = props.aspect;
  stage.style.setProperty("--aspect", props.aspect);
  stage.style.backgroundImage = props.picture ? `url(${props.picture})` : "";
  stage.classList.toggle("bare", !props.shown);
  value.regions.forEach((region, index) => {
    if (region.mask || region.clip) {
      const shape = node("shape", stage);
      shape.style.background = region.colour;
      shape.style.zIndex = 10 + region.depth;
      if (region.mask) shape.style.maskImage = `url(${region.mask})`;
      if (region.clip) shape.style.clipPath = region.clip;
    }
    const box = node(`region ${region.kind}`, stage);
    box.dataset.index = index;
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", region.phrase);
    box.style.setProperty("--colour", region.colour);
    box.style.zIndex = 10 + region.depth;
    if (index === value.selected) {
      box.classList.add("selected");
      box.grip = node("grip", stage);
      box.grip.dataset.index = index;
      box.grip.style.setProperty("--colour", region.colour);
      for (const edge of EDGES) node(`handle ${edge}`, box.grip).dataset.edge = edge;
    }
    place(box, region.bounds);
  });
  value.regions.forEach((region, index) => {
    const label = node("label", stage, region.phrase);
    label.dataset.index = index;
    Object.assign(label.style, { background: region.colour, color: region.ink });
    label.classList.toggle("chosen", index === value.selected);
  });
  stage.querySelector(`.region[data-index="${focused}"]`)?.focus({ preventScroll: true });
  arrange();
}

function restore() {
  held = null;
  drawn = "";
  draw();
}

// Each label at the top of its region, within the picture and beside those that are there already.
function arrange() {
  const width = stage.clientWidth, height = stage.clientHeight, taken = [];
  for (const label of stage.querySelectorAll(".label")) {
    const box = stage.querySelector(`.region[data-index="${label.dataset.index}"]`);
    const [w, h] = [label.offsetWidth, label.offsetHeight];
    const left = Math.max(0, Math.min(box.offsetLeft, width - w));
    let top = Math.max(0, Math.min(box.offsetTop, height - h));
    const hits = () => taken.some((t) => left < t.left + t.w && t.left < left + w && top < t.top + t.h && t.top < top + h);
    while (hits() && top + 2 * h <= height) top += h;
    while (hits() && top >= h) top -= h;
    taken.push({ left, top, w, h });
    Object.assign(label.style, { left: `${left}px`, top: `${top}px` });
  }
}

function pointed(event) {
  const frame = stage.getBoundingClientRect();
  return [(event.clientX - frame.left) / frame.width, (event.clientY - frame.top) / frame.height];
}

function clamp(number, low, high) {
  return Math.min(Math.max(number, low), high);
}

// The bounds after a drag of an edge, or of the whole, by some shares of the picture.
function dragged([left, top, right, bottom], edge, dx, dy) {
  if (!edge) {
    const x = clamp(dx, Math.min(-left, 0), Math.max(1 - right, 0)), y = clamp(dy, Math.min(-top, 0), Math.max(1 - bottom, 0));
    return [left + x, top + y, right + x, bottom + y];
  }
  if (edge.includes("w")) left = clamp(left + dx, 0, right - SMALLEST);
  if (edge.includes("e")) right = clamp(right + dx, left + SMALLEST, 1);
  if (edge.includes("n")) top = clamp(top + dy, 0, bottom - SMALLEST);
  if (edge.includes("s")) bottom = clamp(bottom + dy, top + SMALLEST, 1);
  return [left, top, right, bottom];
}

// Tells what keys have moved. Quick ones are told together.
function tellKeys() {
  if (!held?.rest) return;
  const { index, now, resized, rest } = held;
  clearTimeout(rest);
  held = null;
  trigger("moved", { index, bounds: now, resized });
}

stage.addEventListener("pointerdown", (event) => {
  if (event.button || !props.value) return;
  tellKeys();
  const [x, y] = pointed(event);
  const owner = event.target.closest("[data-index]");
  const edge = event.target.dataset.edge;
  if (owner) {
    const index = Number(owner.dataset.index);
    const box = stage.querySelector(`.region[data-index="${index}"]`);
    held = { index, box, edge, x, y, bounds: box.bounds };
    box.focus({ preventScroll: true });
  } else if (event.pointerType === "mouse" && props.shown) {
    held = { box: node("region box new", stage), edge: "se", x, y, bounds: [x, y, x, y] };
    place(held.box, held.bounds);
  } else return;
  stage.setPointerCapture(event.pointerId);
  event.preventDefault();
});

stage.addEventListener("pointermove", (event) => {
  if (!held || held.rest) return;
  const [x, y] = pointed(event);
  const isNew = held.index === undefined;
  held.now = isNew
    ? [Math.min(x, held.x), Math.min(y, held.y), Math.max(x, held.x), Math.max(y, held.y)].map((n) => clamp(n, 0, 1))
    : dragged(held.bounds, held.edge, x - held.x, y - held.y);
  place(held.box, held.now);
  arrange();
});

stage.addEventListener("pointerup", () => {
  const { index, edge, bounds, now } = held || {};
  if (!held || held.rest) return;
  held.box.classList.remove("new");
  held = null;
  const moved = now && now.some((side, n) => Math.abs(side - bounds[n]) > 1e-3);
  if (index === undefined) {
    if (moved && now[2] - now[0] >= SMALLEST && now[3] - now[1] >= SMALLEST) trigger("added", { bounds: now });
    else restore();
  } else if (moved) trigger("moved", { index, bounds: now, resized: Boolean(edge) });
  else trigger("picked", { index });
});

stage.addEventListener("pointercancel", restore);

stage.addEventListener("keydown", (event) => {
  const index = Number(event.target.dataset.index);
  const step = { ArrowLeft: [-NUDGE, 0], ArrowRight: [NUDGE, 0], ArrowUp: [0, -NUDGE], ArrowDown: [0, NUDGE] }[event.key];
  if (held && !held.rest) return;
  const resized = event.shiftKey;
  if (!step || held?.index !== index || held.resized !== resized) tellKeys();
  if (step) {
    const box = event.target;
    clearTimeout(held?.rest);
    held = { index, resized, now: dragged(box.bounds, resized ? "se" : "", ...step), rest: setTimeout(tellKeys, REST) };
    place(box, held.now);
    arrange();
  } else if (event.key === "Delete" || event.key === "Backspace") trigger("removed", { index });
  else if (event.key === "Enter" || event.key === " ") trigger("picked", { index });
  else return;
  event.preventDefault();
});

new ResizeObserver(arrange).observe(stage);
watch(["value", "aspect", "picture", "shown"], draw);
draw();
