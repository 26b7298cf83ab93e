// ws on Node: the connection side of Socket.IO, with the messages of kontract.

import {WebSocketServer} from 'ws';

const server = new WebSocketServer({host: '127.0.0.1', port: 0, perMessageDeflate: false});
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    const call = JSON.parse(data);
    if (call.t === 'hello') return socket.send('{"t":"welcome"}');
    socket.send(JSON.stringify({t: 'result', id: call.id, result: call.args[0]}));
  });
});
server.on('listening', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
