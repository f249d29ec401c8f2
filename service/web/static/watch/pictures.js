// Pictures that need the key: fetched as files and shown from memory.

import { ask } from "../api.js";

/** Show the picture at a path of the service in an <img>; nothing is fetched where it shows that version of it already. */
export async function showPicture(image, path, version) {
  const wanted = `${path} ${version}`;
  if (image.dataset.shown === wanted) return;
  image.dataset.shown = wanted;
  const file = await (await ask(path)).blob();
  if (image.dataset.shown !== wanted) return;
  if (image.src) URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
  image.hidden = false;
}

/** Let go of what was shown. */
export function forgetPicture(image) {
  if (image.src) URL.revokeObjectURL(image.src);
  image.removeAttribute("src");
  delete image.dataset.shown;
}
