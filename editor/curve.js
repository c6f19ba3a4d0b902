// Weights over time: points that are dragged up and down. `props.value` is the points, `props.top` the highest weight.
const svg = element.querySelector("svg");
const WIDTH = 300, HEIGHT = 90, EDGE = 8;
let points = [], held = -1;

const x = (index) => EDGE + (index / (points.length - 1)) * (WIDTH - 2 * EDGE);
const y = (weight) => HEIGHT - EDGE - (weight / props.top) * (HEIGHT - 2 * EDGE);

function part(kind, attributes, parent = svg) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  parent.append(made);
  return made;
}

function draw() {
  if (held < 0) points = [...(props.value || [])];
  svg.replaceChildren();
  part("line", { class: "axis", x1: EDGE, y1: y(0), x2: WIDTH - EDGE, y2: y(0) });
  part("polyline", { class: "course", points: points.map((weight, index) => `${x(index)},${y(weight)}`).join(" ") });
  points.forEach((weight, index) => {
    const dot = part("circle", { class: "dot", cx: x(index), cy: y(weight), r: 6, tabindex: 0, "data-index": index });
    part("title", {}, dot).textContent = `${weight}`;
    dot.setAttribute("aria-label", `weight ${index + 1}: ${weight}`);
  });
}

function tell() {
  trigger("shaped", { points });
}

function lift(index, weight) {
  points[index] = Math.round(Math.min(Math.max(weight, 0), props.top) * 1000) / 1000;
}

svg.addEventListener("pointerdown", (event) => {
  if (event.target.dataset.index === undefined) return;
  held = Number(event.target.dataset.index);
  svg.setPointerCapture(event.pointerId);
  event.preventDefault();
});
svg.addEventListener("pointermove", (event) => {
  if (held < 0) return;
  const frame = svg.getBoundingClientRect();
  const row = ((event.clientY - frame.top) / frame.height) * HEIGHT;
  lift(held, ((HEIGHT - EDGE - row) / (HEIGHT - 2 * EDGE)) * props.top);
  draw();
});
svg.addEventListener("pointerup", () => {
  if (held < 0) return;
  held = -1;
  tell();
});
svg.addEventListener("keydown", (event) => {
  const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  const index = Number(event.target.dataset.index);
  if (!step || Number.isNaN(index)) return;
  lift(index, points[index] + (step * props.top) / 20);
  event.preventDefault();
  tell();
});

watch(["value", "top"], draw);
draw();
