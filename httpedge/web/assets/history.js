// The history of a room: pages of it are fetched into `comments`, and the
// oldest of them forgotten again when they become too many.
//
// Invariant: between the oldest and the newest comment in `comments` nothing is
// missing, except while a gap that the server told of is being filled.

import { call } from './api.js';
import { compareIds } from './ids.js';

const FIRST_PAGE = 50;
const PAGE = 100;

// A gap of more pages than this is not filled; see fill.
const GAP_PAGES = 30;

// Beyond this number the oldest are forgotten. Scrolling back fetches them
// again, from the cursor of a waymark that is noted every so many comments.
const KEPT = 3000;
const WAYMARK_EVERY = 1000;

export class History {
  #path;
  #token;
  #comments;
  #cursor = null; // of the page before the oldest comment; null: there is none
  #waymarks = []; // { id, cursor }, oldest first
  #sinceWaymark = 0;

  // token is empty where reading is anonymous.
  constructor(path, token, comments) {
    this.#path = path;
    this.#token = token;
    this.#comments = comments;
  }

  get hasOlder() {
    return this.#cursor !== null;
  }

  // Fetches the newest page in place of what there is, but for what came since.
  async loadNewest() {
    const page = await this.page({ pageSize: FIRST_PAGE });
    const newest = page.comments[0]?.id ?? '';
    const since = this.#comments.items.filter((c) => compareIds(c.id, newest) > 0);
    this.#comments.clear();
    this.#comments.add([...page.comments, ...since]);
    this.#cursor = page.nextCursor ?? null;
    this.#waymarks = [];
  }

  async loadOlder() {
    const cursor = this.#cursor;
    if (cursor === null) return;
    const page = await this.page({ cursor, pageSize: PAGE });
    if (cursor !== this.#cursor) return; // trimmed or replaced meanwhile
    this.#cursor = page.nextCursor ?? null;
    this.#comments.add(page.comments);
  }

  // Fetches one page of what lies between two ids, oldest first; `pages` have
  // been fetched before. Answers what was added and where to go on: an id, '' at
  // the end, or null when the gap is so wide that loadNewest is the better way.
  async fill(after, before, pages) {
    if (pages >= GAP_PAGES) return { added: [], next: null };
    const { comments, nextCursor } = await this.page({ since: after, pageSize: PAGE });
    const missed = before ? comments.filter((c) => compareIds(c.id, before) < 0) : comments;
    const more = nextCursor && missed.length === comments.length;
    return { added: this.#comments.add(missed), next: more ? missed.at(-1).id : '' };
  }

  // Finds comments that are shown and were deleted: those that a fresh newest
  // page lacks, and that are not found one by one either. Answers their ids.
  async findDeleted() {
    const shown = this.#comments.items.slice(-PAGE);
    const { comments, nextCursor } = await this.page({ pageSize: PAGE });
    const there = new Set(comments.map((c) => c.id));
    const from = nextCursor ? comments.at(-1).id : '';
    const deleted = [];
    for (const { id } of shown) {
      if (!there.has(id) && compareIds(id, from) > 0 && !(await this.#exists(id))) deleted.push(id);
    }
    return deleted;
  }

  // Counts a new comment, and notes a waymark at every thousandth.
  async count() {
    if (++this.#sinceWaymark < WAYMARK_EVERY) return;
    this.#sinceWaymark = 0;
    const { comments, nextCursor } = await this.page({ pageSize: 1 });
    if (nextCursor) this.#waymarks.push({ id: comments[0].id, cursor: nextCursor });
  }

  trim() {
    const { items } = this.#comments;
    if (items.length <= KEPT) return;
    const oldest = items[items.length - KEPT].id;
    const at = this.#waymarks.findIndex((w) => compareIds(w.id, oldest) >= 0);
    if (at < 0) return;
    this.#comments.dropBefore(this.#waymarks[at].id);
    this.#cursor = this.#waymarks[at].cursor;
    this.#waymarks.splice(0, at + 1);
  }

  page(query) {
    return call(this.#path, { query, token: this.#token });
  }

  #exists(id) {
    return call(`${this.#path}/${id}`, { token: this.#token }).then(() => true, (problem) => problem.status !== 404);
  }
}
