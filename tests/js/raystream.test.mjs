// raystream.v1: an independent client against the server, with right frames and with wrong ones.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { CIPHERS, Handshake, TYPES } from './raystream.mjs';
import { RaystreamConnection } from './raystream_connection.mjs';
import { Server } from './server.mjs';

const REKEY = 64;

let server;
let pin;
let url;

before(async () => {
  server = await Server.start(undefined, ['--raystream-rekey', String(REKEY)]);
  const page = await (await fetch(`${server.http}/.well-known/kontract`)).json();
  assert.deepEqual(page.protocols, ['kontract.v1+json', 'raystream.v1']);
  pin = Buffer.from(page.identity, 'base64url');
  url = server.ws('room-1');
});
after(() => server?.stop());

const flipped = (frame, at) => {
  const copy = Buffer.from(frame);
  copy[at < 0 ? copy.length + at : at] ^= 1;
  return copy;
};

// Whoever was refused, others are served.
async function alive() {
  const connection = await RaystreamConnection.join(url, { pin });
  await connection.result('session.info');
  await connection.cut();
}

for (const [name, cipher] of Object.entries(CIPHERS)) {
  test(`calls are answered over ${name}`, async () => {
    const connection = await RaystreamConnection.join(server.ws(`room-${name}`), {
      pin,
      ciphers: [cipher],
    });
    assert.equal(connection.protocol, 'raystream.v1');
    assert.equal(connection.channel.cipher, cipher);
    assert.equal(connection.channel.limits.rekeyRecords, REKEY);
    assert.equal(connection.channel.limits.heartbeatMs, 60_000);
    assert.equal(connection.channel.limits.maxInFlight, 256);
    assert.equal(connection.welcome.owner, 'dev');
    await connection.result('table.create', 't', {});
    assert.equal(await connection.result('table.set', 't', 'a', { text: 'ä€😀' }), true);
    assert.deepEqual(await connection.result('table.get', 't', 'a'), { text: 'ä€😀' });
    assert.equal((await connection.call('table.get', 'no', 'a')).code, 'KONTRACT_STORAGE_PTR_NOT_FOUND');
    connection.send({ t: 'heartbeat', timestamp: 5 });
    assert.equal((await connection.next()).timestamp, 5);
    connection.send({ t: 'close' });
    assert.deepEqual(await connection.next(), { t: 'close' });
    assert.equal((await connection.closing()).code, 1000);
  });

  test(`keys change in both directions over ${name}`, async () => {
    const connection = await RaystreamConnection.join(url, { pin, ciphers: [cipher] });
    for (let i = 0; i < 3 * REKEY + 8; ++i) {
      const update = i % REKEY === 3 && i < 3 * REKEY;
      connection.send({ t: 'heartbeat', timestamp: i }, { update });
      assert.equal((await connection.next()).timestamp, i);
    }
    assert.equal(connection.channel.sender.updates, 3);
    assert.equal(connection.channel.receiver.updates, 3);
    // Another one sooner than 64 records after the last is refused.
    connection.send({ t: 'heartbeat', timestamp: 0 }, { update: true });
    assert.equal((await connection.next()).timestamp, 0);
    connection.send({ t: 'heartbeat', timestamp: 1 }, { update: true });
    assert.equal((await connection.next()).code, 'KONTRACT_INVALID_REQUEST');
    assert.deepEqual(await connection.closing(), { code: 1002, reason: 'KONTRACT_INVALID_REQUEST' });
    await alive();
  });
}

test('the server chooses by its own order, and takes what is offered', async () => {
  const both = await RaystreamConnection.join(url, { pin, ciphers: [CIPHERS.aes, CIPHERS.chacha] });
  assert.equal(both.channel.cipher, CIPHERS.chacha);
  const unknown = await RaystreamConnection.join(url, { pin, ciphers: [77, CIPHERS.aes] });
  assert.equal(unknown.channel.cipher, CIPHERS.aes);
  const none = await RaystreamConnection.open(url);
  none.sendFrame(new Handshake({ pin, ciphers: [77] }).hello);
  assert.deepEqual(await none.closing(), { code: 1008, reason: 'KONTRACT_CRYPTO_UNSUPPORTED' });
  await alive();
});

test('every handshake has keys of its own', async () => {
  const first = await RaystreamConnection.shake(url, { pin });
  const second = await RaystreamConnection.shake(url, { pin });
  assert.ok(!first.channel.ticket.sessionId.equals(second.channel.ticket.sessionId));
  const message = { t: 'hello', v: 1 };
  second.sendFrame(first.channel.seal(message));
  const close = await second.next();
  assert.ok(['KONTRACT_INVALID_NONCE', 'KONTRACT_DECRYPT_FAILED'].includes(close.code));
  assert.equal((await second.closing()).code, 1002);
});

test('a server with another identity than the pinned one is refused by the client', async () => {
  const connection = await RaystreamConnection.open(url);
  const handshake = new Handshake({ pin: randomBytes(32) });
  connection.sendFrame(handshake.hello);
  const frame = await connection.nextFrame();
  assert.throws(() => handshake.finish(frame), /the server is/);
});

test('a changed ServerHello is refused by the client, wherever it was changed', async () => {
  const connection = await RaystreamConnection.open(url);
  const handshake = new Handshake({ pin });
  connection.sendFrame(handshake.hello);
  const frame = await connection.nextFrame();
  for (let at = 0; at < frame.length; ++at) {
    assert.throws(() => handshake.finish(flipped(frame, at)), `byte ${at}`);
  }
  handshake.finish(frame);
});

test('a changed ClientHello makes other keys, or none', async () => {
  for (const at of [1, 3, 10, 18, 20, 52, 54, -1]) {
    const connection = await RaystreamConnection.open(url);
    const handshake = new Handshake({ pin });
    connection.sendFrame(flipped(handshake.hello, at));
    const frame = await connection.nextFrame();
    if (frame) assert.throws(() => handshake.finish(frame), `byte ${at}`);
    else assert.equal((await connection.closing()).code, 1008);
    await connection.cut();
  }
  await alive();
});

const CALL = { t: 'call', id: 1, fn: 'session.info', args: [] };
const REFUSED = [
  ['a flipped version', 'KONTRACT_INVALID_REQUEST', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 0))],
  ['a flipped type', 'KONTRACT_INVALID_REQUEST', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 1))],
  ['a flipped length', 'KONTRACT_INVALID_REQUEST', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 11))],
  ['a reserved byte', 'KONTRACT_INVALID_REQUEST', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 12))],
  ['a flipped key update', 'KONTRACT_DECRYPT_FAILED', (c) => {
    const frame = c.channel.seal(CALL);
    frame[3] ^= 2;
    c.sendFrame(frame);
  }],
  ['a flipped sequence', 'KONTRACT_INVALID_NONCE', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 4))],
  ['a flipped nonce', 'KONTRACT_INVALID_NONCE', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 16))],
  ['flipped text', 'KONTRACT_DECRYPT_FAILED', (c) => c.sendFrame(flipped(c.channel.seal(CALL), 30))],
  ['a flipped tag', 'KONTRACT_DECRYPT_FAILED', (c) => c.sendFrame(flipped(c.channel.seal(CALL), -1))],
  ['a cut record', 'KONTRACT_INVALID_REQUEST', (c) => c.sendFrame(c.channel.seal(CALL).subarray(0, -1))],
  ['a repeated record', 'KONTRACT_INVALID_NONCE', async (c) => {
    const frame = c.channel.seal({ t: 'heartbeat', timestamp: 1 });
    c.sendFrame(frame);
    assert.equal((await c.next()).t, 'heartbeat');
    c.sendFrame(frame);
  }],
  ['a missing record', 'KONTRACT_INVALID_NONCE', (c) => {
    c.channel.seal(CALL);
    c.send(CALL);
  }],
  ['the server\'s own record', 'KONTRACT_INVALID_REQUEST', async (c) => {
    c.send({ t: 'heartbeat', timestamp: 1 });
    const frame = await c.nextFrame();
    c.channel.open(frame);
    frame[1] = TYPES.result;
    c.sendFrame(frame);
  }],
  ['a text frame', 'KONTRACT_INVALID_REQUEST', (c) => c.sendText(JSON.stringify(CALL))],
  ['a call as heartbeat', 'KONTRACT_INVALID_REQUEST', (c) => c.send(CALL, { type: TYPES.heartbeat })],
  ['a heartbeat as call', 'KONTRACT_INVALID_REQUEST', (c) =>
    c.send({ t: 'heartbeat', timestamp: 1 }, { type: TYPES.call })],
  ['a close as subscribe', 'KONTRACT_INVALID_REQUEST', (c) => c.send({ t: 'close' }, { type: TYPES.subscribe })],
];

for (const [name, code, attack] of REFUSED) {
  test(`${name} ends the connection with ${code}`, async () => {
    const connection = await RaystreamConnection.join(url, { pin });
    await attack(connection);
    const close = await connection.next();
    assert.equal(close.t, 'close');
    assert.equal(close.code, code);
    assert.deepEqual(await connection.closing(), { code: 1002, reason: code });
    await alive();
  });
}

test('what is no handshake is closed without an answer', async () => {
  for (const [bytes, code] of [
    [Buffer.alloc(0), 1008],
    [Buffer.from(JSON.stringify({ t: 'hello', v: 1 })), 1008],
    [Buffer.alloc(1025, 1), 1008],
    [new Handshake({ pin }).hello.subarray(0, -1), 1008],
  ]) {
    const connection = await RaystreamConnection.open(url);
    connection.sendFrame(bytes);
    assert.equal(await connection.nextFrame(), undefined);
    assert.deepEqual(await connection.closing(), { code, reason: 'KONTRACT_INVALID_REQUEST' });
  }
  const text = await RaystreamConnection.open(url);
  text.sendText(JSON.stringify({ t: 'hello', v: 1 }));
  assert.equal((await text.closing()).code, 1002);
  await alive();
});

test('the first record is hello', async () => {
  const connection = await RaystreamConnection.shake(url, { pin });
  connection.send(CALL);
  assert.equal((await connection.next()).code, 'KONTRACT_INVALID_REQUEST');
  assert.equal((await connection.closing()).code, 1008);
});

test('a channel is resumed once, with new keys, and the older connection ends', async () => {
  const first = await RaystreamConnection.join(url, { pin });
  const { ticket } = first.channel;
  const second = await RaystreamConnection.join(url, { pin, resume: ticket });
  assert.equal(second.channel.resumed, true);
  assert.ok(!second.channel.ticket.secret.equals(ticket.secret));
  assert.equal((await first.next()).code, 'KONTRACT_SESSION_EXPIRED');
  assert.equal((await first.closing()).code, 1008);
  await second.cut();
  const third = await RaystreamConnection.join(url, { pin, resume: second.channel.ticket });
  assert.equal(third.channel.resumed, true);

  for (const resume of [
    ticket, // used
    { sessionId: randomBytes(16), secret: randomBytes(32) }, // unknown
    { sessionId: third.channel.ticket.sessionId, secret: randomBytes(32) }, // guessed
  ]) {
    const full = await RaystreamConnection.join(url, { pin, resume });
    assert.equal(full.channel.resumed, false);
  }
  await third.result('session.info');
});
