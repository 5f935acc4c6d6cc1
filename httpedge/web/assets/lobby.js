// The lobby: which rooms there are.

import { make } from './dom.js';
import { nameOf, picture, short } from './emoji.js';
import { explain } from './explain.js';

const PAGE = 30;
const REACTIONS = 3; // of a room, the most frequent ones

export class Lobby {
  #dialog;
  #list;
  #note;
  #more;
  #filter;
  #barrage;
  #here;
  #cursor = '';
  #asked = 0; // tells an answer that comes late

  // here: the room that the page is in
  constructor(dialog, opener, barrage, here) {
    this.#dialog = dialog;
    this.#list = dialog.querySelector('.videos');
    this.#note = dialog.querySelector('.panel-note');
    this.#more = dialog.querySelector('.more');
    this.#filter = dialog.querySelector('form');
    this.#barrage = barrage;
    this.#here = here;
    opener.addEventListener('click', () => this.show());
    dialog.querySelector('.back').addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
    this.#more.addEventListener('click', () => this.#load());
    this.#filter.addEventListener('change', () => this.#restart());
    this.#filter.addEventListener('submit', (event) => event.preventDefault());
  }

  show() {
    this.#dialog.showModal();
    this.#restart();
  }

  #restart() {
    this.#cursor = '';
    this.#list.replaceChildren();
    this.#load();
  }

  async #load() {
    const asked = ++this.#asked;
    this.#more.hidden = true;
    this.#note.textContent = 'Loading…';
    const { state, sort } = this.#filter.elements;
    try {
      const query = { state: state.value, sort: sort.value, pageSize: PAGE, cursor: this.#cursor };
      const { videos, nextCursor } = await this.#barrage.videos(query);
      if (asked !== this.#asked) return;
      this.#list.append(...videos.map((video) => this.#card(video)));
      this.#cursor = nextCursor;
      this.#more.hidden = !nextCursor;
      this.#note.textContent = this.#list.children.length ? '' : 'There is no such room now.';
    } catch (problem) {
      if (asked === this.#asked) this.#note.textContent = explain(problem);
    }
  }

  #card({ liveVideoId, state, viewers, comments, reactions = {} }) {
    const link = make('a', 'video');
    link.href = `?${new URLSearchParams({ video: liveVideoId })}`;
    if (liveVideoId === this.#here) link.ariaCurrent = 'page';
    const name = make('bdi', 'video-name', liveVideoId);
    const facts = make('span', 'facts', `${short.format(viewers)} watching · ${short.format(comments)} ${comments === 1 ? 'comment' : 'comments'}`);
    link.append(name, make('span', `video-state ${state === 'ended' ? 'over' : ''}`, state === 'ended' ? 'Ended' : 'Live'), facts);
    const top = Object.entries(reactions).sort(([, a], [, b]) => b - a).slice(0, REACTIONS);
    const marks = make('span', 'most');
    for (const [type, n] of top) {
      const mark = make('span', '');
      mark.append(make('span', 'face', picture(type)), ` ${short.format(n)}`);
      mark.title = nameOf(type);
      marks.append(mark);
    }
    link.append(marks);
    const item = document.createElement('li');
    item.append(link);
    return item;
  }
}
