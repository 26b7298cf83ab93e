// Queries of the films, each with its answer computed from the records in JavaScript. Here: records
// by a point or a range, and what nulls do; the rest is in movies_analyses.mjs.
//
//   name     what is asked
//   sql      with {T} and {field} as sqlFor() has it; params as the call takes them
//   answer   from the records, in the order in which they were inserted, to rows of values
//   anyOrder the statement asks for no order
//   by       what a table that is indexed must be read by (EXPLAIN QUERY PLAN)

import {
  above, columns, compare, dataOf, gross, groupBy, is, isLike, isNull, known, sortBy,
} from './movies.mjs';
import { ANALYSES } from './movies_analyses.mjs';

const DIRECTOR = 'Steven Spielberg';

const points = [
  {
    name: 'one record by its id', by: 'id (id=?)',
    sql: 'SELECT id, {Title} FROM {T} WHERE id = $1', params: ['m0700'],
    answer: (m) => columns(m.filter((r) => r.id === 'm0700'), 'id', 'Title'),
  },
  {
    name: 'an id that is not there',
    sql: 'SELECT id FROM {T} WHERE id = $1', params: ['m9999'], answer: () => [],
  },
  {
    name: 'ids IN a list', by: 'id (id=?)',
    sql: 'SELECT id FROM {T} WHERE id IN (?, ?, ?, ?) ORDER BY id DESC',
    params: ['m0010', 'm3200', 'none', 'm0001'],
    answer: (m) => columns(sortBy(m.filter((r) => ['m0001', 'm0010', 'm3200'].includes(r.id)),
      '-id'), 'id'),
  },
  {
    name: 'a range of ids', by: 'id (id>=? AND id<?)',
    sql: 'SELECT id, {Title} FROM {T} WHERE id >= ? AND id < ? ORDER BY id',
    params: ['m0100', 'm0120'],
    answer: (m) => columns(m.filter((r) => r.id >= 'm0100' && r.id < 'm0120'), 'id', 'Title'),
  },
  {
    name: 'whole records', by: 'index on Director (Director=?)',
    sql: 'SELECT id, data FROM {T} WHERE {Director} = $1 ORDER BY id', params: [DIRECTOR],
    answer: (m) => m.filter((r) => is(r, 'Director', DIRECTOR))
      .map((r) => [r.id, JSON.stringify(sortedMembers(dataOf(r)))]),
  },
  {
    name: 'text equals', by: 'index on Director (Director=?)', anyOrder: true,
    sql: 'SELECT {Title}, {US Gross} FROM {T} WHERE {Director} = :name',
    params: { name: DIRECTOR },
    answer: (m) => columns(m.filter((r) => is(r, 'Director', DIRECTOR)), 'Title', 'US Gross'),
  },
  {
    name: 'text IN a list', by: 'index on MPAA Rating (MPAA Rating=?)',
    sql: `SELECT {MPAA Rating}, count(*) FROM {T} WHERE {MPAA Rating} IN ('G', 'NC-17', 'Open', 'X')
          GROUP BY 1 ORDER BY 1`,
    answer: (m) => groupBy(m, 'MPAA Rating').filter((g) => ['G', 'NC-17', 'Open'].includes(g.key))
      .map((g) => [g.key, g.rows.length]),
  },
  {
    name: 'a number equals', by: 'index on US Gross (US Gross=?)',
    sql: 'SELECT count(*) FROM {T} WHERE {US Gross} = $1', params: [0],
    answer: (m) => [[m.filter((r) => is(r, 'US Gross', 0)).length]],
  },
  {
    name: 'a title that is a number', by: 'index on Title (Title=?)',
    sql: 'SELECT id, {Title} FROM {T} WHERE {Title} = ?', params: [300],
    answer: (m) => columns(m.filter((r) => is(r, 'Title', 300)), 'id', 'Title'),
  },
  {
    name: 'a title that is a number is not its text',
    sql: 'SELECT id FROM {T} WHERE {Title} = ?', params: ['300'],
    answer: (m) => columns(m.filter((r) => is(r, 'Title', '300')), 'id'),
  },
  {
    name: 'text beyond ASCII', by: 'index on Title (Title=?)',
    sql: 'SELECT {Title}, length({Title}), upper({Title}) FROM {T} WHERE {Title} = ?',
    params: ['LÈon'], answer: () => [['LÈon', 4, 'LÈON']],
  },
  {
    name: 'text with quotes in it',
    sql: 'SELECT id, {Director} FROM {T} WHERE instr({Director}, $q) > 0', params: { q: '"' },
    answer: (m) => columns(m.filter((r) => !isNull(r, 'Director') && r.Director.includes('"')),
      'id', 'Director'),
  },
  {
    name: 'several terms of one index', by: 'index on Major Genre, IMDB Rating',
    sql: `SELECT id, {IMDB Rating} FROM {T} WHERE {Major Genre} = @genre AND {IMDB Rating} >= @least
          ORDER BY {IMDB Rating} DESC, id`,
    params: { genre: 'Western', least: 7.5 },
    answer: (m) => columns(sortBy(m.filter((r) => is(r, 'Major Genre', 'Western') &&
      above(r, 'IMDB Rating', 7.4999)), '-IMDB Rating', 'id'), 'id', 'IMDB Rating'),
  },
  {
    name: 'a row value',
    sql: `SELECT count(*) FROM {T} WHERE ({Major Genre}, {MPAA Rating}) = ('Comedy', 'PG')`,
    answer: (m) => [[m.filter((r) => is(r, 'Major Genre', 'Comedy') && is(r, 'MPAA Rating', 'PG'))
      .length]],
  },
  {
    name: 'OR over two indexes',
    sql: `SELECT id FROM {T} WHERE {Director} = 'Ridley Scott' OR {US Gross} > 400000000
          ORDER BY id`,
    answer: (m) => columns(m.filter((r) => is(r, 'Director', 'Ridley Scott') ||
      above(r, 'US Gross', 4e8)), 'id'),
  },
];

const ranges = [
  {
    name: 'numbers above a bound, descending', by: 'index on US Gross (US Gross>?) descending',
    sql: `SELECT {Title}, {US Gross} FROM {T} WHERE {US Gross} > 300000000
          ORDER BY {US Gross} DESC`,
    answer: (m) => columns(sortBy(m.filter((r) => above(r, 'US Gross', 3e8)), '-US Gross'),
      'Title', 'US Gross'),
  },
  {
    name: 'BETWEEN, a page', by: 'index on IMDB Votes (IMDB Votes>=? AND IMDB Votes<=?)',
    sql: `SELECT id, {IMDB Votes} FROM {T} WHERE {IMDB Votes} BETWEEN ?1 AND ?2
          ORDER BY {IMDB Votes}, id LIMIT ?3 OFFSET ?4`,
    params: [1000, 2000, 20, 5],
    answer: (m) => columns(sortBy(m.filter((r) => r['IMDB Votes'] >= 1000 &&
      r['IMDB Votes'] <= 2000), 'IMDB Votes', 'id').slice(5, 25), 'id', 'IMDB Votes'),
  },
  {
    name: 'the first of an order', by: 'index on IMDB Votes descending',
    sql: 'SELECT id FROM {T} ORDER BY {IMDB Votes} DESC, _order DESC LIMIT 10',
    answer: (m) => columns(sortBy([...m].reverse(), '-IMDB Votes').slice(0, 10), 'id'),
  },
  {
    name: 'a range of text', by: 'index on Distributor (Distributor>=? AND Distributor<?)',
    sql: `SELECT DISTINCT {Distributor} FROM {T} WHERE {Distributor} >= 'M' AND {Distributor} < 'P'
          ORDER BY 1`,
    answer: (m) => groupBy(m, 'Distributor').filter((g) => g.key >= 'M' && g.key < 'P')
      .map((g) => [g.key]),
  },
  {
    name: 'a range over numbers and text', by: 'index on Title',
    sql: 'SELECT {Title} FROM {T} WHERE {Title} >= 1000 AND {Title} < $1 ORDER BY {Title}, id',
    params: ['1'],
    answer: (m) => columns(sortBy(m.filter((r) => compare(r.Title, 1000) >= 0 &&
      compare(r.Title, '1') < 0), 'Title', 'id'), 'Title'),
  },
  {
    name: 'mixed types in order', by: 'index on Title',
    sql: 'SELECT {Title}, typeof({Title}) FROM {T} ORDER BY {Title}, _order LIMIT 40',
    answer: (m) => sortBy(m, 'Title').slice(0, 40).map((r) => [r.Title,
      r.Title === null ? 'null' : typeof r.Title === 'number' ? 'integer' : 'text']),
  },
  {
    name: 'mixed types, the other way', by: 'index on Title descending',
    sql: 'SELECT id FROM {T} ORDER BY {Title} DESC, _order DESC LIMIT 15 OFFSET 5',
    answer: (m) => columns(sortBy([...m].reverse(), '-Title').slice(5, 20), 'id'),
  },
  {
    name: 'LIKE, with titles that are numbers', anyOrder: true,
    sql: 'SELECT {Title} FROM {T} WHERE {Title} LIKE $1', params: ['2%'],
    answer: (m) => columns(m.filter((r) => isLike(r.Title, '2%')), 'Title'),
  },
  {
    name: 'LIKE takes A for a', anyOrder: true,
    sql: "SELECT {Title} FROM {T} WHERE {Title} LIKE 'the %_OF%'",
    answer: (m) => columns(m.filter((r) => isLike(r.Title, 'the %_OF%')), 'Title'),
  },
  {
    name: 'LIKE with ESCAPE', anyOrder: true,
    sql: `SELECT {Title} FROM {T} WHERE {Title} LIKE '%!!%' ESCAPE '!'
          AND {Title} NOT LIKE '%!%%' ESCAPE '!'`,
    answer: (m) => columns(m.filter((r) => /!/.test(`${r.Title}`) && !/%/.test(`${r.Title}`)),
      'Title'),
  },
  {
    name: 'NOT LIKE leaves nulls out',
    sql: "SELECT count(*) FROM {T} WHERE {Director} NOT LIKE 's%'",
    answer: (m) => [[m.filter((r) => isLike(r.Director ?? null, 's%') === false).length]],
  },
  {
    name: 'GLOB', anyOrder: true,
    sql: "SELECT {Title} FROM {T} WHERE {Title} GLOB '*[0-9][0-9][0-9]*'",
    answer: (m) => columns(m.filter((r) => /\d{3}/.test(`${r.Title}`)), 'Title'),
  },
  {
    name: 'NOCASE order',
    sql: `SELECT {Director} FROM {T} WHERE {Director} LIKE 'm%' GROUP BY 1
          ORDER BY {Director} COLLATE NOCASE, {Director}`,
    answer: (m) => groupBy(m.filter((r) => isLike(r.Director ?? null, 'm%')), 'Director')
      .sort((a, b) => compare(a.key.toLowerCase(), b.key.toLowerCase())).map((g) => [g.key]),
  },
  {
    name: 'the order of insertion', by: '_order',
    sql: 'SELECT id, rowid = _order FROM {T} ORDER BY _order LIMIT 10 OFFSET 990',
    answer: (m) => m.slice(990, 1000).map((r) => [r.id, 1]),
  },
];

const nulls = [
  {
    name: 'IS NULL and IS NOT NULL',
    sql: `SELECT count(*) FILTER (WHERE {Director} IS NULL),
          count(*) FILTER (WHERE {Director} IS NOT NULL), count({Director}), count(*) FROM {T}`,
    answer: (m) => {
      const directed = known(m, 'Director').length;
      return [[m.length - directed, directed, directed, m.length]];
    },
  },
  {
    name: 'nothing equals NULL',
    sql: 'SELECT id FROM {T} WHERE {Director} = NULL', answer: () => [],
  },
  {
    name: 'nothing equals a parameter that is null',
    sql: 'SELECT id FROM {T} WHERE {Director} = $1', params: [null], answer: () => [],
  },
  {
    name: 'IS a parameter that is null',
    sql: 'SELECT count(*) FROM {T} WHERE {Director} IS $1', params: [null],
    answer: (m) => [[m.filter((r) => isNull(r, 'Director')).length]],
  },
  {
    name: 'NOT of what is unknown is unknown',
    sql: 'SELECT count(*) FROM {T} WHERE NOT ({Running Time min} > 100)',
    answer: (m) => [[known(m, 'Running Time min').filter((time) => time <= 100).length]],
  },
  {
    name: '<> and IS NOT',
    sql: `SELECT count(*) FILTER (WHERE {MPAA Rating} <> 'R'),
          count(*) FILTER (WHERE {MPAA Rating} IS NOT 'R') FROM {T}`,
    answer: (m) => [[known(m, 'MPAA Rating').filter((rating) => rating !== 'R').length,
      m.filter((r) => !is(r, 'MPAA Rating', 'R')).length]],
  },
  {
    name: 'NOT IN a list with NULL finds nothing',
    sql: "SELECT count(*) FROM {T} WHERE {MPAA Rating} NOT IN ('R', NULL)", answer: () => [[0]],
  },
  {
    name: 'AND, OR and NULL',
    sql: `SELECT count(*) FROM {T} WHERE ({US Gross} > 1000000 OR {Director} = 'x')
          AND ({Running Time min} < 90 OR {Running Time min} IS NULL)`,
    answer: (m) => [[m.filter((r) => above(r, 'US Gross', 1e6) &&
      (isNull(r, 'Running Time min') || r['Running Time min'] < 90)).length]],
  },
  {
    name: 'coalesce, ifnull, nullif',
    sql: `SELECT coalesce({Director}, {Distributor}, '?'), ifnull({Source}, 0),
          nullif({US Gross}, 0) FROM {T} WHERE id < 'm0030' ORDER BY id`,
    answer: (m) => m.filter((r) => r.id < 'm0030').map((r) => [r.Director ?? r.Distributor ?? '?',
      r.Source ?? 0, gross(r) === 0 ? null : gross(r)]),
  },
  {
    name: 'NULLS LAST',
    sql: 'SELECT id FROM {T} ORDER BY {Running Time min} NULLS LAST, id LIMIT 5',
    answer: (m) => columns(sortBy(m.filter((r) => !isNull(r, 'Running Time min')),
      'Running Time min', 'id').slice(0, 5), 'id'),
  },
];

// A stored record has its members in the order of their names.
function sortedMembers(data) {
  return Object.fromEntries(Object.entries(data).sort(([a], [b]) => compare(a, b)));
}

export const READS = [...points, ...ranges, ...nulls, ...ANALYSES];

// Filters of table.query and which films match.
export const FILTERS = [
  { name: 'all', filter: {}, matches: () => true },
  {
    name: 'one field',
    filter: { Director: DIRECTOR }, matches: (r) => is(r, 'Director', DIRECTOR),
  },
  {
    name: 'two fields of one index',
    filter: { 'Major Genre': 'Drama', 'IMDB Rating': 7.0 },
    matches: (r) => is(r, 'Major Genre', 'Drama') && is(r, 'IMDB Rating', 7),
  },
  {
    name: 'two fields of two indexes',
    filter: { 'MPAA Rating': 'PG-13', Distributor: 'Universal' },
    matches: (r) => is(r, 'MPAA Rating', 'PG-13') && is(r, 'Distributor', 'Universal'),
  },
  { name: 'a number', filter: { 'US Gross': 0 }, matches: (r) => is(r, 'US Gross', 0) },
  {
    name: 'a title that is a number',
    filter: { Title: 2012 }, matches: (r) => is(r, 'Title', 2012),
  },
  { name: 'no title of that text', filter: { Title: '2012' }, matches: () => false },
  { name: 'null', filter: { Title: null }, matches: (r) => r.Title === null },
  {
    name: 'null of a field that is often null',
    filter: { Director: null, 'MPAA Rating': 'R' },
    matches: (r) => r.Director === null && is(r, 'MPAA Rating', 'R'),
  },
  { name: 'a field that nobody has', filter: { 'Us Gross': 0 }, matches: () => false },
  { name: 'an object where a value is', filter: { Title: {} }, matches: () => false },
];
