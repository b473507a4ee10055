// Lets the reader turn the point clouds in what `root` holds.
const showClouds = (root) => {
  "use strict";
  const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
  const mixed = (from, to, part) => `rgb(${from.map((a, i) => Math.round(a + (to[i] - a) * part)).join()})`;
  const SHADES = 32;
  const shades = ([from, to]) => Array.from({ length: SHADES + 1 }, (_, i) => mixed(from, to, i / SHADES));

  // The same view as that of the picture which it takes the place of, until it is turned.
  const cloud = (map, data) => {
    const canvas = map.querySelector("canvas");
    const brush = canvas.getContext("2d");
    if (!brush) return;
    const places = new Int16Array(bytes(data.points).buffer);
    const count = places.length / 3;
    const order = Uint16Array.from({ length: count }, (_, i) => i);
    const [across, up, near] = [0, 0, 0].map(() => new Float32Array(count));
    const [greys, blues] = [shades(data.unchosen), shades(data.chosen)];
    let levels = data.levels;
    let [turn, tilt, zoom, waiting] = [data.turn, data.tilt, 1, false];

    const project = () => {
      const [t, u] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
      const [ct, st, cu, su] = [Math.cos(t), Math.sin(t), Math.cos(u), Math.sin(u)];
      for (let i = 0; i < count; i += 1) {
        const [x, y, z] = [places[3 * i] / 32767, places[3 * i + 1] / 32767, places[3 * i + 2] / 32767];
        const away = st * x + ct * y;
        near[i] = su * z - cu * away;
        const scale = data.camera / (data.camera - near[i]);
        across[i] = (ct * x - st * y) * scale;
        up[i] = (cu * z + su * away) * scale;
      }
      order.sort((a, b) => near[a] - near[b] || a - b);
    };

    const draw = () => {
      waiting = false;
      const side = Math.round(canvas.getBoundingClientRect().width * (window.devicePixelRatio || 1));
      if (!side) return;
      if (canvas.width !== side) canvas.width = canvas.height = side;
      brush.fillStyle = "#fff";
      brush.fillRect(0, 0, side, side);
      project();
      const [reach, radius] = [data.fill * side * zoom, data.radius * side * Math.sqrt(zoom)];
      for (const i of order) {
        const level = levels[i] || 0;
        const size = (radius * (level ? data.larger : 1) * data.camera) / (data.camera - near[i]);
        const shade = Math.round(SHADES * Math.min(1, Math.max(0, level || (near[i] + 1) / 2)));
        brush.fillStyle = level ? blues[shade] : greys[shade];
        brush.beginPath();
        brush.arc(side / 2 + reach * across[i], side / 2 - reach * up[i], size, 0, 2 * Math.PI);
        brush.fill();
      }
    };
    const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
    const turned = (right, down) => { turn += right; tilt = Math.max(-90, Math.min(90, tilt + down)); later(); };
    const zoomed = (factor) => { zoom = Math.max(0.5, Math.min(12, zoom * factor)); later(); };
    const back = () => { [turn, tilt, zoom] = [data.turn, data.tilt, 1]; later(); };

    // One finger or the mouse turns, two fingers zoom. A finger that starts upwards or downwards scrolls the page.
    const fingers = new Map();
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return Math.hypot(a.x - b.x, a.y - b.y) || 1;
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      const before = fingers.size === 2 ? spread() : 0;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (before) zoomed(spread() / before);
      else turned(0.5 * (event.clientX - last.x), 0.5 * (event.clientY - last.y));
    });
    const lift = (event) => fingers.delete(event.pointerId);
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);

    // The wheel scrolls the page, as everywhere, unless the reader has clicked on the cloud; pinching counts as both.
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      zoomed(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)));
    }, { passive: false });

    const keys = {
      ArrowLeft: () => turned(-5, 0), ArrowRight: () => turned(5, 0), ArrowUp: () => turned(0, -5),
      ArrowDown: () => turned(0, 5), "+": () => zoomed(1.2), "=": () => zoomed(1.2), "-": () => zoomed(1 / 1.2),
      0: back,
    };
    canvas.addEventListener("keydown", (event) => {
      if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    canvas.addEventListener("dblclick", back);
    canvas.addEventListener("levels", (event) => { levels = event.detail; later(); });
    new ResizeObserver(later).observe(canvas); // ends with the canvas, as a listener of the window would not

    map.querySelector("img").hidden = true;
    canvas.hidden = false;
    map.querySelector(".hint").hidden = false;
    draw();
  };

  root.querySelectorAll("script.points").forEach((holder) =>
    cloud(holder.closest(".sample").querySelector(".cloud"), JSON.parse(holder.textContent)));
};
