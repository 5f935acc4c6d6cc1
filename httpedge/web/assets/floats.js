// Reactions that rise over the stage. Many at once stay a few: it is the number
// beside the button that counts them.

const RISE_MS = 2600;
const MOST = 40; // at a time
const MOST_OF_A_TYPE = 12; // of one report, which comes about once a second
const SPREAD_MS = 900;

export class Floats {
  #box;
  #count = 0;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  constructor(box) {
    this.#box = box;
  }

  // Some more of a kind were counted.
  add(picture, n) {
    for (let i = 0; i < Math.min(n, MOST_OF_A_TYPE); i++) {
      if (n === 1) this.rise(picture);
      else setTimeout(() => this.rise(picture), Math.random() * SPREAD_MS);
    }
  }

  rise(picture) {
    if (this.#count >= MOST || document.hidden || this.#still.matches || !this.#box.offsetParent) return;
    const element = document.createElement('span');
    element.className = 'float';
    element.textContent = picture;
    this.#box.append(element);
    this.#count++;
    const { width, height } = this.#box.getBoundingClientRect();
    const x = Math.random() * (width - 40);
    const sway = (Math.random() - 0.5) * 48;
    const top = -height * (0.7 + Math.random() * 0.3);
    const at = (part, opacity, scale) => ({
      transform: `translate3d(${x + sway * Math.sin(part * 5)}px, ${top * part}px, 0) scale(${scale})`,
      opacity,
    });
    const frames = [at(0, 0, 0.5), at(0.15, 1, 1.1), at(0.5, 1, 1), at(0.75, 0.9, 1), at(1, 0, 0.9)];
    element.animate(frames, { duration: RISE_MS, easing: 'cubic-bezier(.3,.6,.6,1)' }).onfinish = () => {
      element.remove();
      this.#count--;
    };
  }
}
