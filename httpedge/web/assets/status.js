// What the page says about itself: the connection, how many watch, and how much
// the stage had to leave out.

const STATES = {
  connecting: 'Connecting',
  live: 'Live',
  reconnecting: 'Reconnecting',
  refused: 'Not available',
  ended: 'Ended',
};
const BUSY_MS = 3000; // how long it is said that comments were left out

const counted = new Intl.NumberFormat();

export class Status {
  #state;
  #watching;
  #busy;
  #connection = 'connecting';
  #ended = false;
  #left = 0;
  #timer = 0;

  constructor({ state, watching, busy }) {
    this.#state = state;
    this.#watching = watching;
    this.#busy = busy;
  }

  set connection(name) {
    this.#connection = name;
    this.#show();
  }

  set ended(yes) {
    this.#ended = yes;
    this.#show();
  }

  set viewers(n) {
    if (!Number.isFinite(n)) return;
    this.#watching.querySelector('#viewers').textContent = counted.format(n);
    this.#watching.hidden = false;
  }

  // One more comment that only the list shows.
  leftOut() {
    this.#left++;
    this.#busy.textContent = `${counted.format(this.#left)} more in the list`;
    this.#busy.hidden = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#left = 0;
      this.#busy.hidden = true;
    }, BUSY_MS);
  }

  // Screen readers hear every change of the text: only real ones are made.
  #show() {
    const name = this.#ended && this.#connection === 'live' ? 'ended' : this.#connection;
    if (this.#state.dataset.state === name) return;
    this.#state.dataset.state = name;
    this.#state.textContent = STATES[name];
  }
}
