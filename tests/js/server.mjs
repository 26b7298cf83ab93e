// The server under test as a child process, on a free port, with its data in a temporary directory.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from './within.mjs';

// Longer than any machine is busy.
const READY_MS = 120_000;
const EXIT_MS = 120_000;

export class Server {
  // Directories and children go with this process, however it ends but by SIGKILL.
  static #children = new Set();
  static #directories = new Set();

  static {
    process.on('exit', () => {
      Server.killAll();
      for (const path of Server.#directories) rmSync(path, { recursive: true, force: true });
    });
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  }

  // Ends what a failed test has left running; while a child runs, this process cannot end.
  static killAll() {
    for (const child of Server.#children) child.kill('SIGKILL');
  }

  #output = '';
  #child;
  #exited;

  constructor(data, options) {
    this.data = data;
    this.options = options;
  }

  // Starts a server on `data`, or on a new directory, with further options of its command line.
  // Rejects, with what the server printed, when it does not listen in time.
  static async start(data, options = []) {
    if (!process.env.SERVER_PROGRAM) throw new Error('SERVER_PROGRAM must name the kontract program');
    if (!data) {
      data = mkdtempSync(join(tmpdir(), 'kontract-js-'));
      Server.#directories.add(data);
    }
    const server = new Server(data, options);
    await server.#run();
    return server;
  }

  async #run() {
    const args = ['serve', '--data', this.data, '--port', '0', ...this.options];
    this.#child = spawn(process.env.SERVER_PROGRAM, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    Server.#children.add(this.#child);
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => {
      Server.#children.delete(this.#child);
      return { code, signal };
    });
    const listening = new Promise((resolve, reject) => {
      const read = (chunk) => {
        this.#output += chunk;
        const port = /listening on 127\.0\.0\.1:(\d+)/.exec(this.#output)?.[1];
        if (port) resolve(Number(port));
      };
      this.#child.stdout.setEncoding('utf8').on('data', read);
      this.#child.stderr.setEncoding('utf8').on('data', read);
      this.#child.on('error', reject);
      this.#exited.then(() => reject(new Error(`the server ended: ${this.#output}`)), reject);
    });
    this.port = await within(READY_MS, listening, () => `not listening: ${this.#output}`);
  }

  get http() {
    return `http://127.0.0.1:${this.port}`;
  }

  // The address of a session's WebSocket.
  ws(session) {
    return `ws://127.0.0.1:${this.port}/ws/${session}`;
  }

  // Sends the signal and resolves with {code, signal} when the server has ended.
  async stop(signal = 'SIGTERM') {
    this.#child.kill(signal);
    return within(EXIT_MS, this.#exited, () => `no exit after ${signal}: ${this.#output}`);
  }
}
