// Whole seconds that pass, told one by one.

export class Countdown {
  #tick;
  #ends = 0;
  #timer = 0;

  constructor(tick) {
    this.#tick = tick;
  }

  get seconds() {
    return Math.max(0, Math.ceil((this.#ends - performance.now()) / 1000));
  }

  start(seconds) {
    this.#ends = performance.now() + seconds * 1000;
    this.#next();
  }

  stop() {
    clearTimeout(this.#timer);
    this.#ends = 0;
  }

  #next() {
    clearTimeout(this.#timer);
    const left = this.#ends - performance.now();
    if (left > 0) this.#timer = setTimeout(() => this.#next(), left % 1000 || 1000);
    this.#tick();
  }
}
