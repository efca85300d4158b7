// Marks by keys: arrows move a cross over the frozen picture, Enter begins and ends what a pointer would draw.

const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINT = "Arrows move the cross, with Shift by one pixel. Enter begins and ends a mark, Escape goes back.";

export class Crosshair {
  constructor(tile) {
    this.tile = tile;
    this.drawing = tile.part(".drawing");
    this.place = null; // x, y in pixels of the drawing
    this.isShown = false; // as long as keys are used
    this.drawing.onkeydown = (event) => this.key(event);
    this.drawing.onfocus = () => this.show(this.drawing.matches(":focus-visible"), HINT);
    this.drawing.onblur = () => {
      tile.pressed = null;
      this.show(false);
    };
  }

  show(isShown, text = "") {
    this.isShown = isShown;
    const { width, height } = this.drawing;
    this.place ??= [width / 2, height / 2];
    this.place = [Math.min(Math.floor(this.place[0]), width - 1), Math.min(Math.floor(this.place[1]), height - 1)];
    this.tile.part(".told").textContent = isShown ? text : "";
    this.tile.draw();
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key in WAYS) this.move(WAYS[event.key], event.shiftKey ? 1 : Math.ceil(this.drawing.width / 40));
    else if (event.key === "Enter" || event.key === " ") this.enter();
    else if (event.key === "Escape") this.escape();
    else return;
    event.preventDefault();
    if (this.tile.frozen !== null) this.show(true, this.text());
  }

  move([across, down], step) {
    const { width, height } = this.drawing;
    const [x, y] = [this.place[0] + step * across, this.place[1] + step * down];
    this.place = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    if (this.tile.pressed) this.tile.drag(this.place);
  }

  enter() {
    if (this.tile.pressed) this.tile.pressed = null;
    else {
      this.tile.press(this.place);
      if (this.tile.tool === "click") this.tile.pressed = null;
    }
  }

  escape() {
    if (!this.tile.pressed) this.tile.thaw();
    else if (this.tile.tool === "box") this.tile.box = null;
    else this.tile.strokes.pop();
    this.tile.pressed = null;
  }

  // For who does not see it.
  text() {
    const { pressed, tool, box, clicks, strokes } = this.tile;
    const made = { box: box && `box of ${box[2] - box[0]} × ${box[3] - box[1]}`, click: `clicks: ${clicks.length}` };
    const done = made[tool] ?? (tool === "paint" ? `strokes: ${strokes.length}` : "no box");
    return `${this.place.join(", ")}; ${done}${pressed ? ", not ended" : ""}`;
  }

  draw(context) {
    if (!this.isShown) return;
    const [x, y] = this.place, arm = Math.max(8, this.drawing.width / 30);
    const width = context.lineWidth;
    for (const [colour, thickness] of [["#000", 2 * width], ["#fff", width]]) { // seen on every ground
      context.strokeStyle = colour;
      context.lineWidth = thickness;
      context.beginPath();
      context.moveTo(x - arm, y);
      context.lineTo(x + arm, y);
      context.moveTo(x, y - arm);
      context.lineTo(x, y + arm);
      context.stroke();
    }
  }
}
