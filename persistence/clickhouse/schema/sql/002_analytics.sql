-- For analysts: views that count every row once, and summaries that are kept
-- up to date by materialized views, so that a question about a year need not
-- read a year of comments.
--
-- A materialized view sees what is inserted, so it sees a batch that is sent
-- again, again. Deduplication of inserts doesn't help: another node that takes
-- over cuts its batches elsewhere, and old servers know no tokens. So what is
-- summed up here is such that adding it twice changes nothing: sets of ids
-- (uniqExact, groupUniqArray) instead of counts. It also means that a summary
-- may be filled again from the tables at any time, over what it has;
-- docs/analytics.md has the statements.
--
-- An alias must not be the name of a column that the same SELECT reads: servers
-- from 2018 take the alias. Hence the endings _state.

-- All rows of a key are in one month's partition. Told so, servers since 2020
-- read only the months that were asked for.
{{- define "oneMonth"}}{{if .DeduplicationToken}}
SETTINGS do_not_merge_across_partitions_select_final = 1{{end}}{{end}}

-- One row for each comment that wasn't taken back.
CREATE VIEW IF NOT EXISTS visible_comments{{onCluster}} AS
SELECT live_video_id, comment_id, user_id, user_name, message, parent_id, created_at, created_at_ms
FROM comments FINAL
WHERE deleted = 0{{template "oneMonth" .}};

-- One row for each count of reactions; several viewers' reactions of about a
-- second may be in one.
CREATE VIEW IF NOT EXISTS visible_reactions{{onCluster}} AS
SELECT live_video_id, reaction_id, comment_id, type, count, created_at, created_at_ms
FROM reactions FINAL{{template "oneMonth" .}};

-- One row for each act of a moderator or host.
CREATE VIEW IF NOT EXISTS visible_room_events{{onCluster}} AS
SELECT live_video_id, at, at_ms, kind, event_id, actor_id, user_id, comment_id, detail
FROM room_events FINAL{{template "oneMonth" .}};

-- A row that takes a comment back has the comment's time, so it lands in the
-- same minute. The set of all ids is what was posted, whether the row that
-- posted it is still there or only the one that took it back. Users are kept as
-- 64-bit hashes, half of what uniqExact would keep of a text; among a million
-- users the odds of two being taken for one are 1 in 37 million. Rows are wide,
-- so the granules are small.
CREATE TABLE IF NOT EXISTS {{table "comments_per_minute_state"}}{{onCluster}} (
    live_video_id    String{{codec "ZSTD(1)"}},
    minute           DateTime('UTC'){{codec "Delta(4), ZSTD(1)"}},
    posted_state     AggregateFunction(uniqExact, UInt64),
    deleted_state    AggregateFunction(uniqExactIf, UInt64, UInt8),
    commenters_state AggregateFunction(uniqExactIf, UInt64, UInt8)
) ENGINE = {{engine "comments_per_minute_state" "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (live_video_id, minute){{ttl "minute"}}{{settings "index_granularity" "128"}};

{{distributed "comments_per_minute_state" "cityHash64(live_video_id)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{table "comments_per_minute_mv"}}{{onCluster}}
TO {{table "comments_per_minute_state"}} AS
SELECT
    live_video_id,
    toStartOfMinute({{secondOf "created_at_ms"}}) AS minute,
    uniqExactState(comment_id) AS posted_state,
    uniqExactIfState(comment_id, deleted = 1) AS deleted_state,
    uniqExactIfState(cityHash64(user_id), user_id != '') AS commenters_state
FROM {{table "comments"}}
GROUP BY live_video_id, minute;

CREATE VIEW IF NOT EXISTS comments_per_minute{{onCluster}} AS
SELECT
    live_video_id,
    minute,
    uniqExactMerge(posted_state) - uniqExactIfMerge(deleted_state) AS comments,
    uniqExactMerge(posted_state) AS posted,
    uniqExactIfMerge(deleted_state) AS deleted,
    uniqExactIfMerge(commenters_state) AS commenters
FROM comments_per_minute_state
GROUP BY live_video_id, minute;

-- The same sets, joined over a day: commenters of a day can't be had by adding
-- those of its minutes.
CREATE VIEW IF NOT EXISTS comments_per_day{{onCluster}} AS
SELECT
    live_video_id,
    toDate(minute) AS day,
    uniqExactMerge(posted_state) - uniqExactIfMerge(deleted_state) AS comments,
    uniqExactMerge(posted_state) AS posted,
    uniqExactIfMerge(deleted_state) AS deleted,
    uniqExactIfMerge(commenters_state) AS commenters
FROM comments_per_minute_state
GROUP BY live_video_id, day;

-- Who wrote how much. Within the half second of a batch nearly every comment is
-- another user's, so there is nothing to sum up while inserting: states for each
-- user and day cost twice as much as this copy of the narrow columns, sorted by
-- user. The row that takes a comment back replaces the other here, too.
CREATE TABLE IF NOT EXISTS {{table "commenters_state"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    user_id       String{{codec "ZSTD(1)"}},
    comment_id    UInt64{{codec "ZSTD(1)"}},
    user_name     String{{codec "ZSTD(1)"}},
    created_at    DateTime('UTC'){{codec "ZSTD(1)"}},
    deleted       UInt8{{codec "ZSTD(1)"}}
) ENGINE = {{engine "commenters_state" "ReplacingMergeTree" "deleted"}}
PARTITION BY toYYYYMM(created_at)
ORDER BY (live_video_id, user_id, comment_id){{ttl "created_at"}}{{settings}};

{{distributed "commenters_state" "cityHash64(live_video_id)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{table "commenters_mv"}}{{onCluster}}
TO {{table "commenters_state"}} AS
SELECT live_video_id, user_id, comment_id, user_name, {{secondOf "created_at_ms"}} AS created_at, deleted
FROM {{table "comments"}};

-- A user's name may change; the newest comment's is given, and none where all
-- were taken back.
CREATE VIEW IF NOT EXISTS commenters_per_day{{onCluster}} AS
SELECT
    live_video_id,
    toDate(created_at) AS day,
    user_id,
    argMax(user_name, if(deleted = 1, 0, comment_id)) AS name,
    countIf(deleted = 0) AS comments,
    count() AS posted
FROM commenters_state FINAL
GROUP BY live_video_id, day, user_id{{template "oneMonth" .}};

-- Reactions have counts, so a set of ids is not enough: the set is of each row's
-- key and count. There is about one row a second for each video and type.
CREATE TABLE IF NOT EXISTS {{table "reactions_per_minute_state"}}{{onCluster}} (
    live_video_id String{{codec "ZSTD(1)"}},
    minute        DateTime('UTC'){{codec "Delta(4), ZSTD(1)"}},
    type          {{lowCardinality}},
    counts_state  AggregateFunction(groupUniqArray, Tuple(UInt64, UInt64, UInt32))
) ENGINE = {{engine "reactions_per_minute_state" "AggregatingMergeTree"}}
PARTITION BY toYYYYMM(minute)
ORDER BY (live_video_id, minute, type){{ttl "minute"}}{{settings "index_granularity" "512"}};

{{distributed "reactions_per_minute_state" "cityHash64(live_video_id)"}}

CREATE MATERIALIZED VIEW IF NOT EXISTS {{table "reactions_per_minute_mv"}}{{onCluster}}
TO {{table "reactions_per_minute_state"}} AS
SELECT
    live_video_id,
    toStartOfMinute({{secondOf "created_at_ms"}}) AS minute,
    type,
    groupUniqArrayState(tuple(reaction_id, comment_id, count)) AS counts_state
FROM {{table "reactions"}}
GROUP BY live_video_id, minute, type;

-- reactions are all; video_reactions are those to the live video itself, not to
-- a comment.
CREATE VIEW IF NOT EXISTS reactions_per_minute{{onCluster}} AS
SELECT
    live_video_id,
    minute,
    type,
    arraySum(arrayMap(c -> tupleElement(c, 3), groupUniqArrayMerge(counts_state))) AS reactions,
    arraySum(arrayMap(c -> if(tupleElement(c, 2) = 0, tupleElement(c, 3), 0), groupUniqArrayMerge(counts_state))) AS video_reactions
FROM reactions_per_minute_state
GROUP BY live_video_id, minute, type;
