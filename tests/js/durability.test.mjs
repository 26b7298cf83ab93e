// What a server keeps when it is told to stop, and when it is killed.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Connection } from './connection.mjs';
import { Server } from './server.mjs';

after(() => Server.killAll());

const SESSIONS = ['one', 'two', 'three'];

// Writes new records to `connection` without a pause until it breaks; their ids start with `round`.
// `acknowledged` collects {id, n, txid} of every write that was answered.
async function writeUntilBroken(connection, round, acknowledged, onWrite) {
  const writer = async (name) => {
    for (let n = 1; ; n++) {
      const id = `${round}-${name}-${n}`;
      const frame = await connection.call('table.set', 't', id, { n });
      assert.equal(frame.t, 'result', JSON.stringify(frame));
      acknowledged.push({ id, n, txid: frame.txid });
      onWrite();
    }
  };
  const results = await Promise.allSettled(['a', 'b', 'c', 'd'].map(writer));
  for (const { reason } of results) assert.match(reason.message, /closed|ECONNRESET|EPIPE/);
}

test('SIGTERM closes connections with 1001, exits with 0 and loses nothing', async () => {
  let server = await Server.start();
  const connection = await Connection.join(server, 'drain');
  const { sid } = connection.welcome;
  await connection.result('table.create', 't', { permissions: 6 });
  const { txid } = await connection.call('table.set', 't', 'a', { n: 1 });
  const stopped = server.stop('SIGTERM');
  const goodbye = await connection.next();
  assert.equal(goodbye.t, 'close');
  assert.equal((await connection.closing()).code, 1001);
  assert.deepEqual(await stopped, { code: 0, signal: null });

  server = await Server.start(server.data);
  const again = await Connection.join(server, 'drain');
  assert.equal(again.welcome.sid, sid);
  assert.deepEqual(await again.result('table.get', 't', 'a'), { n: 1 });
  const [table] = await again.result('table.list');
  assert.deepEqual([table.id, table.permissions, table.records], ['t', 6, 1]);
  assert.ok((await again.call('table.get', 't', 'a')).txid > txid);
  await server.stop();
});

test('calls that are under way when SIGTERM comes are answered or cut off', async () => {
  let server = await Server.start();
  const connection = await Connection.join(server, 'busy');
  await connection.result('table.create', 't', {});
  const acknowledged = [];
  const calls = [];
  for (let n = 0; n < 100; n++) {
    calls.push(connection.call('table.set', 't', `k${n}`, { n }));
  }
  const stopped = calls[0].then(() => server.stop('SIGTERM'));
  for (const [n, { status, value }] of (await Promise.allSettled(calls)).entries()) {
    if (status === 'fulfilled' && value.t === 'result') acknowledged.push(n);
  }
  assert.deepEqual(await stopped, { code: 0, signal: null });
  server = await Server.start(server.data);
  const again = await Connection.join(server, 'busy');
  assert.ok(acknowledged.length > 0);
  for (const n of acknowledged) {
    assert.deepEqual(await again.result('table.get', 't', `k${n}`), { n });
  }
  await server.stop();
});

test('kill -9 under load loses no acknowledged write, and txids go on', async () => {
  let server = await Server.start();
  const kept = new Map(SESSIONS.map((session) => [session, new Map()]));
  const highest = new Map(SESSIONS.map((session) => [session, 0]));
  for (const session of SESSIONS) {
    const connection = await Connection.join(server, session);
    await connection.result('table.create', 't', {});
    await connection.leave();
  }
  for (let round = 1; round <= 3; round++) {
    const writesBeforeKill = 100 * round;
    let writes = 0;
    let killed;
    const countWrite = () => {
      if (++writes === writesBeforeKill) killed = server.stop('SIGKILL');
    };
    await Promise.all(
      SESSIONS.map(async (session) => {
        const acknowledged = [];
        const connection = await Connection.join(server, session);
        await writeUntilBroken(connection, round, acknowledged, countWrite);
        for (const { id, n, txid } of acknowledged) {
          kept.get(session).set(id, n);
          assert.ok(txid > highest.get(session), `txid ${txid} again in ${session}`);
        }
        const txids = acknowledged.map(({ txid }) => txid);
        assert.equal(new Set(txids).size, txids.length, 'a txid was given twice');
        highest.set(session, Math.max(highest.get(session), ...txids));
      }),
    );
    assert.deepEqual(await killed, { code: null, signal: 'SIGKILL' });

    server = await Server.start(server.data);
    for (const session of SESSIONS) {
      const connection = await Connection.join(server, session);
      assert.ok(connection.welcome.txid >= highest.get(session), 'welcome went back in time');
      for (const [id, n] of kept.get(session)) {
        assert.deepEqual(await connection.result('table.get', 't', id), { n }, `${session} ${id}`);
      }
      const txid = await connection.result('session.allocateTxid');
      assert.ok(txid > highest.get(session));
      highest.set(session, txid);
      await connection.leave();
    }
  }
  await server.stop();
});
