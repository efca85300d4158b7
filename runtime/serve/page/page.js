// All cameras as tiles.

import { ask } from "./ask.js";
import { Tile } from "./tile.js";

const opacity = document.querySelector("#opacity");
const tiles = Object.create(null); // holds no name but cameras'
window.vosrt = tiles; // what is shown, for whoever looks: tiles[name].shown

// What cameras there are and how; after a restart of the server there may be others.
async function look() {
  const cameras = await (await ask("api/cameras")).json();
  for (const name of Object.keys(tiles).filter((name) => !cameras.some((camera) => camera.name === name))) {
    tiles[name].end();
    delete tiles[name];
  }
  for (const camera of cameras) {
    if (!(camera.name in tiles)) {
      tiles[camera.name] = new Tile(camera);
      document.querySelector("#cameras").append(tiles[camera.name].root);
    }
    tiles[camera.name].follow(camera);
  }
}

async function keepLooking() {
  try {
    await look();
  } catch (error) {
    if (!(error instanceof TypeError)) // an answer that is none; without one the sockets tell
      for (const tile of Object.values(tiles)) tile.notice(error.message);
  }
  setTimeout(keepLooking, 2000);
}

opacity.oninput = () => document.documentElement.style.setProperty("--opacity", opacity.value / 100);
keepLooking();
