-- What was applied to this database, and the name of its history: the id of
-- the oldest row. All servers of a cluster are replicas of this one table.
CREATE TABLE IF NOT EXISTS barrage_schema{{onCluster}} (
    version       UInt32,
    name          String,
    applied_at_ms Int64,
    id            String
) ENGINE = {{engineEverywhere "barrage_schema" "MergeTree"}}
ORDER BY (version, applied_at_ms, id){{settings}};
