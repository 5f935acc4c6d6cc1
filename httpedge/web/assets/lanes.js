// The lanes of the stage, and the rule that no two comments in one touch.
//
// A comment of width w that enters at time t moves left at a constant v over a
// stage of width W: its tail clears the right edge at t + w/v and leaves the
// left edge at t + (W+w)/v. The next one in its lane may enter once the tail
// has cleared, if its own head reaches the left edge, at t' + W/v', no earlier
// than that tail leaves. Positions are linear in time, so a distance that is
// kept at both moments is kept between them.

export const GAP = 28; // px between two comments in a lane

export class Lanes {
  #lanes = [];
  #width = 0;

  get count() {
    return this.#lanes.length;
  }

  // A new width makes all promises void: the caller clears the stage.
  resize(count, width) {
    if (width !== this.#width) this.#lanes = [];
    this.#width = width;
    this.#lanes.length = Math.min(this.#lanes.length, count);
    while (this.#lanes.length < count) this.#lanes.push({ clearsAt: 0, leavesAt: 0 });
  }

  // How many lanes could take a comment now, if it is not too fast.
  open(now) {
    return this.#lanes.filter((lane) => lane.clearsAt <= now).length;
  }

  // Takes a lane for a comment of this width (px) and speed (px/ms) that enters
  // now (ms). Answers its index, or -1. One of those lanes that have been empty
  // longest, so that a calm room uses the whole stage; which one is chance, or
  // comments would come down it in stairs.
  take(now, width, speed) {
    const reaches = now + this.#width / speed;
    const free = this.#lanes.filter((lane) => lane.clearsAt <= now && lane.leavesAt <= reaches);
    if (!free.length) return -1;
    free.sort((a, b) => a.clearsAt - b.clearsAt);
    const lane = free[Math.floor((Math.random() * (free.length + 1)) / 2)];
    lane.clearsAt = now + (width + GAP) / speed;
    lane.leavesAt = now + (this.#width + width + GAP) / speed;
    return this.#lanes.indexOf(lane);
  }

  // Takes a free lane for a comment that stands still in it.
  hold(now, duration) {
    const i = this.#lanes.findIndex((lane) => lane.leavesAt <= now);
    if (i >= 0) this.#lanes[i] = { clearsAt: now + duration, leavesAt: now + duration };
    return i;
  }

  // Moves all promises into the future: the stage stood still for so long.
  shift(ms) {
    for (const lane of this.#lanes) {
      lane.clearsAt += ms;
      lane.leavesAt += ms;
    }
  }
}
