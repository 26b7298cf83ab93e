// Queries of the films that compute: aggregates, dates, joins and sub-queries, windows, JSON. Their
// shape is that of movies_reads.mjs.

import {
  above, avg, columns, compare, dataOf, gross, groupBy, is, isNull, isoDate, known, max, min,
  sortBy, sum,
} from './movies.mjs';

// Twelve films to join with all others: few enough for a table without an index.
const FEW = "a.id BETWEEN 'm0982' AND 'm0993'";
const few = (rows) => sortBy(rows.filter((a) => a.id >= 'm0982' && a.id <= 'm0993'), 'id');

// The date of a release as SQL makes it from 'Jun 12 1998'.
const ISO = `substr({Release Date}, 8, 4) || printf('-%02d-',
  (instr('JanFebMarAprMayJunJulAugSepOctNovDec', substr({Release Date}, 1, 3)) + 2) / 3)
  || substr({Release Date}, 5, 2)`;

const aggregates = [
  {
    name: 'aggregates pass over nulls',
    sql: `SELECT count({US DVD Sales}), sum({US DVD Sales}), avg({US DVD Sales}),
          min({US DVD Sales}), max({US DVD Sales}), total({US DVD Sales}), count(DISTINCT {US DVD Sales}) FROM {T}`,
    answer: (m) => {
      const sales = known(m, 'US DVD Sales');
      return [[sales.length, sum(sales), avg(sales), min(sales), max(sales), sum(sales),
        new Set(sales).size]];
    },
  },
  {
    name: 'aggregates of nothing',
    sql: `SELECT count(*), sum({US Gross}), avg({US Gross}), max({US Gross}), total({US Gross})
          FROM {T} WHERE id = ?`,
    params: [''], answer: () => [[0, null, null, null, 0]],
  },
  {
    name: 'min and max of mixed types',
    sql: 'SELECT min({Title}), max({Title}) FROM {T}',
    answer: (m) => [[min(known(m, 'Title')), max(known(m, 'Title'))]],
  },
  {
    name: 'GROUP BY with the group of NULL',
    sql: `SELECT {Major Genre}, count(*), avg({IMDB Rating}) FROM {T}
          GROUP BY {Major Genre} ORDER BY 1`,
    answer: (m) => groupBy(m, 'Major Genre')
      .map((g) => [g.key, g.rows.length, avg(known(g.rows, 'IMDB Rating'))]),
  },
  {
    name: 'HAVING and an order by the aggregate',
    sql: `SELECT {Director} AS who, count(*) AS n, sum({Worldwide Gross}) FROM {T}
          WHERE {Director} IS NOT NULL GROUP BY who HAVING n >= $1 ORDER BY n DESC, who`,
    params: [8],
    answer: (m) => groupBy(m, 'Director').filter((g) => g.key !== null && g.rows.length >= 8)
      .sort((a, b) => b.rows.length - a.rows.length || compare(a.key, b.key))
      .map((g) => [g.key, g.rows.length, sum(known(g.rows, 'Worldwide Gross'))]),
  },
  {
    name: 'two columns to group by',
    sql: `SELECT {MPAA Rating}, {Creative Type}, count(*), max({US Gross}) FROM {T}
          GROUP BY 1, 2 HAVING count(*) > 20 ORDER BY 1, 2`,
    answer: (m) => groupBy(m, 'MPAA Rating').flatMap((g) => groupBy(g.rows, 'Creative Type')
      .filter((h) => h.rows.length > 20)
      .map((h) => [g.key, h.key, h.rows.length, max(known(h.rows, 'US Gross'))])),
  },
  {
    name: 'types of a mixed column',
    sql: 'SELECT typeof({Title}), count(*) FROM {T} GROUP BY 1 ORDER BY 1',
    answer: (m) => groupBy(m, (r) => r.Title === null ? 'null' : typeof r.Title === 'number' ?
      'integer' : 'text').map((g) => [g.key, g.rows.length]),
  },
  {
    name: 'CASE as a key',
    sql: `SELECT CASE WHEN {US Gross} IS NULL THEN 'unknown' WHEN {US Gross} >= 100000000 THEN 'hit'
          WHEN {US Gross} > 0 THEN 'shown' ELSE 'none' END AS kind, count(*) FROM {T}
          GROUP BY kind ORDER BY kind`,
    answer: (m) => groupBy(m, (r) => gross(r) === null ? 'unknown' : gross(r) >= 1e8 ? 'hit' :
      gross(r) > 0 ? 'shown' : 'none').map((g) => [g.key, g.rows.length]),
  },
  {
    name: 'group_concat of an ordered sub-query',
    sql: `SELECT group_concat(title, ' | ') FROM (SELECT {Title} AS title FROM {T}
          WHERE {Director} = 'Stanley Kubrick' ORDER BY {Title})`,
    answer: (m) => [[columns(sortBy(m.filter((r) => is(r, 'Director', 'Stanley Kubrick')), 'Title'),
      'Title').join(' | ')]],
  },
  {
    name: 'text of dates', anyOrder: true,
    sql: `SELECT substr({Release Date}, -4) AS year, count(*) FROM {T} GROUP BY year`,
    answer: (m) => groupBy(m, (r) => r['Release Date'].slice(-4))
      .map((g) => [g.key, g.rows.length]),
  },
  {
    name: 'dates out of text',
    sql: `SELECT strftime('%w', ${ISO}) AS weekday, count(*), min(date(${ISO})), max(${ISO})
          FROM {T} GROUP BY weekday ORDER BY weekday`,
    answer: (m) => groupBy(m.map((r) => ({ date: isoDate(r['Release Date']) })),
      (r) => `${new Date(`${r.date}T00:00:00Z`).getUTCDay()}`)
      .map((g) => [g.key, g.rows.length, min(known(g.rows, 'date')), max(known(g.rows, 'date'))]),
  },
  {
    name: 'a span of days',
    sql: `SELECT id, CAST(julianday(${ISO}) - julianday('1999-12-31') AS INTEGER) FROM {T}
          WHERE ${ISO} BETWEEN '2000-01-01' AND '2000-02-29' ORDER BY id`,
    answer: (m) => m.map((r) => ({ ...r, date: isoDate(r['Release Date']) }))
      .filter((r) => r.date >= '2000-01-01' && r.date <= '2000-02-29')
      .sort((a, b) => compare(a.id, b.id))
      .map((r) => [r.id, (Date.parse(r.date) - Date.parse('1999-12-31')) / 86_400_000]),
  },
];

const nested = [
  {
    name: 'a self-join',
    sql: `SELECT a.id, b.id, {b:Title} FROM {T} AS a JOIN {T} AS b
          ON {b:Director} = {a:Director} AND b.id > a.id WHERE ${FEW} ORDER BY a.id, b.id`,
    answer: (m) => few(m).filter((a) => !isNull(a, 'Director')).flatMap((a) =>
      sortBy(m.filter((b) => is(b, 'Director', a.Director) && b.id > a.id), 'id')
        .map((b) => [a.id, b.id, b.Title])),
  },
  {
    name: 'a self-join of all',
    sql: `WITH m AS MATERIALIZED (SELECT id, {Title} AS title,
            substr({Release Date}, -4) + 0 AS year FROM {T})
          SELECT a.title, b.year - a.year FROM m AS a
          JOIN m AS b ON a.title = b.title AND a.id < b.id
          ORDER BY a.id, b.id`,
    answer: (m) => {
      const year = (r) => Number(r['Release Date'].slice(-4));
      const titles = new Map(groupBy(m, 'Title').map((g) => [g.key, sortBy(g.rows, 'id')]));
      return sortBy(m, 'id').filter((a) => a.Title !== null).flatMap((a) => titles.get(a.Title)
        .filter((b) => a.id < b.id).map((b) => [a.Title, year(b) - year(a)]));
    },
  },
  {
    name: 'a LEFT JOIN',
    sql: `SELECT a.id, b.id FROM {T} AS a LEFT JOIN {T} AS b
          ON {b:Director} = {a:Director} AND {b:MPAA Rating} = 'G'
          WHERE ${FEW} ORDER BY a.id, b.id`,
    answer: (m) => few(m).flatMap((a) => {
      const others = sortBy(m.filter((b) => !isNull(a, 'Director') &&
        is(b, 'Director', a.Director) && is(b, 'MPAA Rating', 'G')), 'id');
      return others.length === 0 ? [[a.id, null]] : others.map((b) => [a.id, b.id]);
    }),
  },
  {
    name: 'a correlated sub-query',
    sql: `SELECT {a:Director}, {a:Title} FROM {T} AS a WHERE ${FEW}
          AND {a:US Gross} = (SELECT max({b:US Gross}) FROM {T} AS b WHERE {b:Director} = {a:Director})
          ORDER BY a.id`,
    answer: (m) => columns(few(m).filter((a) => !isNull(a, 'Director') && !isNull(a, 'US Gross') &&
      gross(a) === max(known(m.filter((b) => is(b, 'Director', a.Director)), 'US Gross'))),
    'Director', 'Title'),
  },
  {
    name: 'EXISTS and NOT EXISTS',
    sql: `SELECT a.id FROM {T} AS a WHERE ${FEW}
          AND EXISTS (SELECT 1 FROM {T} AS b WHERE {b:Director} = {a:Director} AND b.id <> a.id)
          AND NOT EXISTS (SELECT 1 FROM {T} AS c WHERE {c:Director} = {a:Director}
            AND {c:US Gross} > {a:US Gross}) ORDER BY a.id`,
    answer: (m) => columns(few(m).filter((a) => {
      const others = m.filter((b) => !isNull(a, 'Director') && is(b, 'Director', a.Director) &&
        b.id !== a.id);
      return others.length > 0 &&
        !others.some((c) => !isNull(a, 'US Gross') && above(c, 'US Gross', gross(a)));
    }), 'id'),
  },
  {
    name: 'IN a sub-query',
    sql: `SELECT id FROM {T} WHERE {Director} IN (SELECT {Director} FROM {T}
          WHERE {IMDB Rating} >= 8.8) ORDER BY id`,
    answer: (m) => {
      const best = new Set(known(m.filter((r) => above(r, 'IMDB Rating', 8.79)), 'Director'));
      return columns(sortBy(m.filter((r) => best.has(r.Director)), 'id'), 'id');
    },
  },
  {
    name: 'a common table expression',
    sql: `WITH genres AS (SELECT {Major Genre} AS genre, sum({US Gross}) AS earned
            FROM {T} GROUP BY 1),
          whole AS (SELECT sum(earned) AS earned FROM genres)
          SELECT genre, round(100.0 * genres.earned / whole.earned, 2) FROM genres, whole
          WHERE genre IS NOT NULL ORDER BY genres.earned DESC`,
    answer: (m) => {
      const whole = sum(known(m, 'US Gross'));
      return groupBy(m, 'Major Genre')
        .map((g) => ({ ...g, earned: sum(known(g.rows, 'US Gross')) }))
        .filter((g) => g.key !== null).sort((a, b) => b.earned - a.earned)
        .map((g) => [g.key, Math.round(10_000 * g.earned / whole) / 100]);
    },
  },
  {
    name: 'a recursive common table expression',
    sql: `WITH RECURSIVE decades(start) AS (SELECT 1920 UNION ALL SELECT start + 10 FROM decades
            WHERE start < 2040),
          years AS MATERIALIZED (SELECT CAST(substr({Release Date}, -4) AS INTEGER) AS year
            FROM {T})
          SELECT start, (SELECT count(*) FROM years WHERE year >= start AND year < start + 10)
          FROM decades ORDER BY start`,
    answer: (m) => Array.from({ length: 13 }, (_, i) => [1920 + 10 * i, m.filter((r) =>
      Math.floor(Number(r['Release Date'].slice(-4)) / 10) === 192 + i).length]),
  },
  {
    name: 'UNION, and UNION ALL',
    sql: `SELECT {MPAA Rating} AS word FROM {T} WHERE {Major Genre} = 'Western' UNION
          SELECT {Source} FROM {T} WHERE {Major Genre} = 'Western' UNION ALL SELECT 'end'
          ORDER BY word LIMIT 20`,
    answer: (m) => {
      const west = m.filter((r) => is(r, 'Major Genre', 'Western'));
      const words = new Set(west.flatMap((r) => [r['MPAA Rating'] ?? null, r.Source ?? null]));
      return [...words, 'end'].sort(compare).slice(0, 20).map((word) => [word]);
    },
  },
  {
    name: 'INTERSECT and EXCEPT',
    sql: `SELECT {Director} FROM {T} WHERE {MPAA Rating} = 'G' INTERSECT
          SELECT {Director} FROM {T} WHERE {MPAA Rating} = 'PG-13' EXCEPT
          SELECT {Director} FROM {T} WHERE {MPAA Rating} = 'R' ORDER BY 1`,
    answer: (m) => {
      const [g, teens, adults] = ['G', 'PG-13', 'R'].map((rating) =>
        new Set(m.filter((r) => is(r, 'MPAA Rating', rating)).map((r) => r.Director ?? null)));
      return [...g].filter((who) => teens.has(who) && !adults.has(who)).sort(compare)
        .map((who) => [who]);
    },
  },
];

const windows = [
  {
    name: 'the best three of each genre',
    sql: `SELECT genre, place, title FROM (SELECT {Major Genre} AS genre, {Title} AS title,
          row_number() OVER (PARTITION BY {Major Genre} ORDER BY {US Gross} DESC, id) AS place
          FROM {T}) WHERE place <= 3 ORDER BY genre, place`,
    answer: (m) => groupBy(m, 'Major Genre').flatMap((g) => sortBy(g.rows, '-US Gross', 'id')
      .slice(0, 3).map((r, i) => [g.key, i + 1, r.Title])),
  },
  {
    name: 'rank and dense_rank',
    sql: `SELECT id, rank() OVER by_rating, dense_rank() OVER by_rating FROM {T}
          WHERE {Major Genre} = 'Documentary' AND {IMDB Rating} IS NOT NULL
          WINDOW by_rating AS (ORDER BY {IMDB Rating} DESC) ORDER BY {IMDB Rating} DESC, id`,
    answer: (m) => {
      const rows = sortBy(m.filter((r) => is(r, 'Major Genre', 'Documentary') &&
        !isNull(r, 'IMDB Rating')), '-IMDB Rating', 'id');
      const ratings = [...new Set(rows.map((r) => r['IMDB Rating']))];
      return rows.map((r) => [r.id,
        1 + rows.findIndex((s) => s['IMDB Rating'] === r['IMDB Rating']),
        1 + ratings.indexOf(r['IMDB Rating'])]);
    },
  },
  {
    name: 'running sums, and the row before',
    sql: `SELECT id, sum({US Gross}) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING),
          lag({Title}, 1, 'none') OVER (ORDER BY id), max({US Gross}) OVER (ORDER BY id
          ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM {T}
          WHERE {Director} = 'Woody Allen' ORDER BY id`,
    answer: (m) => {
      const rows = sortBy(m.filter((r) => is(r, 'Director', 'Woody Allen')), 'id');
      return rows.map((r, i) => [r.id, sum(known(rows.slice(0, i + 1), 'US Gross')),
        i === 0 ? 'none' : rows[i - 1].Title,
        max(known(rows.slice(Math.max(0, i - 1), i + 2), 'US Gross'))]);
    },
  },
];

const json = [
  {
    name: 'json_each over the records',
    sql: `SELECT key, count(*) FROM {T}, json_each({T}.data) WHERE json_each.value IS NOT NULL
          GROUP BY key ORDER BY key`,
    answer: (m) => Object.keys(dataOf(m[0])).sort().map((key) => [key, known(m, key).length]),
  },
  {
    name: 'json_each over a parameter', by: 'id (id=?)',
    sql: 'SELECT id FROM {T} WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id',
    params: [['m0002', 'm0001', 'zz']], answer: () => [['m0001'], ['m0002']],
  },
  {
    name: 'data->> with blanks in the name',
    sql: `SELECT count(*) FROM {T} WHERE data->>'IMDB Rating' >= ?
          AND data->>'$.Major Genre' = 'Drama' AND json_extract(data, '$."US Gross"') > 1000000`,
    params: [7.5],
    answer: (m) => [[m.filter((r) => above(r, 'IMDB Rating', 7.4999) &&
      is(r, 'Major Genre', 'Drama') && above(r, 'US Gross', 1e6)).length]],
  },
  {
    name: '-> keeps JSON, ->> does not',
    sql: `SELECT data->'Title', data->>'Title', json_type(data, '$.Title') FROM {T}
          WHERE id IN ($1, $2) ORDER BY id`,
    params: ['m0000', 'm0005'],
    answer: (m) => ['m0000', 'm0005'].map((id) => m.find((r) => r.id === id)).map((r) =>
      [JSON.stringify(r.Title), r.Title, typeof r.Title === 'number' ? 'integer' : 'text']),
  },
  {
    name: 'JSON that is made', anyOrder: true,
    sql: `SELECT json_object('t', {Title}, 'g', {US Gross}) FROM {T}
          WHERE {Director} = 'Tony Scott'`,
    answer: (m) => m.filter((r) => is(r, 'Director', 'Tony Scott'))
      .map((r) => [JSON.stringify({ t: r.Title, g: gross(r) })]),
  },
  {
    name: 'contains()', anyOrder: true,
    sql: 'SELECT id FROM {T} WHERE contains(data, $1)',
    params: [{ 'Major Genre': 'Comedy', 'MPAA Rating': 'PG' }],
    answer: (m) => columns(m.filter((r) => is(r, 'Major Genre', 'Comedy') &&
      is(r, 'MPAA Rating', 'PG')), 'id'),
  },
  {
    name: 'contains() of a number and more',
    sql: `SELECT count(*) FROM {T} WHERE contains(data, '{"IMDB Rating":7.0}') AND {US Gross} > $1`,
    params: [50_000_000],
    answer: (m) => [[m.filter((r) => is(r, 'IMDB Rating', 7) && above(r, 'US Gross', 5e7)).length]],
  },
  {
    name: 'parameters of all kinds',
    sql: `SELECT ?1, typeof(?2), ?3, ?4, ?5, ?6, ?7, count(*) FROM {T} WHERE {US Gross} > ?8`,
    params: [null, 1.5, true, 'ü"\'\u0001', -7, [1, { a: 'b' }], 9007199254740991, 100_000_000.5],
    answer: (m) => [[null, 'real', 1, 'ü"\'\u0001', -7, '[1,{"a":"b"}]', 9007199254740991,
      m.filter((r) => above(r, 'US Gross', 1e8)).length]],
  },
  {
    name: 'scalars',
    sql: `SELECT upper({Title}), length({Title}), replace({Title}, ' ', ''), trim({Title}),
          abs({US Gross} - {Worldwide Gross}), {US Gross} % 1000, {US Gross} / 1000 FROM {T}
          WHERE id < 'm0005' ORDER BY id`,
    answer: (m) => m.filter((r) => r.id < 'm0005').map((r) => [r.Title.toUpperCase(),
      r.Title.length, r.Title.replaceAll(' ', ''), r.Title.trim(), Math.abs(gross(r) - r['Worldwide Gross']),
      gross(r) % 1000, Math.trunc(gross(r) / 1000)]),
  },
];

export const ANALYSES = [...aggregates, ...nested, ...windows, ...json];
