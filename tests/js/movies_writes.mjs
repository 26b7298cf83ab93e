// Changes of the films by SQL, each with what it does to the records, in JavaScript.
//
//   declared, plain  the statement for a table whose fields are columns, and for one without schema
//   change           does the same to the records and returns how many it changed
//   fails            or else: the code that it fails with; nothing is changed then

import { dataOf } from './movies.mjs';

const isOf = (field, value) => (row) => (row[field] ?? null) === value;

// Changes the rows that match; returns how many there were.
function update(rows, matches, change) {
  const found = rows.filter(matches);
  found.forEach(change);
  return found.length;
}

function erase(rows, matches) {
  const before = rows.length;
  rows.splice(0, before, ...rows.filter((row) => !matches(row)));
  return before - rows.length;
}

const SEQUEL = {
  Title: 1984, 'US Gross': 5, 'Worldwide Gross': 7, 'US DVD Sales': null, 'Production Budget': 3,
  'Release Date': 'Dec 14 1984', 'MPAA Rating': 'R', 'Running Time min': 113, Distributor: 'MGM',
  Source: null, 'Major Genre': 'Drama', 'Creative Type': null, Director: 'Michael Radford',
  'Rotten Tomatoes Rating': 81, 'IMDB Rating': 7.25, 'IMDB Votes': 12,
};

export const WRITES = [
  {
    name: 'an UPDATE by a column',
    declared: 'UPDATE {T} SET {IMDB Votes} = {IMDB Votes} + $1 WHERE {Director} = $2',
    plain: `UPDATE {T} SET data = json_set(data, '$.IMDB Votes', {IMDB Votes} + $1)
            WHERE {Director} = $2`,
    params: [1_000_000, 'Ridley Scott'],
    change: (rows) => update(rows, isOf('Director', 'Ridley Scott'),
      (row) => { row['IMDB Votes'] += 1_000_000; }),
  },
  {
    name: 'an UPDATE of what the index that finds it is on',
    declared: `UPDATE {T} SET {US Gross} = {US Gross} + 1000000
               WHERE {US Gross} BETWEEN 1 AND 2000000`,
    plain: `UPDATE {T} SET data = json_set(data, '$.US Gross', {US Gross} + 1000000)
            WHERE {US Gross} BETWEEN 1 AND 2000000`,
    change: (rows) => update(rows, (row) => row['US Gross'] >= 1 && row['US Gross'] <= 2_000_000,
      (row) => { row['US Gross'] += 1_000_000; }),
  },
  {
    name: 'an UPDATE that removes a field',
    declared: 'UPDATE {T} SET {US DVD Sales} = NULL WHERE {US DVD Sales} < :bound',
    plain: `UPDATE {T} SET data = json_remove(data, '$.US DVD Sales')
            WHERE {US DVD Sales} < :bound`,
    params: { ':bound': 10_000_000 },
    change: (rows) => update(rows,
      (row) => row['US DVD Sales'] !== null && row['US DVD Sales'] < 10_000_000,
      (row) => { delete row['US DVD Sales']; }),
  },
  {
    name: 'a title that becomes a number, and one that becomes text',
    declared: `UPDATE {T} SET {Title} = CASE typeof({Title}) WHEN 'integer' THEN {Title} || ''
               ELSE length({Title}) END WHERE {Title} IN (300, 1408, 'Alien')`,
    plain: `UPDATE {T} SET data = json_set(data, '$.Title', CASE typeof({Title})
            WHEN 'integer' THEN {Title} || '' ELSE length({Title}) END)
            WHERE {Title} IN (300, 1408, 'Alien')`,
    change: (rows) => update(rows, (row) => [300, 1408, 'Alien'].includes(row.Title), (row) => {
      row.Title = typeof row.Title === 'number' ? `${row.Title}` : row.Title.length;
    }),
  },
  {
    name: 'a DELETE by a column',
    declared: 'DELETE FROM {T} WHERE {Major Genre} = ?', params: ['Musical'],
    change: (rows) => erase(rows, isOf('Major Genre', 'Musical')),
  },
  {
    name: 'a DELETE of what is null', declared: 'DELETE FROM {T} WHERE {Title} IS NULL',
    change: (rows) => erase(rows, isOf('Title', null)),
  },
  {
    name: 'a DELETE by a sub-query of the same table',
    declared: `DELETE FROM {T} WHERE {Director} IN (SELECT {Director} FROM {T} GROUP BY 1
               HAVING count(*) = 7 AND {Director} IS NOT NULL)`,
    change: (rows) => {
      const films = new Map();
      for (const { Director } of rows) films.set(Director, (films.get(Director) ?? 0) + 1);
      return erase(rows, ({ Director }) => Director !== null && films.get(Director) === 7);
    },
  },
  {
    name: 'a DELETE of nothing', declared: "DELETE FROM {T} WHERE id = 'none'", change: () => 0,
  },
  {
    name: 'INSERT … SELECT',
    declared: `INSERT INTO {T} (id, data) SELECT 'x' || id,
               json_set(data, '$.Director', 'The Copyist') FROM {T} WHERE {Distributor} = $1 ORDER BY _order`,
    params: ['20th Century Fox'],
    change: (rows) => {
      const copies = rows.filter(isOf('Distributor', '20th Century Fox'))
        .map((row) => ({ ...row, id: `x${row.id}`, Director: 'The Copyist' }));
      rows.push(...copies);
      return copies.length;
    },
  },
  {
    name: 'an INSERT of fields',
    declared: `INSERT INTO {T} (id, ${Object.keys(SEQUEL).map((name) => `{${name}}`).join(', ')})
               VALUES ('y1', ${Object.keys(SEQUEL).map((_, i) => `$${i + 1}`).join(', ')})`,
    plain: `INSERT INTO {T} (id, data) VALUES ('y1', json_object(${Object.keys(SEQUEL)
      .map((name, i) => `'${name}', $${i + 1}`).join(', ')}))`,
    params: Object.values(SEQUEL),
    change: (rows, isDeclared) => {
      // A column that is set to NULL is no field; json_object() makes one that is null.
      const fields = Object.entries(SEQUEL).filter(([, value]) => !isDeclared || value !== null);
      rows.push({ id: 'y1', ...Object.fromEntries(fields) });
      return 1;
    },
  },
  {
    name: 'an INSERT of several rows',
    declared: 'INSERT INTO {T} (id, data) VALUES (?1, ?3), (?2, ?3)', params: ['y2', 'y3', SEQUEL],
    change: (rows) => rows.push({ id: 'y2', ...SEQUEL }, { id: 'y3', ...SEQUEL }) && 2,
  },
  {
    name: 'an INSERT of an id that is taken, after one that is not',
    declared: "INSERT INTO {T} (id, data) VALUES ('y4', '{}'), ('y2', '{}')",
    fails: 'KONTRACT_EXEC_FAILED',
  },
  {
    name: 'INSERT OR IGNORE',
    declared: "INSERT OR IGNORE INTO {T} (id, data) VALUES ('y2', '{}'), ('y4', ?)",
    params: [SEQUEL],
    change: (rows) => rows.push({ id: 'y4', ...SEQUEL }) && 1,
  },
  {
    name: 'INSERT OR REPLACE keeps the place of what is replaced',
    declared: `INSERT OR REPLACE INTO {T} (id, data)
               SELECT 'm0020', data FROM {T} WHERE id = 'm0021'`,
    change: (rows) => update(rows, isOf('id', 'm0020'),
      (row) => Object.assign(row, dataOf(rows.find(isOf('id', 'm0021'))))),
  },
  { name: 'another table', declared: 'DELETE FROM other', fails: 'KONTRACT_EXEC_CROSS_TABLE' },
  { name: 'RETURNING', declared: 'DELETE FROM {T} RETURNING id', fails: 'KONTRACT_EXEC_FAILED' },
  {
    name: 'data that is no object', declared: "UPDATE {T} SET data = '[1]'",
    fails: 'KONTRACT_INVALID_REQUEST',
  },
];
