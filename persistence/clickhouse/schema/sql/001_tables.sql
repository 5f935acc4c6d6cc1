-- A row may be inserted twice (a retry, a crash between insert and checkpoint,
-- another node that takes over). Whoever reads with FINAL or LIMIT 1 BY the
-- sorting key sees one. Rows are only merged within a partition, so all rows of
-- a key have the same time: a row that takes a comment back has the comment's
-- created_at_ms, not the time of the deletion.

-- deleted is the version: the row that takes a comment back wins, whenever it
-- came. It has no message and no user_name; its user_id is the author's. Pages
-- of history read few rows, so the granules are small.
CREATE TABLE IF NOT EXISTS {{table "comments"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    comment_id    UInt64{{codec "Delta(8), ZSTD(1)"}},
    user_id       String{{codec "ZSTD(1)"}},
    user_name     String{{codec "ZSTD(1)"}},
    message       String{{codec "ZSTD(3)"}},
    parent_id     UInt64{{codec "ZSTD(1)"}},
    created_at_ms Int64{{codec "Delta(8), ZSTD(1)"}},
    deleted       UInt8{{codec "ZSTD(1)"}},
    created_at    {{timeType}} {{computed}} {{timeOf "created_at_ms"}}{{codec "Delta, ZSTD(1)"}}
) ENGINE = {{engine "comments" "ReplacingMergeTree" "deleted"}}
PARTITION BY toYYYYMM(created_at)
ORDER BY (live_video_id, comment_id){{ttl "created_at"}}{{settings "index_granularity" "1024"}};

{{distributed "comments" "cityHash64(live_video_id)"}}

-- Comments that answer another, once more, in the order of threads: a page of a
-- thread would otherwise be looked for in all of its live video.
CREATE TABLE IF NOT EXISTS {{table "replies"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    parent_id     UInt64{{codec "ZSTD(1)"}},
    comment_id    UInt64{{codec "Delta(8), ZSTD(1)"}},
    user_id       String{{codec "ZSTD(1)"}},
    user_name     String{{codec "ZSTD(1)"}},
    message       String{{codec "ZSTD(3)"}},
    created_at_ms Int64{{codec "Delta(8), ZSTD(1)"}},
    deleted       UInt8{{codec "ZSTD(1)"}},
    created_at    {{timeType}}{{codec "Delta, ZSTD(1)"}}
) ENGINE = {{engine "replies" "ReplacingMergeTree" "deleted"}}
PARTITION BY toYYYYMM(created_at)
ORDER BY (live_video_id, parent_id, comment_id){{ttl "created_at"}}{{settings "index_granularity" "1024"}};

{{distributed "replies" "cityHash64(live_video_id)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{table "replies_mv"}}{{onCluster}}
TO {{table "replies"}} AS
SELECT live_video_id, parent_id, comment_id, user_id, user_name, message, created_at_ms, deleted, {{timeOf "created_at_ms"}} AS created_at
FROM {{table "comments"}}
WHERE parent_id != 0;

-- comment_id 0: a reaction to the live video itself.
CREATE TABLE IF NOT EXISTS {{table "reactions"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    reaction_id   UInt64{{codec "Delta(8), ZSTD(1)"}},
    comment_id    UInt64{{codec "ZSTD(1)"}},
    type          {{lowCardinality}},
    count         UInt32{{codec "ZSTD(1)"}},
    created_at_ms Int64{{codec "Delta(8), ZSTD(1)"}},
    created_at    {{timeType}} {{computed}} {{timeOf "created_at_ms"}}{{codec "Delta, ZSTD(1)"}}
) ENGINE = {{engine "reactions" "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(created_at)
ORDER BY (live_video_id, reaction_id, comment_id, type){{ttl "created_at"}}{{settings}};

{{distributed "reactions" "cityHash64(live_video_id)"}}

-- What moderators and hosts did: actor_id did kind to user_id or comment_id;
-- detail is JSON.
CREATE TABLE IF NOT EXISTS {{table "room_events"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    at_ms         Int64{{codec "Delta(8), ZSTD(1)"}},
    kind          {{lowCardinality}},
    event_id      UInt64{{codec "Delta(8), ZSTD(1)"}},
    actor_id      String{{codec "ZSTD(1)"}},
    user_id       String{{codec "ZSTD(1)"}},
    comment_id    UInt64{{codec "ZSTD(1)"}},
    detail        String{{codec "ZSTD(3)"}},
    at            {{timeType}} {{computed}} {{timeOf "at_ms"}}{{codec "Delta, ZSTD(1)"}}
) ENGINE = {{engine "room_events" "ReplacingMergeTree"}}
PARTITION BY toYYYYMM(at)
ORDER BY (live_video_id, at_ms, kind, event_id){{ttl "at"}}{{settings}};

{{distributed "room_events" "cityHash64(live_video_id)"}}
