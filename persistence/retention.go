package persistence

import "time"

// IdempotencyKeyRetention is how long the answer to an Idempotency-Key is kept
// at least, from the moment the comment was created. Clients retry for seconds
// or minutes; the keys of ten minutes are a small part of a store.
const IdempotencyKeyRetention = 10 * time.Minute
