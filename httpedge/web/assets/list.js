// The list: a window of rows over the known comments, newest at the bottom.
//
// It either follows the newest comment, or keeps its place: the first row in
// view (the anchor) doesn't move on the screen, whatever comes in above or
// below it. Only rows near the view exist, however long the list is.

import { Row } from './row.js';
import { bindRowKeys, keepReachable } from './rowkeys.js';

const FOLLOWING_ROWS = 100; // rendered while following
const MARGIN_ROWS = 100; // rendered above and below the anchor otherwise
const EDGE_ROWS = 25; // the window moves when the view is this close to its end
const NEAR_BOTTOM_PX = 24;
const RENDER_EVERY_MS = 100; // under load; a lone comment shows in the next frame

export class List {
  following = true;
  #scroller;
  #rows; // the element that holds them
  #comments;
  #on;
  #act;
  #elements = new Map(); // id → Row, of what is rendered
  #start = 0; // the window's first index in #comments.items
  #complete = true; // the window reached the newest comment when it was rendered
  #unseen = 0;
  #stale = false; // the comments changed since the last render
  #renderedAt = -Infinity; // when they were last rendered after a change
  #timer = 0;
  #frame = 0;
  #kept = null; // { element, top }: the anchor at the last scroll or render
  #end = 0; // scrollTop where the list was at its end, while following

  // on: { nearTop(), place(unseen, following) }; act: what a Row needs
  constructor(scroller, rows, comments, on, act) {
    this.#scroller = scroller;
    this.#rows = rows;
    this.#comments = comments;
    this.#on = on;
    this.#act = act;
    bindRowKeys(rows, () => this.#elements);
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
  }

  // Comments were added or removed; `arrived` of them are new.
  changed(arrived = 0) {
    if (!this.following) this.#unseen += arrived;
    this.#stale = true;
    const wait = this.#renderedAt + RENDER_EVERY_MS - performance.now();
    if (wait <= 0) this.#schedule();
    else this.#timer ||= setTimeout(() => this.#schedule(), wait);
  }

  follow() {
    if (this.following) return;
    this.following = true;
    this.#render();
  }

  // Who the user is, or what they may do, has changed.
  refreshAll() {
    for (const row of this.#elements.values()) row.refresh();
  }

  // What was counted for a comment has changed.
  recount(id) {
    const row = this.#elements.get(id);
    if (!row) return;
    const height = row.element.offsetHeight;
    row.recount();
    if (row.element.offsetHeight !== height) this.#schedule();
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => this.#render());
  }

  #render() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = this.#timer = 0;
    if (this.#stale) this.#renderedAt = performance.now();
    this.#stale = false;
    const anchor = this.following ? null : this.#anchor();
    const wanted = this.#window(anchor);
    this.#reconcile(wanted);
    this.#complete = this.#start + wanted.length === this.#comments.items.length;
    if (this.following) this.#toEnd();
    else this.#hold(anchor);
    this.#settle();
  }

  // The part of the list to render.
  #window(anchor) {
    const { items } = this.#comments;
    if (this.following) {
      this.#start = Math.max(0, items.length - FOLLOWING_ROWS);
      return items.slice(this.#start);
    }
    const at = anchor ? this.#comments.indexOf(anchor.element.dataset.id) : 0;
    this.#start = Math.max(0, at - MARGIN_ROWS);
    return items.slice(this.#start, at + 2 * MARGIN_ROWS);
  }

  // Makes the rows those of `wanted`, touching only what differs.
  #reconcile(wanted) {
    const ids = new Set(wanted.map((c) => c.id));
    for (const [id, row] of this.#elements) {
      if (ids.has(id)) continue;
      if (row.element.contains(document.activeElement)) this.#scroller.focus({ preventScroll: true });
      row.element.remove();
      this.#elements.delete(id);
    }
    let next = this.#rows.firstElementChild;
    for (const comment of wanted) {
      let row = this.#elements.get(comment.id);
      if (row?.element === next && next) {
        next = next.nextElementSibling;
        continue;
      }
      row ??= this.#newRow(comment);
      this.#rows.insertBefore(row.element, next);
    }
    keepReachable(this.#rows, this.#elements);
  }

  #newRow(comment) {
    const row = new Row(comment, this.#act);
    this.#elements.set(comment.id, row);
    return row;
  }

  // The first row in view that will still exist, and where it stands.
  #anchor() {
    const top = this.#scroller.getBoundingClientRect().top;
    const rows = this.#rows.children;
    for (let i = firstBelow(rows, top); i < rows.length; i++) {
      if (this.#comments.has(rows[i].dataset.id)) return { element: rows[i], top: rows[i].getBoundingClientRect().top };
    }
    return null;
  }

  // Puts the anchor back to where it was.
  #hold(anchor) {
    if (!anchor?.element.isConnected) return;
    const moved = anchor.element.getBoundingClientRect().top - anchor.top;
    if (moved) this.#scroller.scrollTop += moved;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
    // A scroll is told a frame late. What has come above or below the list
    // meanwhile, like a pinned comment, moved its end, and nobody scrolled up.
    this.following = this.#complete && (atEnd || (this.following && scrollTop >= this.#end));
    if (this.following) this.#end = scrollTop;
    this.#settle();
    if (!this.following && this.#nearEdge()) this.#schedule();
  }

  // After a scroll or a render: remember the place, say what is out of view.
  #settle() {
    this.#kept = this.#anchor();
    if (this.following) this.#unseen = 0;
    this.#on.place(this.#unseen, this.following);
    if (this.#start + this.#rowsAbove() < EDGE_ROWS) this.#on.nearTop();
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#end = this.#scroller.scrollTop;
  }

  #nearEdge() {
    const above = this.#rowsAbove();
    const below = this.#rows.children.length - above;
    return (above < EDGE_ROWS && this.#start > 0) || (!this.#complete && below < MARGIN_ROWS);
  }

  // How many rows are rendered above the view.
  #rowsAbove() {
    return this.#kept ? this.#comments.indexOf(this.#kept.element.dataset.id) - this.#start : 0;
  }

  // The keyboard of a phone opened, or the window was resized.
  #resized() {
    if (this.following) this.#toEnd();
    else this.#hold(this.#kept);
  }
}

// The first of the rows, which stand below each other, that reaches below y.
function firstBelow(rows, y) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].getBoundingClientRect().bottom <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}
