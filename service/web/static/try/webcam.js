// The webcam: one still after another, each taken when the one before it was answered.

const PAUSE_MS = 500;
const QUALITY = 0.9;

/** Hands stills to `look`, which may take its time; `changed` is told whether it runs. */
export class Webcam {
  #look;
  #changed;
  #stream = null;

  constructor(look, changed) {
    this.#look = look;
    this.#changed = changed;
  }

  async toggle() {
    if (this.#stream) this.stop();
    else await this.#start();
  }

  stop() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#changed(false);
  }

  async #start() {
    if (!navigator.mediaDevices) throw new Error("Browsers lend the webcam to pages of https addresses and of this computer only.");
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: false }).catch((error) => {
      throw new Error(`The browser gave no webcam: ${error.message}.`);
    });
    this.#stream = stream;
    this.#changed(true);
    const video = document.createElement("video");
    [video.srcObject, video.muted, video.playsInline] = [stream, true, true];
    await video.play();
    while (this.#stream === stream) {
      await this.#look(await still(video));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

function still(video) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}
