// The history of a room: pages of it are fetched into `comments`, and the
// oldest of them forgotten again when they become too many.
//
// Invariant: between the oldest and the newest comment in `comments` nothing is
// missing, except while a gap that the server told of is being filled.
//
// Own comments that wait for a moderator come with the pages that they belong to.

import { compareIds } from './barrage/ids.js';

const FIRST_PAGE = 50;
const PAGE = 100;

// Beyond this number the oldest are forgotten. Scrolling back fetches them
// again, from the cursor of a waymark that is noted every so many comments.
const KEPT = 3000;
const WAYMARK_EVERY = 1000;

export class History {
  #room;
  #comments;
  #isOwn;
  #cursor = null; // of the page before the oldest comment; null: there is none
  #waymarks = []; // { id, cursor }, oldest first
  #sinceWaymark = 0;

  constructor(room, comments, isOwn) {
    this.#room = room;
    this.#comments = comments;
    this.#isOwn = isOwn;
  }

  get hasOlder() {
    return this.#cursor !== null;
  }

  // Fetches the newest page in place of what there is, but for what came since.
  async loadNewest() {
    const page = await this.#room.page({ pageSize: FIRST_PAGE });
    const newest = page.comments[0]?.id ?? '';
    const since = this.#comments.items.filter((c) => compareIds(c.id, newest) > 0 && (!c.held || this.#isOwn(c)));
    this.#comments.clear();
    this.#comments.add([...page.comments, ...this.#heldOf(page), ...since]);
    this.#cursor = page.nextCursor ?? null;
    this.#waymarks = [];
  }

  async loadOlder() {
    const cursor = this.#cursor;
    if (cursor === null) return;
    const page = await this.#room.page({ cursor, pageSize: PAGE });
    if (cursor !== this.#cursor) return; // trimmed or replaced meanwhile
    this.#cursor = page.nextCursor ?? null;
    this.#comments.add([...page.comments, ...this.#heldOf(page)]);
  }

  // Finds comments that are shown and were deleted: those that a fresh newest
  // page lacks, and that are not found one by one either. Answers their ids.
  async findDeleted() {
    const shown = this.#comments.items.slice(-PAGE).filter((c) => !c.held);
    const { comments, nextCursor } = await this.#room.page({ pageSize: PAGE });
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
    const { comments, nextCursor } = await this.#room.page({ pageSize: 1 });
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

  #heldOf({ held = [] }) {
    return held.filter((c) => this.#isOwn(c));
  }

  #exists(id) {
    return this.#room.comment(id).then(() => true, (problem) => problem.status !== 404);
  }
}
