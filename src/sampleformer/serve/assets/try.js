(() => {
  "use strict";
  const byId = (name) => document.getElementById(name);
  const about = JSON.parse(byId("about").textContent);
  const made = (name, text = "", kind = "") => {
    const element = document.createElement(name);
    element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  // What is written in the form, as the sample of a request.
  const numbersIn = (text) => text.split(/[\s,;]+/).filter((part) => part !== "")
    .map((part) => (Number.isNaN(Number(part)) ? part : Number(part)));  // the service says what is no number
  const valueOf = (text) => {
    if (about.samples === "text") return text;
    if (about.samples === "smiles") return text.trim();
    if (about.samples === "numbers" || about.samples === "pixels") return numbersIn(text);
    if (about.samples === "cloud" && !/^\s*[[{]/.test(text)) {
      return text.split("\n").map(numbersIn).filter((point) => point.length);
    }
    return JSON.parse(text);
  };
  const sampleOf = (text) => {
    const value = valueOf(text);
    if (!about.described_by.length) return value;
    const values = about.columns.length === 1 ? [value] : value;
    const row = Object.fromEntries(about.columns.map((name, place) => [name, values[place]]));
    document.querySelectorAll(".described").forEach((field) => {
      const number = Number(field.value);
      row[field.name] = field.value === "" ? null : Number.isNaN(number) ? field.value : number;
    });
    return row;
  };

  // The columns of an answer as a table, probabilities as bars.
  const shownValue = (value) => {
    if (Array.isArray(value)) return value.slice(0, 200).map(shownValue).join(", ");
    return typeof value === "number" && !Number.isInteger(value) ? value.toPrecision(4) : `${value}`;
  };
  const tableOf = (answer) => {
    const table = made("table", "", "bars");
    Object.entries(answer).forEach(([name, value]) => {
      const row = table.insertRow();
      const head = made("th", name);
      head.scope = "row";
      const cell = made("td", shownValue(value));
      row.append(head, cell);
      if (!name.startsWith("probability_") || typeof value !== "number") { cell.colSpan = 2; return; }
      const bar = made("span", "", "bar");
      bar.append(document.createElement("i"));
      bar.firstChild.style.width = `${100 * value}%`;
      row.insertCell().append(bar);
    });
    const frame = made("div", "", "wide");
    frame.append(table);
    return frame;
  };

  // The explanation's own page, of which the parts come in the order in which a reader of one answer wants them.
  const explanationOf = (html) => {
    const parts = [...new DOMParser().parseFromString(html, "text/html").querySelector("main").children];
    const section = parts.find((part) => part.matches(".sample"));
    const first = ["h2", ".outcome", ".facts"].map((name) => section.querySelector(name)).filter(Boolean);
    const [title, ...outcome] = first;
    return [...outcome, title, ...parts.filter((part) => !part.matches("h1, .lead"))];
  };

  const show = (answer, place) => {
    const { explanation, sample, ...columns } = answer;
    const root = made("div", "", "answer");
    if (sample !== undefined) root.append(made("h2", sample));
    byId("answers").append(root);
    if (answer.error !== undefined && Object.keys(columns).length === 1) {
      root.append(made("p", answer.error, "refused"));
      return;
    }
    if (explanation) root.append(...explanationOf(explanation.html)); else root.append(tableOf(columns));
    const whole = made("details");
    const { html, ...numbers } = explanation || {};
    const written = explanation ? { ...columns, explanation: numbers } : columns;
    whole.append(made("summary", "The answer as JSON"), made("pre", JSON.stringify(written, null, 1)));
    root.append(whole);
    showClouds(root);
    showChoices(root);
  };

  const ask = async (body, headers) => {
    byId("error").textContent = "";
    byId("answers").replaceChildren();
    byId("predict").disabled = true;
    try {
      const response = await fetch("predict", { method: "POST", headers, body });
      const found = await response.json();
      const answers = found.answers || (found.answer ? [found.answer] : []);
      if (!answers.length) byId("error").textContent = found.error || `the service answered ${response.status}`;
      answers.forEach(show);
    } catch (error) {
      byId("error").textContent = `no answer: ${error.message}`;
    } finally {
      byId("predict").disabled = false;
    }
  };
  const explains = () => Boolean(byId("explain") && byId("explain").checked);

  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    let sample;
    try {
      sample = sampleOf(byId("sample").value);
    } catch (error) {
      byId("error").textContent = `what is written is no JSON: ${error.message}`;
      return;
    }
    const body = JSON.stringify(explains() ? { sample, explain: "html" } : { sample });
    ask(body, { "Content-Type": "application/json" });
  });

  // A file goes to the service as it is; of a table there are too many rows to explain.
  const TABLE = /\.(csv|tsv|jsonl|ndjson|parquet)$/i;
  const send = (file) => {
    const form = new FormData();
    form.append("file", file);
    const table = about.columns.length > 0 && TABLE.test(file.name);
    if (explains() && !table) form.append("explain", "html");
    ask(form, {});
  };

  // A picture is read here: scaled to the model's pixels, grey, as levels from 0 to the highest.
  let picture = null;
  const levelsOf = (image) => {
    const [rows, columns] = about.layout;
    const canvas = byId("picture");
    [canvas.width, canvas.height, canvas.hidden] = [columns, rows, false];
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    brush.fillStyle = "#fff";
    brush.fillRect(0, 0, columns, rows);
    brush.imageSmoothingQuality = "high";
    brush.drawImage(image, 0, 0, columns, rows);
    const pixels = brush.getImageData(0, 0, columns, rows);
    const levels = [];
    for (let i = 0; i < pixels.data.length; i += 4) {
      const [red, green, blue] = pixels.data.subarray(i, i + 3);
      const grey = 0.299 * red + 0.587 * green + 0.114 * blue;
      const level = Math.round(((byId("inverted").checked ? 255 - grey : grey) / 255) * about.highest);
      pixels.data.fill(Math.round((255 * level) / about.highest), i, i + 3);
      levels.push(level);
    }
    brush.putImageData(pixels, 0, 0);
    return levels;
  };
  const take = () => {
    byId("sample").value = levelsOf(picture).join(", ");
    byId("form").requestSubmit();
  };
  const taken = async (file) => {
    if (!about.layout || !file.type.startsWith("image/")) { send(file); return; }
    try {
      picture = await createImageBitmap(file);
    } catch (error) {
      byId("error").textContent = `${file.name}: found no picture that this browser reads`;
      return;
    }
    take();
  };

  const drop = byId("drop");
  if (!drop) return;
  byId("file").addEventListener("change", (event) => { if (event.target.files.length) taken(event.target.files[0]); });
  if (byId("inverted")) byId("inverted").addEventListener("change", () => { if (picture) take(); });
  const over = (event, on) => { event.preventDefault(); drop.classList.toggle("over", on); };
  document.addEventListener("dragover", (event) => over(event, true));
  document.addEventListener("dragleave", (event) => over(event, false));
  document.addEventListener("drop", (event) => {
    over(event, false);
    if (event.dataTransfer.files.length) taken(event.dataTransfer.files[0]);
  });
})();
