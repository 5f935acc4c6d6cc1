// Guests, moderators and admins, who post and read over plain HTTP.

import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';

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

  // Somebody whom the site that signs the tokens has given a role.
  static async appoint(server, name, role) {
    const guest = new Guest();
    const userId = `${role}-${randomUUID()}`;
    const claims = { sub: userId, name, role, exp: Math.floor(Date.now() / 1000) + 3600 };
    Object.assign(guest, { token: sign(claims, await server.secret()), userId, name });
    guest.#base = server.base;
    return guest;
  }

  // Answers the comment.
  post(video, message, parentId) {
    return this.call('POST', `comments/${video}`, { message, parentId }, 201);
  }

  remove(video, id) {
    return this.call('DELETE', `comments/${video}/${id}`, undefined, 204);
  }

  // Answers the parsed body, if the status is the one that is expected.
  async call(method, path, body, expected = 200) {
    const response = await fetch(`${this.#base}/${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body && { 'Content-Type': 'application/json' }),
        ...(method === 'POST' && { 'Idempotency-Key': randomUUID() }),
      },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    assert.equal(response.status, expected, `${method} /${path}: ${text}`);
    return text ? JSON.parse(text) : null;
  }
}

// A JSON Web Token, HS256.
function sign(claims, secret) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
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
