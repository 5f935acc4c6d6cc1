// The shapes of what the server sends, for editors and type checkers: this file
// has no code. Ids are decimal strings of 64 bits; compare them with compareIds.

/**
 * @typedef {object} Comment
 * @property {string} id
 * @property {string} liveVideoId
 * @property {string} userId
 * @property {string} [userName]
 * @property {string} message
 * @property {string} [parentId] the first comment of the thread that this one is in
 * @property {string} createdAt RFC 3339, UTC, with milliseconds
 * @property {number} [replyCount] absent: none
 * @property {Counts} [reactions] absent: none
 * @property {boolean} [held] it waits for a moderator; its id is that of its place in the queue
 * @property {string} [reason] why it is held, for moderators
 * @property {boolean} [filled] it was fetched to fill a gap of the stream; set by this client
 */

/** @typedef {Record<string, number>} Counts totals by reaction type */

/**
 * @typedef {object} Page
 * @property {Comment[]} comments
 * @property {Comment[]} [held] those within the page's range that this reader may see
 * @property {string | null} nextCursor null: this is the last page
 */

/**
 * @typedef {object} PageQuery
 * @property {string} [cursor] nextCursor of the page before
 * @property {number} [pageSize] 1 to 100
 * @property {'asc' | 'desc'} [sort] by age; newest first if it is not given
 * @property {string} [since] only what came after this comment, oldest first
 * @property {number} [wait] with since: seconds to wait for a comment, 0 to 60
 */

/** @typedef {'live' | 'ended'} VideoState */

/**
 * @typedef {object} Video
 * @property {string} liveVideoId
 * @property {VideoState} state
 * @property {number} viewers
 * @property {number} comments
 * @property {Counts} reactions
 * @property {string[]} [reactionTypes] those that the server takes
 * @property {number} [slowModeSeconds] 0: off
 * @property {string | null} [pinnedCommentId]
 * @property {string} [owner] the node that owns it
 * @property {You} [you] with a token
 */

/**
 * @typedef {object} You
 * @property {string} userId
 * @property {'viewer' | 'moderator' | 'admin'} role
 * @property {boolean} muted
 * @property {string | null} [mutedUntil] absent: for good
 */

/**
 * @typedef {object} VideoChange
 * @property {VideoState} [state]
 * @property {number} [slowModeSeconds] 0 to 3600
 * @property {string | null} [pinnedCommentId] null: nothing is pinned
 */

/** @typedef {{ videos: Video[], nextCursor: string | null }} Lobby */

/**
 * @typedef {object} LobbyQuery
 * @property {VideoState | 'all'} [state]
 * @property {'viewers' | 'comments' | 'id'} [sort]
 * @property {number} [pageSize] 1 to 100
 * @property {string} [cursor]
 */

/** @typedef {{ userId: string, mutedUntil: string | null }} Mute mutedUntil null: for good */

/**
 * @typedef {object} AuditEvent
 * @property {string} id
 * @property {string} at
 * @property {string} kind
 * @property {string} actorId
 * @property {string} [userId]
 * @property {string} [commentId]
 * @property {object} [detail] what was changed
 */

/**
 * What a room tells: the name of an event, and the detail that comes with it.
 * @typedef {object} RoomEvents
 * @property {Comment} comment
 * @property {{ liveVideoId?: string, id: string }} delete
 * @property {{ liveVideoId?: string, reactions: Counts, comments?: Record<string, Counts> }} reactions totals
 * @property {{ liveVideoId?: string, viewers: number }} viewers
 * @property {{ liveVideoId?: string, commentId: string | null, comment: Comment | null }} pin
 * @property {{ liveVideoId?: string, state: VideoState }} end
 * @property {{ liveVideoId?: string, state: VideoState, slowModeSeconds: number }} room
 * @property {{ liveVideoId?: string, comment?: Comment, id?: string, resolved?: 'approved' | 'rejected', commentId?: string }} held
 * @property {{ liveVideoId?: string, muted: boolean, mutedUntil: string | null }} muted
 * @property {{ liveVideoId?: string, shown: number, total: number }} sampled
 * @property {{ after: string, before: string, filled: boolean }} gap
 * @property {{ state: ConnectionState, problem?: import('./http.js').Problem }} state
 */

/** @typedef {'connecting' | 'live' | 'reconnecting' | 'refused' | 'closed'} ConnectionState */

/** @typedef {'sse' | 'websocket' | 'poll'} Transport */

export {};
