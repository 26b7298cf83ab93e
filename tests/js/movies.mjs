// A real table of 3,201 films, read from beside the project where it is there, and the few rules of
// SQL with which its queries are answered here a second time, without any database.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('../../../shared/data/tables/movies.json', import.meta.url));

export const missing = existsSync(FILE) ? false : `SKIPPED: there is no ${FILE}`;

// The films as records, in the order of the file: {id: 'm0000', Title: …, 'US Gross': …, …}. What
// is null in the file is null here.
export function readMovies() {
  return JSON.parse(readFileSync(FILE, 'utf8')).map((movie, i) => ({
    id: `m${String(i).padStart(4, '0')}`,
    ...movie,
  }));
}

// What is stored of a record: all of it but the id.
export function dataOf({ id, ...data }) {
  return data;
}

const TYPES = {
  Title: 'any', // most are text, some are numbers, one is null
  'US Gross': 'integer',
  'Worldwide Gross': 'integer',
  'US DVD Sales': 'integer',
  'Production Budget': 'integer',
  'Release Date': 'string',
  'MPAA Rating': 'string',
  'Running Time min': 'integer',
  Distributor: 'string',
  Source: 'string',
  'Major Genre': 'string',
  'Creative Type': 'string',
  Director: 'string',
  'Rotten Tomatoes Rating': 'integer',
  'IMDB Rating': 'number',
  'IMDB Votes': 'integer',
};

const INDEXED = ['Title', 'US Gross', 'Director', 'Distributor', 'MPAA Rating', 'IMDB Votes'];
const INDEXES = [{ fields: ['Major Genre', 'IMDB Rating'] }, { fields: ['Release Date'] }];

function schema(isIndexed) {
  const fields = {};
  for (const [name, type] of Object.entries(TYPES)) {
    fields[name] = { type, index: isIndexed && INDEXED.includes(name) };
  }
  return { fields, indexes: isIndexed ? INDEXES : [] };
}

// The tables that hold the same films. A field is a column of the first two.
export const TABLES = [
  { id: 'movies', schema: schema(true), isDeclared: true, isIndexed: true },
  { id: 'films', schema: schema(false), isDeclared: true, isIndexed: false },
  { id: 'plain', isDeclared: false, isIndexed: false },
];

// The statement for one of the tables: {T} is its name; {US Gross} is the field's value, and
// {a:US Gross} that of the table's alias a.
export function sqlFor(table, sql) {
  return sql.replace(/\{(?:([a-z]+):)?([A-Z][^}]*)\}/g, (_, alias, name) => {
    if (name === 'T') return table.id;
    const of = alias ? `${alias}.` : '';
    return table.isDeclared ? `${of}"${name}"` : `(${of}data->>'${name}')`;
  });
}

// Values as SQLite orders them: NULL, numbers, then text by its bytes.
export function compare(a, b) {
  const rank = (value) => (value === null ? 0 : typeof value === 'number' ? 1 : 2);
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (rank(a) === 1) return a - b;
  return rank(a) === 0 ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}

// Sorted by the values of these fields; '-US Gross' descends.
export function sortBy(rows, ...fields) {
  const keys = fields.map((field) => (field[0] === '-' ? [field.slice(1), -1] : [field, 1]));
  return [...rows].sort((a, b) => {
    for (const [field, sign] of keys) {
      const order = sign * compare(a[field] ?? null, b[field] ?? null);
      if (order !== 0) return order;
    }
    return 0;
  });
}

// LIKE: % and _ are wild, A to Z are a to z; null of null.
export function isLike(value, pattern) {
  if (value === null) return null;
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${source.replace(/%/g, '[^]*').replace(/_/g, '[^]')}$`, 'i').test(`${value}`);
}

// {key: rows} for each value of a field or a function, as a list in the order of the keys.
export function groupBy(rows, key) {
  const of = typeof key === 'function' ? key : (row) => row[key] ?? null;
  const groups = new Map();
  for (const row of rows) {
    if (!groups.has(of(row))) groups.set(of(row), []);
    groups.get(of(row)).push(row);
  }
  return [...groups].map(([value, members]) => ({ key: value, rows: members }))
    .sort((a, b) => compare(a.key, b.key));
}

// The values of a field that are there.
export function known(rows, field) {
  return rows.map((row) => row[field] ?? null).filter((value) => value !== null);
}

// Of rows: the values of these fields. Of a row: what its field is, null where it is missing.
export const columns = (rows, ...fields) => rows.map((row) => fields.map((f) => row[f] ?? null));
export const is = (row, field, value) => (row[field] ?? null) === value;
export const isNull = (row, field) => is(row, field, null);
export const above = (row, field, bound) => !isNull(row, field) && row[field] > bound;
export const gross = (row) => row['US Gross'] ?? null;

// Aggregates, null where SQL has NULL.
export const sum = (values) => (values.length === 0 ? null : values.reduce((a, b) => a + b, 0));
export const avg = (values) => (values.length === 0 ? null : sum(values) / values.length);
export const max = (values) => (values.length === 0 ? null : [...values].sort(compare).at(-1));
export const min = (values) => (values.length === 0 ? null : [...values].sort(compare)[0]);

// 'Jun 12 1998' as '1998-06-12'.
export function isoDate(text) {
  const month = 'JanFebMarAprMayJunJulAugSepOctNovDec'.indexOf(text.slice(0, 3)) / 3 + 1;
  return `${text.slice(7)}-${String(month).padStart(2, '0')}-${text.slice(4, 6)}`;
}

// Rows as arrays of values. Sums of fractions may differ in their last bits, by the order in which
// they were added.
export function assertRows(actual, expected) {
  const near = (a, b) =>
    typeof a === 'number' && typeof b === 'number' && !Number.isInteger(b) &&
    Math.abs(a - b) <= 1e-12 * Math.abs(b);
  const snapped = actual.map((row, i) =>
    row.map((value, k) => (near(value, expected[i]?.[k]) ? expected[i][k] : value)));
  assert.deepEqual(snapped, expected);
}
