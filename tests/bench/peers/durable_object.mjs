// A Durable Object as a user of Cloudflare would write it: one WebSocket message a call, one a reply,
// with the messages of kontract so that one load generator serves both.

import {DurableObject} from 'cloudflare:workers';

export class Room extends DurableObject {
  constructor(state, environment) {
    super(state, environment);
    this.storage = state.storage;
    this.sql = state.storage.sql;
    this.sql.exec('CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, data TEXT NOT NULL)');
  }

  async fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener('message', async ({data}) => {
      const call = JSON.parse(data);
      if (call.t === 'hello') return server.send('{"t":"welcome"}');
      try {
        const result = await this.run(call.fn, call.args);
        server.send(JSON.stringify({t: 'result', id: call.id, result}));
      } catch (error) {
        server.send(JSON.stringify({t: 'error', id: call.id, message: String(error)}));
      }
    });
    return new Response(null, {status: 101, webSocket: client});
  }

  async run(name, [first, second]) {
    switch (name) {
      case 'echo':
        return first;
      case 'get':
        return (await this.storage.get(first)) ?? null;
      case 'put':
        // The output gate holds the reply back until this is on disk.
        await this.storage.put(first, second);
        return true;
      case 'sql_get': {
        const [row] = this.sql.exec('SELECT data FROM users WHERE id = ?', first);
        return row ? JSON.parse(row.data) : null;
      }
      case 'sql_put':
        this.sql.exec('INSERT INTO users VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET data = ?2', first,
                      JSON.stringify(second));
        return true;
      case 'fill':  // k0, k1, ... each with this data, for the reads
        for (let key = 0; key < first; ++key) {
          this.storage.put(`k${key}`, second);
          this.sql.exec('INSERT OR REPLACE INTO users VALUES (?, ?)', `k${key}`, JSON.stringify(second));
        }
        return true;
      default:
        throw new Error(`no function ${name}`);
    }
  }
}

export default {
  fetch(request, environment) {
    const name = new URL(request.url).pathname;
    return environment.ROOM.get(environment.ROOM.idFromName(name)).fetch(request);
  },
};
