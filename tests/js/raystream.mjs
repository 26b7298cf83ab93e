// raystream.v1, written from docs/raystream.md with node:crypto alone: the handshake, its keys and
// the records of both directions. It shares no code with kontract.

import assert from 'node:assert/strict';
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  timingSafeEqual,
  verify,
} from 'node:crypto';

export const CIPHERS = { chacha: 1, aes: 2 };
export const TYPES = {
  init: 0x01,
  response: 0x02,
  call: 0x10,
  result: 0x11,
  error: 0x12,
  subscribe: 0x20,
  event: 0x21,
  heartbeat: 0x30,
  close: 0xff,
};
const TYPE_OF = {
  hello: TYPES.call,
  call: TYPES.call,
  welcome: TYPES.result,
  result: TYPES.result,
  error: TYPES.error,
  subscribe: TYPES.subscribe,
  unsubscribe: TYPES.subscribe,
  event: TYPES.event,
  heartbeat: TYPES.heartbeat,
  close: TYPES.close,
};
const NODE_CIPHERS = { 1: 'chacha20-poly1305', 2: 'aes-256-gcm' };
const HEADER = 16;
const NONCE = 12;
const TAG = 16;
const ENC = 1;
const KU = 2;
const RESUME = 0x00ff;
const DAY_MS = 24 * 3600 * 1000;

// Notation (section 2).

const hash = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest();
const hmac = (key, ...parts) => createHmac('sha256', key).update(Buffer.concat(parts)).digest();

function expand(key, info, bytes) {
  let block = Buffer.alloc(0);
  let out = Buffer.alloc(0);
  for (let i = 1; out.length < bytes; ++i) {
    block = hmac(key, block, info, Buffer.from([i]));
    out = Buffer.concat([out, block]);
  }
  return out.subarray(0, bytes);
}

const label = (text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'ascii')]);

function unsigned(bytes, value) {
  const out = Buffer.alloc(bytes);
  if (bytes === 8) out.writeBigUInt64BE(BigInt(value));
  else out.writeUIntBE(value, 0, bytes);
  return out;
}

const signedText = (context, ...parts) =>
  Buffer.concat([Buffer.alloc(64, 0x20), Buffer.from(context, 'ascii'), Buffer.alloc(1), ...parts]);

// Raw keys of RFC 7748 and RFC 8032 are the `x` of a JWK.
const publicKey = (crv, raw) =>
  createPublicKey({ key: { kty: 'OKP', crv, x: raw.toString('base64url') }, format: 'jwk' });

function header(type, flags, sequence, length) {
  return Buffer.concat([
    Buffer.from([1, type]),
    unsigned(2, flags),
    unsigned(4, sequence),
    unsigned(4, length),
    unsigned(4, 0),
  ]);
}

const extension = (type, value) => Buffer.concat([unsigned(2, type), unsigned(2, value.length), value]);

// Extensions of a hello by type; they ascend strictly and fill their space.
function extensions(bytes) {
  const found = new Map();
  let last = -1;
  while (bytes.length > 0) {
    const type = bytes.readUInt16BE(0);
    const length = bytes.readUInt16BE(2);
    assert.ok(type > last, 'extensions ascend');
    assert.ok(bytes.length >= 4 + length, 'an extension is whole');
    found.set(type, bytes.subarray(4, 4 + length));
    bytes = bytes.subarray(4 + length);
    last = type;
  }
  return found;
}

// One direction (section 7): the keys of its sender or receiver.
class Direction {
  #cipher;
  #secret;
  #key;
  #iv;
  #sinceUpdate = 0;
  n = 0;
  updates = 0;

  constructor(cipher, secret) {
    this.#cipher = NODE_CIPHERS[cipher];
    this.#secret = secret;
    this.#derive();
  }

  #derive() {
    this.#key = expand(this.#secret, label('key'), 32);
    this.#iv = expand(this.#secret, label('iv'), NONCE);
  }

  #nonce() {
    const counted = Buffer.concat([unsigned(4, 0), unsigned(8, this.n)]);
    return Buffer.from(this.#iv.map((byte, i) => byte ^ counted[i]));
  }

  #count(update) {
    this.n += 1;
    this.#sinceUpdate += 1;
    if (!update) return;
    this.#secret = expand(this.#secret, label('ku'), 32);
    this.#derive();
    this.#sinceUpdate = 0;
    this.updates += 1;
  }

  seal(type, plaintext, { update = false } = {}) {
    const head = header(type, ENC | (update ? KU : 0), this.n, plaintext.length);
    const nonce = this.#nonce();
    const cipher = createCipheriv(this.#cipher, this.#key, nonce, { authTagLength: TAG });
    cipher.setAAD(head, { plaintextLength: plaintext.length });
    const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    this.#count(update);
    return Buffer.concat([head, nonce, text, cipher.getAuthTag()]);
  }

  open(frame, types) {
    assert.ok(frame.length >= HEADER + NONCE + TAG, 'a record is not shorter');
    const [version, type] = frame;
    const flags = frame.readUInt16BE(2);
    assert.equal(version, 1);
    assert.ok(types.includes(type), `a server does not send ${type}`);
    assert.ok(flags === ENC || flags === (ENC | KU), `flags ${flags}`);
    assert.equal(frame.readUInt32BE(12), 0);
    assert.equal(frame.readUInt32BE(8), frame.length - HEADER - NONCE - TAG);
    assert.equal(frame.readUInt32BE(4), this.n, 'sequence');
    const nonce = frame.subarray(HEADER, HEADER + NONCE);
    assert.ok(nonce.equals(this.#nonce()), 'nonce');
    const update = (flags & KU) !== 0;
    if (update && this.updates > 0) assert.ok(this.#sinceUpdate >= 63, 'an update too soon');
    const cipher = createDecipheriv(this.#cipher, this.#key, nonce, { authTagLength: TAG });
    cipher.setAAD(frame.subarray(0, HEADER), {
      plaintextLength: frame.length - HEADER - NONCE - TAG,
    });
    cipher.setAuthTag(frame.subarray(-TAG));
    const text = Buffer.concat([cipher.update(frame.subarray(HEADER + NONCE, -TAG)), cipher.final()]);
    this.#count(update);
    return { type, text, update };
  }
}

// The client's half of a handshake (sections 4 to 6). `pin` is the server's identity key.
export class Handshake {
  #keys = generateKeyPairSync('x25519');
  #own;
  #offered;
  #pin;
  #resume;

  constructor({ ciphers = [CIPHERS.chacha, CIPHERS.aes], pin, resume }) {
    this.#offered = ciphers;
    this.#pin = pin;
    this.#resume = resume;
    this.#own = Buffer.from(this.#keys.publicKey.export({ format: 'jwk' }).x, 'base64url');
    let exts = extension(0x0001, hash(pin).subarray(0, 8));
    if (resume) exts = Buffer.concat([exts, extension(RESUME, Buffer.concat([resume.sessionId, Buffer.alloc(32)]))]);
    const payload = Buffer.concat([
      Buffer.from([1, ciphers.length]),
      unsigned(2, exts.length),
      this.#own,
      Buffer.from(ciphers),
      exts,
    ]);
    this.hello = Buffer.concat([header(TYPES.init, 0, 0, payload.length), payload]);
    if (resume) {
      const binderKey = expand(resume.secret, label('binder'), 32);
      hmac(binderKey, hash(this.hello.subarray(0, -32))).copy(this.hello, this.hello.length - 32);
    }
  }

  // The channel that the server's frame makes; throws for whatever is wrong with it.
  finish(frame) {
    assert.ok(frame.length >= HEADER + 124, 'a ServerHello is not shorter');
    assert.ok(frame.subarray(0, HEADER).equals(header(TYPES.response, 0, 0, frame.length - HEADER)));
    const payload = frame.subarray(HEADER);
    const [version, cipher] = payload;
    const extLength = payload.readUInt16BE(2);
    assert.equal(payload.length, 156 + extLength);
    const theirs = payload.subarray(4, 36);
    const sessionId = payload.subarray(36, 52);
    const expiresAt = Number(payload.readBigUInt64BE(52));
    const exts = extensions(payload.subarray(60, 60 + extLength));
    const signature = payload.subarray(60 + extLength, 124 + extLength);
    const finished = payload.subarray(124 + extLength);

    assert.equal(version, 1);
    assert.deepEqual([...exts.get(0x0102)], [1]);
    assert.ok(this.#offered.includes(cipher), 'the cipher was offered');
    const identity = exts.get(0x0101);
    assert.ok(identity.equals(this.#pin), `the server is ${identity.toString('base64url')}`);
    const now = Date.now();
    assert.ok(now < expiresAt && expiresAt <= now + DAY_MS, `expires_at ${expiresAt}`);
    assert.equal(exts.has(0x0104), this.#resume !== undefined, 'resumed is an answer');
    const resumed = exts.get(0x0104)?.[0] === 1;
    if (resumed) assert.ok(sessionId.equals(this.#resume.sessionId));

    const transcript = hash(this.hello, frame.subarray(0, -96));
    const text = signedText('raystream-v1, server hello', transcript);
    assert.ok(verify(null, text, publicKey('Ed25519', identity), signature), 'signature');
    const shared = diffieHellman({
      privateKey: this.#keys.privateKey,
      publicKey: publicKey('X25519', theirs),
    });
    const input = resumed ? Buffer.concat([shared, this.#resume.secret]) : shared;
    const prk = hmac(Buffer.from('raystream-v1', 'ascii'), input);
    const key = (name) =>
      expand(prk, Buffer.concat([label(name), sessionId, this.#own, theirs, transcript]), 32);
    assert.ok(timingSafeEqual(hmac(key('s fin'), transcript, signature), finished), 'finished');

    const limits = exts.get(0x0103);
    return new Channel({
      cipher,
      resumed,
      expiresAt,
      ticket: { sessionId: Buffer.from(sessionId), secret: key('resume') },
      limits: {
        maxPlaintext: limits.readUInt32BE(0),
        maxInFlight: limits.readUInt32BE(4),
        heartbeatMs: limits.readUInt32BE(8),
        rekeyRecords: limits.readUInt32BE(12),
      },
      sender: new Direction(cipher, key('c2s')),
      receiver: new Direction(cipher, key('s2c')),
    });
  }
}

const FROM_SERVER = [TYPES.result, TYPES.error, TYPES.event, TYPES.heartbeat, TYPES.close];

export class Channel {
  constructor(fields) {
    Object.assign(this, fields);
  }

  // The record that carries this message; `type` only to be wrong.
  seal(message, { type = TYPE_OF[message.t], update } = {}) {
    return this.sender.seal(type, Buffer.from(JSON.stringify(message)), { update });
  }

  open(frame) {
    const { type, text } = this.receiver.open(frame, FROM_SERVER);
    const message = JSON.parse(text.toString('utf8'));
    assert.equal(type, TYPE_OF[message.t], `${message.t} came as ${type}`);
    return message;
  }
}
