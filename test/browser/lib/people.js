// Guests who post and read over plain HTTP.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

export class Guest {
  #base;

  static async join(base, name) {
    const response = await fetch(`${base}/guest`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name }),
    });
    assert.ok(response.ok, `POST /guest: ${response.status} ${await response.clone().text()}`);
    const guest = new Guest();
    Object.assign(guest, await response.json(), { name });
    guest.#base = base;
    return guest;
  }

  // Answers the comment.
  async post(video, message) {
    const response = await fetch(`${this.#base}/comments/${video}`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${this.token}`,
        'Content-Type': 'application/json',
        'Idempotency-Key': randomUUID(),
      },
      body: JSON.stringify({ message }),
    });
    assert.equal(response.status, 201, `POST /comments/${video}: ${await response.clone().text()}`);
    return response.json();
  }

  async remove(video, id) {
    const response = await fetch(`${this.#base}/comments/${video}/${id}`, {
      method: 'DELETE',
      headers: { Authorization: `Bearer ${this.token}` },
    });
    assert.equal(response.status, 204, `DELETE: ${await response.text()}`);
  }
}

// Several guests: each stays below the limit of a single user's posts.
export async function crowd(base, count) {
  const guests = [];
  for (let i = 0; i < count; i++) guests.push(await Guest.join(base, `Guest ${i + 1}`));
  return guests;
}

// Posts text(i) for i in 0…count-1, one after the other, guests taking turns.
export async function seed(guests, video, count, text) {
  const comments = [];
  for (let i = 0; i < count; i++) comments.push(await guests[i % guests.length].post(video, text(i)));
  return comments;
}

// The whole history, oldest first, as the server tells it.
export async function history(base, video) {
  const comments = [];
  let cursor = '';
  do {
    const query = new URLSearchParams({ sort: 'asc', pageSize: '100', ...(cursor && { cursor }) });
    const response = await fetch(`${base}/comments/${video}?${query}`);
    assert.equal(response.status, 200, await response.clone().text());
    const page = await response.json();
    comments.push(...page.comments);
    cursor = page.nextCursor;
  } while (cursor);
  return comments;
}
