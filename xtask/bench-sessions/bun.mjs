// Bun's own WebSocket server: what one socket sends, all others get. `bun bun.mjs PORT`
const ROOM = "room";

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch(request, server) {
    if (server.upgrade(request)) return undefined;
    return new Response("a WebSocket is expected", { status: 426 });
  },
  websocket: {
    idleTimeout: 960,
    open(socket) {
      socket.subscribe(ROOM);
    },
    message(socket, data) {
      socket.publish(ROOM, data);
    },
  },
});
