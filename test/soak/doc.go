// Package soak measures a node with ClickHouse under load that lasts: an
// outage, a backlog, deep history; and what viewers notice of an attack.
// `make soak` runs it; it takes about half an hour and a quiet machine.
// SOAK_SCALE=0.1 is a tenth of all sizes and times, to see whether it works;
// only its checks of correctness mean something then.
//
// Each test prints its figures as they come ("figure: name value unit"), and
// at its end as a table in Markdown. It fails where a comment is missing or
// doubled, and where a figure misses its bound.
package soak
