// Runs {"statements": ["...", ...]} from stdin, one after the other in one
// session with a data folder of its own, and prints
// {"results": [{"rows": [["...", ...], ...], "error": null}, ...]}.
// Every value is text; NULL is "NULL". A statement that fails ends nothing.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Session } from 'chdb'

// How the format below writes NULL.
const nothing = 'ᴺᵁᴸᴸ'

const rowsOf = (output) =>
  String(output ?? '').split('\n').filter((line) => line !== '')
    .map((line) => JSON.parse(line).map((value) => (value === nothing ? 'NULL' : value)))

const run = (session, statement) => {
  try {
    return { rows: rowsOf(session.query(statement, 'JSONCompactStringsEachRow')), error: null }
  } catch (error) {
    return { rows: [], error: String(error.message ?? error) }
  }
}

const { statements } = JSON.parse(await text(process.stdin))
const folder = mkdtempSync(join(tmpdir(), 'barrage-chdb-'))
try {
  const session = new Session(join(folder, 'data'))
  const results = statements.map((statement) => run(session, statement))
  session.close()
  process.stdout.write(`${JSON.stringify({ results })}\n`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
