// A camera: the newest picture, masks drawn here, objects marked on a frozen frame.

import { ask } from "./ask.js";
import { Crosshair } from "./crosshair.js";
import { colourOf, opened } from "./live_view.js";

const template = document.querySelector("#camera"), objectTemplate = document.querySelector("#object");

function noticeOf({ is_stale, error, fps, segmented }) {
  if (!is_stale) return fps ? "" : error ?? "";
  const shown = segmented ? "masks are of the last frame" : "no picture yet";
  return error ? `${error}; ${shown}` : shown;
}

export class Tile {
  constructor({ name, can_save }) {
    this.name = name;
    this.isOver = false; // what is picked is saved, or there is no such camera any more
    this.path = `api/cameras/${encodeURIComponent(name)}`;
    this.root = template.content.firstElementChild.cloneNode(true);
    this.root.dataset.camera = name;
    this.root.setAttribute("aria-label", name);
    this.part("h2").textContent = name;
    for (const selector of [".record", ".graph", ".state", ".figures"]) this.part(selector).hidden = can_save;
    this.part(".save").hidden = !can_save;
    this.times = [];
    this.arrivals = [];
    this.shown = null;
    this.newest = null; // message that is not shown yet
    this.isShowing = false;
    this.failure = null; // why the last recording ended by itself
    this.frozen = null; // number of the frame that is being marked
    this.target = null; // id of the object that is being corrected
    this.tool = "box";
    this.crosshair = new Crosshair(this);
    this.listen();
    this.connect();
  }

  part(selector) { return this.root.querySelector(selector); }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const base = location.pathname.replace(/[^/]*$/, "");
    this.socket = new WebSocket(`${scheme}://${location.host}${base}${this.path}/live`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => {
      this.newest = event.data; // of what comes meanwhile only the newest is shown
      this.showNewest();
    };
    let wasOpen = false;
    this.socket.onopen = () => { wasOpen = true; };
    this.socket.onclose = () => {
      if (this.isOver) return;
      if (wasOpen) {
        for (const selector of [".state", ".figures"]) this.part(selector).textContent = "";
        this.notice("no connection to the server");
      }
      setTimeout(() => this.isOver || this.connect(), 1000);
    };
  }

  async showNewest() {
    if (this.isShowing) return;
    this.isShowing = true;
    while (this.newest !== null && this.frozen === null) {
      const data = this.newest;
      this.newest = null;
      const view = await opened(data).catch(() => null);
      if (view === null) continue;
      if (this.frozen === null) this.show(view);
      else { // a frame was frozen meanwhile
        this.newest ??= data;
        view.image.close();
      }
    }
    this.isShowing = false;
  }

  // How the camera is, whether frames come or not.
  follow(camera) {
    if (this.isOver || this.socket.readyState === WebSocket.CLOSED) return;
    this.state(camera);
    const button = this.part(".record"), link = this.part(".download");
    const isRecording = camera.recording !== null;
    button.classList.toggle("is-recording", isRecording);
    button.textContent = isRecording ? "Stop recording" : "Record";
    link.hidden = isRecording || camera.recorded === null;
    link.href = `api/recordings/${camera.recorded}.mp4`;
    link.download = `${this.name}.mp4`;
    if (camera.recording_error !== this.failure)
      this.part(".problem").textContent = camera.recording_error ?? "";
    this.failure = camera.recording_error;
  }

  state(status) {
    const state = this.part(".state");
    state.textContent = status.state;
    state.classList.toggle("is-stale", status.is_stale);
    this.notice(noticeOf(status));
    if (status.is_stale) this.part(".figures").textContent = "";
  }

  notice(text) {
    const notice = this.part(".notice");
    if (notice.textContent !== text) notice.textContent = text; // told once
  }

  end() {
    this.isOver = true;
    this.socket.close();
    this.root.remove();
  }

  show(view) {
    this.shown?.image.close();
    this.shown = view;
    const { numbers, image, labels, width, height } = view;
    for (const canvas of this.root.querySelectorAll(".stage canvas"))
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    this.part(".stage").style.setProperty("--ratio", width / height);
    this.part(".picture").getContext("2d").drawImage(image, 0, 0);
    const colours = new Uint32Array(256);
    for (const { id } of numbers.objects) {
      const [red, green, blue] = colourOf(id);
      colours[id] = (255 << 24) | (blue << 16) | (green << 8) | red;
    }
    const masks = new ImageData(width, height);
    const pixels = new Uint32Array(masks.data.buffer);
    for (let i = 0; i < labels.length; i++) pixels[i] = colours[labels[i]];
    this.part(".masks").getContext("2d").putImageData(masks, 0, 0);
    if (this.frozen === null) this.tell(numbers);
  }

  tell(numbers) {
    const now = performance.now();
    this.arrivals = [...this.arrivals.filter((time) => now - time < 3000), now];
    const rate = this.arrivals.length > 1 ? (this.arrivals.length - 1) / ((now - this.arrivals[0]) / 1000) : 0;
    this.part(".figures").textContent = `${rate.toFixed(1)} fps · ${(1000 * numbers.age).toFixed(0)} ms`;
    this.times = [...this.times, 1000 * numbers.age].slice(-300);
    this.state(numbers);
    this.graph();
    this.list(numbers.objects);
  }

  graph() {
    const canvas = this.part(".graph"), context = canvas.getContext("2d");
    if (canvas.width !== canvas.clientWidth) canvas.width = canvas.clientWidth;
    const most = Math.max(50, ...this.times);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = "#4fb3ff";
    context.lineWidth = 1.5;
    context.beginPath();
    this.times.forEach((time, i) => {
      const x = (i / 299) * canvas.width, y = canvas.height - 2 - (time / most) * (canvas.height - 16);
      i ? context.lineTo(x, y) : context.moveTo(x, y);
    });
    context.stroke();
    context.fillStyle = "#9aa5af";
    context.font = "12px system-ui";
    context.fillText(`${most.toFixed(0)} ms from frame to masks`, 4, 12);
  }

  list(objects) {
    const list = this.part(".objects");
    const there = new Map([...list.children].map((item) => [Number(item.dataset.id), item]));
    for (const { id, name, confidence, is_lost } of objects) {
      const item = there.get(id) ?? this.item(id, list);
      there.delete(id);
      const input = item.querySelector("input");
      if (document.activeElement !== input) input.value = name;
      item.querySelector("meter").value = confidence ?? 1;
      item.classList.toggle("is-lost", is_lost);
      item.title = is_lost ? "lost: not in the picture" : "";
    }
    for (const item of there.values()) {
      if (item.contains(document.activeElement)) this.part(".freeze").focus();
      item.remove();
    }
  }

  item(id, list) {
    const item = objectTemplate.content.firstElementChild.cloneNode(true);
    item.dataset.id = id;
    for (const labelled of item.querySelectorAll("[aria-label]")) labelled.ariaLabel += ` ${id}`;
    item.querySelector(".swatch").style.setProperty("background", `rgb(${colourOf(id)})`);
    const name = item.querySelector("input");
    name.onchange = () => this.trying(() => ask(`${this.path}/objects/${id}`, "PATCH", { name: name.value }));
    item.querySelector(".correct").onclick = () => this.trying(() => this.freeze(id));
    item.querySelector(".remove").onclick = () => this.trying(() => ask(`${this.path}/objects/${id}`, "DELETE"));
    list.append(item);
    return item;
  }

  async trying(work) {
    this.part(".problem").textContent = "";
    try {
      await work();
    } catch (error) {
      this.part(".problem").textContent = error.message;
    }
  }

  listen() {
    this.part(".freeze").onclick = () => this.trying(() => this.freeze(null));
    this.part(".cancel").onclick = () => this.thaw();
    this.part(".clear").onclick = () => this.clear();
    this.part(".done").onclick = () => this.trying(() => this.send());
    this.part(".record").onclick = () => this.trying(() => this.record());
    this.part(".save").onclick = () => this.trying(() => this.save());
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.onclick = () => this.choose(button.dataset.tool);
    const drawing = this.part(".drawing");
    drawing.onpointerdown = (event) => {
      if (this.frozen === null) return;
      drawing.setPointerCapture(event.pointerId);
      this.crosshair.show(false);
      this.press(this.place(event));
    };
    drawing.onpointermove = (event) => {
      if (this.pressed && drawing.hasPointerCapture(event.pointerId)) this.drag(this.place(event));
    };
    drawing.onpointerup = drawing.onpointercancel = () => { this.pressed = null; };
  }

  place(event) {
    const drawing = this.part(".drawing"), box = drawing.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * drawing.width;
    const y = ((event.clientY - box.top) / box.height) * drawing.height;
    return [Math.min(Math.max(x, 0), drawing.width - 1), Math.min(Math.max(y, 0), drawing.height - 1)];
  }

  async freeze(target) {
    const asked = document.activeElement;
    const answer = await ask(`${this.path}/freeze`, "POST");
    const number = Number(answer.headers.get("X-Frame"));
    const view = await opened(await answer.arrayBuffer());
    this.frozen = number;
    this.target = target;
    this.show(view);
    this.clear();
    this.choose(target === null ? "box" : "paint");
    this.part(".done").textContent = target === null ? "Add" : "Correct";
    this.part(".name").hidden = target !== null;
    this.part(".stage").classList.add("is-marking");
    this.part(".tools.live").hidden = true;
    this.part(".tools.marking").hidden = false;
    this.asked = asked; // gets the keys back
    this.part(".drawing").inert = false;
    this.part(".drawing").focus({ preventScroll: true });
  }

  thaw() {
    this.frozen = this.target = null;
    this.clear();
    this.part(".name").value = "";
    this.part(".stage").classList.remove("is-marking");
    this.part(".tools.live").hidden = false;
    this.part(".tools.marking").hidden = true;
    this.part(".problem").textContent = "";
    this.part(".drawing").inert = true;
    this.asked.focus({ preventScroll: true });
    this.showNewest();
  }

  choose(tool) {
    this.tool = tool;
    for (const button of this.root.querySelectorAll("[data-tool]"))
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    this.part(".outside").hidden = tool === "box";
  }

  clear() {
    this.box = null;
    this.clicks = [];
    this.strokes = [];
    this.pressed = null;
    this.part(".outside input").checked = false;
    this.draw();
  }

  press(place) {
    this.pressed = place;
    const inside = this.part(".outside input").checked ? 0 : 1;
    if (this.tool === "click") this.clicks.push([Math.floor(place[0]), Math.floor(place[1]), inside]);
    if (this.tool === "paint") this.strokes.push({ inside, points: [place] });
    this.draw();
  }

  drag(place) {
    if (this.tool === "box") {
      const [x, y] = this.pressed;
      this.box = [Math.min(x, place[0]), Math.min(y, place[1]), Math.max(x, place[0]), Math.max(y, place[1])];
    }
    if (this.tool === "paint") this.strokes.at(-1).points.push(place);
    this.draw();
  }

  brush() { return Math.max(3, this.part(".drawing").width / 60); }

  draw() {
    const canvas = this.part(".drawing"), context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.lineWidth = Math.max(2, canvas.width / 300);
    if (this.box) {
      for (const [colour, dashes] of [["#000", []], ["#fff", [8, 5]]]) { // seen on every ground
        context.strokeStyle = colour;
        context.setLineDash(dashes);
        context.strokeRect(this.box[0], this.box[1], this.box[2] - this.box[0], this.box[3] - this.box[1]);
      }
      context.setLineDash([]);
    }
    this.paint(context, "#36d36c99", "#ff5a4d99");
    for (const [x, y, inside] of this.clicks) {
      context.fillStyle = inside ? "#36d36c" : "#ff5a4d";
      context.strokeStyle = "#fff";
      context.beginPath();
      context.arc(x, y, Math.max(4, canvas.width / 120), 0, 2 * Math.PI);
      context.fill();
      context.stroke();
    }
    this.crosshair.draw(context);
  }

  paint(context, inside, outside) {
    context.save();
    context.lineWidth = this.brush();
    context.lineCap = context.lineJoin = "round";
    for (const stroke of this.strokes) {
      context.strokeStyle = stroke.inside ? inside : outside;
      context.beginPath();
      stroke.points.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      if (stroke.points.length === 1) context.lineTo(stroke.points[0][0] + 0.1, stroke.points[0][1]);
      context.stroke();
    }
    context.restore();
  }

  // The strokes as a PNG of the frame's size: 1 is the object, 2 is not.
  async plane(height, width) {
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    const drawing = this.part(".drawing");
    context.scale(width / drawing.width, height / drawing.height);
    this.paint(context, "rgb(255 0 0)", "rgb(0 255 0)");
    const pixels = context.getImageData(0, 0, width, height);
    for (let i = 0; i < pixels.data.length; i += 4) {
      const value = pixels.data[i + 3] < 128 ? 0 : pixels.data[i] > pixels.data[i + 1] ? 1 : 2;
      pixels.data.fill(value, i, i + 3);
      pixels.data[i + 3] = 255;
    }
    context.putImageData(pixels, 0, 0);
    const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }

  async send() {
    const [height, width] = this.shown.numbers.size;
    const across = width / this.shown.width, down = height / this.shown.height;
    const mark = { frame: this.frozen };
    if (this.target !== null) mark.id = this.target;
    else if (this.part(".name").value) mark.name = this.part(".name").value;
    if (this.box) {
      const [x0, y0, x1, y1] = this.box;
      mark.box = [Math.floor(x0 * across), Math.floor(y0 * down), Math.ceil(x1 * across), Math.ceil(y1 * down)];
    }
    if (this.clicks.length)
      mark.clicks = this.clicks.map(([x, y, inside]) => [Math.floor(x * across), Math.floor(y * down), inside]);
    if (this.strokes.length) mark.strokes = await this.plane(height, width);
    const button = this.part(".done"), hadKeys = document.activeElement === button;
    button.disabled = true; // which takes the keys from it
    try {
      await ask(`${this.path}/objects`, "POST", mark);
    } finally {
      button.disabled = false;
      if (hadKeys && this.frozen === mark.frame) button.focus();
    }
    if (this.frozen === mark.frame) this.thaw(); // else another frame is being marked by now
  }

  async save() {
    const answer = await (await ask("api/save", "POST")).json();
    this.isOver = true;
    this.notice(`saved as ${answer.saved}; this page can be closed`);
    for (const button of this.root.querySelectorAll("button")) button.disabled = true;
  }

  async record() {
    const isRecording = this.part(".record").classList.contains("is-recording");
    await ask(`${this.path}/recording`, isRecording ? "DELETE" : "POST");
    const cameras = await (await ask("api/cameras")).json();
    this.follow(cameras.find(({ name }) => name === this.name));
  }
}
