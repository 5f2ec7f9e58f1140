// How does the mock speak WebSocket? The server's half of RFC 6455 as far as the page tests need it:
// whole text frames, close, ping. No fragments, no extensions.
import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

export class WebSocketDouble {
  /** Takes over the socket of an upgrade request. */
  constructor(request, socket) {
    Object.assign(this, { socket, ended: false, onmessage: () => {}, onclose: () => {} });
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + GUID)
      .digest('base64');
    const protocol = request.headers['sec-websocket-protocol']?.split(',')[0].trim();
    socket.write(['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade',
      `Sec-WebSocket-Accept: ${accept}`, ...(protocol ? [`Sec-WebSocket-Protocol: ${protocol}`] : []),
      '', ''].join('\r\n'));
    this.held = Buffer.alloc(0);
    socket.on('data', (piece) => { this.held = Buffer.concat([this.held, piece]); this.read(); });
    socket.on('close', () => this.over());
    socket.on('error', () => this.over());
  }

  over() {
    if (this.ended) return;
    this.ended = true;
    this.onclose();
  }

  read() {
    for (;;) {
      if (this.held.length < 2) return;
      const opcode = this.held[0] & 15;
      const short = this.held[1] & 127;
      const at = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (this.held.length < at) return;
      const length = short === 126 ? this.held.readUInt16BE(2)
        : short === 127 ? Number(this.held.readBigUInt64BE(2)) : short;
      if (this.held.length < at + 4 + length) return;
      const mask = this.held.subarray(at, at + 4);
      const body = Buffer.from(this.held.subarray(at + 4, at + 4 + length));
      for (let i = 0; i < body.length; i += 1) body[i] ^= mask[i & 3];
      this.held = this.held.subarray(at + 4 + length);
      if (opcode === 1) this.onmessage(body.toString());
      else if (opcode === 9) this.frame(10, body);
      else if (opcode === 8) { this.frame(8, body.subarray(0, 2)); this.socket.end(); }
    }
  }

  frame(opcode, body) {
    if (this.socket.destroyed) return;
    const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10);
    head[0] = 128 | opcode;
    if (body.length < 126) head[1] = body.length;
    else if (body.length < 65_536) { head[1] = 126; head.writeUInt16BE(body.length, 2); }
    else { head[1] = 127; head.writeBigUInt64BE(BigInt(body.length), 2); }
    this.socket.write(Buffer.concat([head, body]));
  }

  send(value) { this.frame(1, Buffer.from(JSON.stringify(value))); }

  close(code, reason = '') {
    const body = Buffer.alloc(2 + Buffer.byteLength(reason));
    body.writeUInt16BE(code);
    body.write(reason, 2);
    this.frame(8, body);
    this.socket.end();
  }

  /** As a cable that is pulled. */
  cut() { this.socket.destroy(); }
}
