// The bar of reactions to the video: a button for each, and how many there were.

import { makeButton } from './dom.js';
import { nameOf, picture, short } from './emoji.js';

export class ReactionBar {
  #bar;
  #floats;
  #react;
  #buttons = new Map(); // type → { button, number }
  #totals = null; // as told last
  #own = new Map(); // type → clicks that rose already, and are not in the totals yet
  #types = '';

  // react(type) answers a promise that rejects when the click was not counted.
  constructor(bar, floats, react) {
    this.#bar = bar;
    this.#floats = floats;
    this.#react = react;
  }

  set types(types) {
    if (types.join('\n') === this.#types) return;
    this.#types = types.join('\n');
    this.#buttons.clear();
    this.#bar.replaceChildren(...types.map((type) => this.#button(type)));
    this.#bar.hidden = !types.length;
    for (const type of types) this.#show(type);
  }

  set disabled(yes) {
    for (const { button } of this.#buttons.values()) button.disabled = yes;
    this.#bar.classList.toggle('disabled', yes);
  }

  // All totals of the video. What is more than before rises over the stage.
  set totals(totals) {
    const before = this.#totals;
    this.#totals = totals;
    for (const type of new Set([...Object.keys(totals), ...this.#buttons.keys()])) {
      const more = before ? (totals[type] ?? 0) - (before[type] ?? 0) : 0;
      const own = Math.min(this.#own.get(type) ?? 0, Math.max(0, more));
      this.#own.set(type, (this.#own.get(type) ?? 0) - own);
      if (more > own) this.#floats.add(picture(type), more - own);
      this.#show(type);
    }
  }

  #button(type) {
    const button = makeButton('reaction', '', '', () => this.#clicked(type));
    const face = document.createElement('span');
    face.className = 'face';
    face.textContent = picture(type);
    const number = document.createElement('span');
    number.className = 'number';
    button.append(face, number);
    this.#buttons.set(type, { button, number });
    return button;
  }

  #clicked(type) {
    this.#own.set(type, (this.#own.get(type) ?? 0) + 1);
    this.#floats.rise(picture(type));
    this.#show(type);
    this.#react(type).catch(() => {
      this.#own.set(type, Math.max(0, (this.#own.get(type) ?? 0) - 1));
      this.#show(type);
    });
  }

  #show(type) {
    const { button, number } = this.#buttons.get(type) ?? {};
    if (!button) return;
    const n = (this.#totals?.[type] ?? 0) + (this.#own.get(type) ?? 0);
    number.textContent = n ? short.format(n) : '';
    button.ariaLabel = button.title = `${nameOf(type)}: ${n}`;
  }
}
