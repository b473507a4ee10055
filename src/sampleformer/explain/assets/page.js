// Lets the reader pick a layer and a head in what `root` holds: a whole page, or a part that was put into one.
const showChoices = (root) => {
  "use strict";
  const bar = root.querySelector(".choose");
  if (!bar) return;
  const [layerBox, headBox] = bar.querySelectorAll("select");
  const said = bar.querySelector("output");
  const LEVELS = 5;

  const samples = [...root.querySelectorAll(".sample")].map((section) => {
    const holder = section.querySelector("script.choices");
    const data = holder ? JSON.parse(holder.textContent) : {};
    const bits = (data.chosen || []).map((layer) =>
      layer.map((text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0))));
    return { section, data, bits, map: section.querySelector(".map") };
  });

  // Graphs too large for a drawing have nothing that could be picked.
  if (!samples.some(({ section, data }) => data.kind || section.querySelector("img.focus"))) return;

  // How many of the heads in view chose each cell, and how many heads are in view.
  const counted = (bits, length, layer, head) => {
    const counts = new Uint16Array(length);
    let heads = 0;
    bits.forEach((rows, l) => rows.forEach((row, h) => {
      if ((layer !== "" && l !== +layer) || (head !== "" && h !== +head)) return;
      heads += 1;
      for (let i = 0; i < length; i += 1) counts[i] += (row[i >> 3] >> (i & 7)) & 1;
    }));
    return { counts, heads };
  };

  const range = (first, last) => (first === last ? `${first}` : `${first}–${last}`);
  const marked = (kind, text) => {
    const mark = document.createElement("mark");
    mark.className = kind;
    mark.append(text);
    return mark;
  };

  // The most of all texts is the darkest mark.
  const drawTexts = (layer, head) => {
    const texts = samples.filter(({ data }) => data.kind === "text");
    if (!texts.length) return;
    const views = texts.map(({ bits, data }) => counted(bits, data.cells.length, layer, head));
    const most = Math.max(...views.map(({ counts }) => counts.reduce((a, b) => Math.max(a, b), 0)));
    texts.forEach((sample, i) => drawText(sample, views[i], most));
    drawLegend(Math.max(...views.map(({ heads }) => heads)), most);
  };

  const drawLegend = (heads, most) => {
    const ends = Array.from({ length: LEVELS + 1 }, (_, step) => Math.floor((step * most) / LEVELS));
    const none = document.createElement("span");
    const legend = root.querySelector(".legend");
    if (heads === 1) { legend.replaceChildren("Chosen by this head: ", marked("on", "marked")); return; }
    none.append("0");
    legend.replaceChildren(`Chosen by so many of ${heads} heads: `, none);
    for (let step = 1; step <= LEVELS; step += 1) {
      if (ends[step - 1] < ends[step]) legend.append(marked(`s${step}`, range(ends[step - 1] + 1, ends[step])));
    }
  };

  const drawText = ({ data, map }, { counts, heads }, most) => {
    const step = (count) => (count ? Math.ceil((LEVELS * count) / most) : 0);
    const page = document.createDocumentFragment();
    const text = (from, to) => {
      let run = data.cells[from];
      for (let i = from + 1; i < to; i += 1) run += (data.gaps[i] || "") + data.cells[i];
      return run;
    };
    for (let from = 0, to = 1; from < data.cells.length; from = to, to += 1) {
      while (to < data.cells.length && step(counts[to]) === step(counts[from])) to += 1;
      page.append(data.gaps[from] || "");
      if (!counts[from]) { page.append(text(from, to)); continue; }
      const part = counts.subarray(from, to);
      const mark = marked(heads === 1 ? "on" : `s${step(counts[from])}`, text(from, to));
      mark.title = heads === 1 ? "chosen" : `chosen by ${range(Math.min(...part), Math.max(...part))} of ${heads}`;
      page.append(mark);
    }
    map.replaceChildren(page);
  };

  const drawNumbers = ({ bits, map }, layer, head) => {
    const rows = [...map.querySelectorAll("tbody tr")];
    const { counts, heads } = counted(bits, rows.length, layer, head);
    rows.forEach((row, i) => {
      row.querySelector(".bar i").style.width = `${heads ? (100 * counts[i]) / heads : 0}%`;
      row.querySelector(".times").textContent = `${counts[i]} of ${heads}`;
    });
  };

  const drawPictures = (sample, layer, head) => {
    const focus = sample.section.querySelector("img.focus");
    const caption = sample.section.querySelector(".view");
    sample.source ??= focus.src;
    sample.caption ??= caption.textContent;
    sample.section.querySelectorAll("img.shown").forEach((image) => image.classList.remove("shown"));
    const chosen = layer === "" ? null : sample.section.querySelector(`[data-view="${layer}-${head}"]`);
    focus.src = chosen ? chosen.src : sample.source;
    caption.textContent = chosen ? chosen.title : sample.caption;
    if (chosen) chosen.classList.add("shown");
  };

  const grouped = (number) => number.toLocaleString("en");
  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

  // How dark each token of a drawing or cloud is, from 0 to 1, what that means, and what is said of each token.
  const strengths = ({ bits, data }, layer, head) => {
    if (layer === "pooling") {
      const weights = data.pooling || new Array(data.length).fill(0);
      const most = weights.reduce((a, b) => Math.max(a, b), 0);
      return { values: weights, most, words: `pooling weights: none (${data.unmarked}) to ${percent(most)} (darkest)`,
        tell: (weight) => `weight ${percent(weight)}` };
    }
    const { counts, heads } = counted(bits, data.length, layer, head);
    const most = counts.reduce((a, b) => Math.max(a, b), 0);
    if (!heads) return { values: counts, most, words: "This model has no such layer or head.", tell: () => "not chosen" };
    if (head !== "") {
      const chosen = counts.reduce((a, b) => a + b, 0);
      const words = `Layer ${+layer + 1}, head ${+head + 1}: chose ${grouped(chosen)} of ${grouped(data.length)} ${data.many}`;
      return { values: counts, most, words, tell: (count) => (count ? "chosen" : "not chosen") };
    }
    const place = layer === "" ? "all layers together" : `layer ${+layer + 1}`;
    return { values: counts, most, tell: (count) => `chosen by ${count} of ${heads}`,
      words: `chosen by none (${data.unmarked}) to ${most} (darkest) of ${heads} heads, ${place}` };
  };

  const drawStrengths = (sample, layer, head) => {
    const { values, most, words, tell } = strengths(sample, layer, head);
    const levels = Array.from(values, (value) => (most ? value / most : 0));
    sample.map.querySelector(".view").textContent = words;
    if (sample.data.kind === "cloud") {
      sample.map.querySelector("canvas").dispatchEvent(new CustomEvent("levels", { detail: levels }));
      return;
    }
    const marks = sample.map.querySelectorAll(".nodes > *, .edges > *");
    sample.marks ??= [...marks].sort((a, b) => b.matches(".nodes *") - a.matches(".nodes *"));
    sample.marks.forEach((mark, i) => {
      const title = mark.firstElementChild;
      mark.style.setProperty("--level", levels[i]);
      title.textContent = `${title.textContent.slice(0, title.textContent.lastIndexOf(": "))}: ${tell(values[i])}`;
    });
  };

  // Of two models beside each other, one may have no such layer or head: its samples are shown pale.
  const has = ({ bits, section }, layer, head) =>
    layer === "" || layer === "pooling" || (bits.length ? layer in bits && (head === "" || head in bits[layer])
      : section.querySelector("[data-view]") === null || section.querySelector(`[data-view="${layer}-${head}"]`) !== null);

  const draw = () => {
    const whole = layerBox.value === "" || layerBox.value === "pooling";
    if (whole) headBox.value = "";
    headBox.disabled = whole;
    const [layer, head] = [layerBox.value, headBox.value];
    drawTexts(layer, head);
    samples.forEach((sample) => {
      sample.section.classList.toggle("absent", !has(sample, layer, head));
      if (sample.data.kind === "numbers") drawNumbers(sample, layer, head);
      else if (sample.data.kind === "drawing" || sample.data.kind === "cloud") drawStrengths(sample, layer, head);
      else if (sample.section.querySelector("img.focus")) drawPictures(sample, layer, head);
    });
    said.textContent = layer === "" ? "All layers and heads together."
      : layer === "pooling" ? "How much each counts in the answer."
      : head === "" ? `All heads of layer ${+layer + 1}.` : `Layer ${+layer + 1}, head ${+head + 1}: chosen or not.`;
  };

  root.addEventListener("click", (event) => {
    const view = event.target.dataset && event.target.dataset.view;
    if (!view) return;
    [layerBox.value, headBox.value] = view.split("-");
    draw();
  });
  bar.hidden = false;
  bar.addEventListener("change", draw);
  draw();
};
