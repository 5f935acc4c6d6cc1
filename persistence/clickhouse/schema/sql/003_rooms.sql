-- What a room needs back when no node knows of it any more: what is set for it,
-- and what its reactions add up to.

-- One row for each thing that is set: part is 'ended' (number: 0 or 1),
-- 'slow_mode' (seconds), 'pin' (comment id, 0: none), 'created' (at_ms) or
-- 'mute' (of user_id until number, in ms; 0: for good; lifted: no more). Of each
-- the newest holds, of 'created' the oldest. Held comments are not here: nobody
-- but moderators is to read them. It has no month and no TTL: a mute for good is
-- one, however old.
CREATE TABLE IF NOT EXISTS {{table "room_state"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    part          {{lowCardinality}},
    user_id       String{{codec "ZSTD(1)"}},
    at_ms         Int64{{codec "ZSTD(1)"}},
    number        Int64{{codec "ZSTD(1)"}},
    lifted        UInt8{{codec "ZSTD(1)"}},
    actor_id      String{{codec "ZSTD(1)"}},
    version       UInt64{{codec "ZSTD(1)"}}
) ENGINE = {{engine "room_state" "ReplacingMergeTree" "version"}}
ORDER BY (live_video_id, part, user_id){{settings "index_granularity" "1024"}};

{{distributed "room_state" "cityHash64(live_video_id)"}}

-- How many reactions of a type an edge process (session) has counted for a
-- target so far: the highest is right. The sum over the sessions is the total.
-- Rows of one key may be in two months.
CREATE TABLE IF NOT EXISTS {{table "reaction_slots"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    comment_id    UInt64{{codec "ZSTD(1)"}},
    session       UInt64{{codec "ZSTD(1)"}},
    type          {{lowCardinality}},
    total         UInt64{{codec "ZSTD(1)"}},
    created_at_ms Int64{{codec "Delta(8), ZSTD(1)"}},
    created_at    {{timeType}} {{computed}} {{timeOf "created_at_ms"}}{{codec "Delta, ZSTD(1)"}}
) ENGINE = {{engine "reaction_slots" "ReplacingMergeTree" "total"}}
PARTITION BY toYYYYMM(created_at)
ORDER BY (live_video_id, comment_id, session, type){{ttl "created_at"}}{{settings "index_granularity" "1024"}};

{{distributed "reaction_slots" "cityHash64(live_video_id)"}}
