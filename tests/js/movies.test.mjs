// SQL and queries on real data: 3,201 films with nulls, numbers among the titles and names with
// blanks, in a table with indexes, one without, and one without a schema. Every answer is computed
// a second time from the file; changes are made to both, and all is asked again.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Connection } from './connection.mjs';
import {
  assertRows, compare, dataOf, missing, readMovies, sqlFor, TABLES,
} from './movies.mjs';
import { FILTERS, READS } from './movies_reads.mjs';
import { WRITES } from './movies_writes.mjs';
import { Server } from './server.mjs';

const BATCH = 500; // inserts in one call; 1000 are allowed, and 1 MiB

let server;
let session;
const records = new Map(); // by table: what it is to hold, in order of insertion

async function join() {
  session = await Connection.join(server, 'movies');
}

before(async () => {
  if (missing) {
    console.error(missing);
    return;
  }
  server = await Server.start();
  await join();
  for (const { id, schema } of TABLES) {
    await session.result('table.create', id, schema ? { schema } : {});
    const movies = readMovies();
    for (let i = 0; i < movies.length; i += BATCH) {
      const sets = movies.slice(i, i + BATCH)
        .map((movie) => ['table.set', id, movie.id, dataOf(movie)]);
      await session.result('table.batch', sets);
    }
    records.set(id, movies);
  }
});
after(() => server?.stop());

// The rows of a statement as arrays of values.
async function rowsOf(table, sql, params) {
  const args = [table.id, sqlFor(table, sql), ...(params === undefined ? [] : [params])];
  const { columns, rows, changes } = await session.result('table.exec', ...args);
  assert.equal(changes, 0);
  return rows.map((row) => columns.map((column) => row[column]));
}

async function planOf(table, { sql, params }) {
  const rows = await rowsOf(table, `EXPLAIN QUERY PLAN ${sql}`, params);
  return rows.map((row) => row.at(-1)).join('\n');
}

// All that table.query shows, page by page.
async function queried(table, filter, options) {
  const rows = [];
  for (let next; next !== null;) {
    const after = next === undefined ? {} : { after: next };
    const page = await session.result('table.query', table.id, filter, { ...options, ...after });
    assert.ok(page.rows.length <= (options.limit ?? 1000));
    rows.push(...page.rows);
    next = page.next;
  }
  return rows;
}

const asRows = (movies) => movies.map((movie) => ({ id: movie.id, data: dataOf(movie) }));
const inAnyOrder = (rows) =>
  [...rows].sort((a, b) => compare(JSON.stringify(a), JSON.stringify(b)));

async function checkReads(t, table) {
  const movies = records.get(table.id);
  for (const { name, sql, params, answer, anyOrder } of READS) {
    await t.test(name, async () => {
      const order = anyOrder ? inAnyOrder : (rows) => rows;
      assertRows(order(await rowsOf(table, sql, params)), order(answer(movies)));
    });
  }
}

async function checkQueries(t, table) {
  const movies = records.get(table.id);
  for (const { name, filter, matches } of FILTERS) {
    await t.test(name, async () => {
      const expected = asRows(movies.filter(matches));
      assert.deepEqual(await queried(table, filter, {}), expected);
      assert.deepEqual(await queried(table, filter, { limit: 137, order: 'desc' }),
        [...expected].reverse());
    });
  }
}

for (const table of TABLES) {
  test(`reads of table ${table.id}`, { skip: missing }, async (t) => {
    await checkReads(t, table);
    await checkQueries(t, table);
  });
}

test('every one of the reads has an answer that says something', { skip: missing }, () => {
  const silent = READS.filter(({ answer }) => answer(readMovies()).length === 0);
  assert.deepEqual(silent.map(({ name }) => name), [
    'an id that is not there', 'a title that is a number is not its text', 'nothing equals NULL',
    'nothing equals a parameter that is null',
  ]);
});

test('an index is used where there is one', { skip: missing }, async (t) => {
  for (const read of READS.filter(({ by }) => by)) {
    await t.test(read.name, async () => {
      for (const table of TABLES) {
        const plan = await planOf(table, read);
        const isThere = table.isIndexed || !read.by.startsWith('index');
        assert.equal(plan.includes(`:${read.by}`), isThere, `${table.id}: ${plan}`);
      }
    });
  }
});

test('joins of the whole table go by an index', { skip: missing }, async () => {
  const [movies] = TABLES;
  const sql = `SELECT count(*) FROM {T} AS a JOIN {T} AS b
    ON {b:Director} = {a:Director} AND b.id > a.id`;
  assert.match(await planOf(movies, { sql }), /:index on Director/);
  const [[pairs]] = await rowsOf(movies, sql);
  const films = new Map();
  let expected = 0;
  for (const { Director } of records.get('movies')) {
    if (Director === null) continue;
    const before = films.get(Director) ?? 0;
    expected += before;
    films.set(Director, before + 1);
  }
  assert.equal(pairs, expected);
});

test('a result over the limit is refused', { skip: missing }, async () => {
  for (const { id } of TABLES) {
    await session.fails('KONTRACT_EXEC_LIMIT', 'table.exec', id, `SELECT data FROM ${id}`);
  }
});

for (const table of TABLES) {
  test(`writes to table ${table.id}`, { skip: missing }, async (t) => {
    const movies = records.get(table.id);
    for (const { name, declared, plain = declared, params, change, fails } of WRITES) {
      await t.test(name, async () => {
        const sql = sqlFor(table, table.isDeclared ? declared : plain);
        const call = ['table.exec', table.id, sql, ...(params === undefined ? [] : [params])];
        if (fails) {
          await session.fails(fails, ...call);
        } else {
          const { changes } = await session.result(...call);
          assert.equal(changes, change(movies, table.isDeclared));
        }
        assert.deepEqual(await queried(table, {}, {}), asRows(movies));
      });
    }
  });
}

for (const table of TABLES) {
  test(`reads of table ${table.id} after the writes`, { skip: missing }, async (t) => {
    await checkReads(t, table);
    await checkQueries(t, table);
  });
}

test('all is as it was after a restart', { skip: missing }, async (t) => {
  await server.stop();
  server = await Server.start(server.data);
  await join();
  for (const table of TABLES) {
    await t.test(table.id, async (inner) => {
      await checkReads(inner, table);
      await checkQueries(inner, table);
    });
  }
});
