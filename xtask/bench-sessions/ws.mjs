// The `ws` package: what one socket sends, all others get. `node ws.mjs PORT`
import { WebSocketServer } from "ws";

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  perMessageDeflate: false,
  backlog: 1024,
});
server.on("connection", (socket) => {
  socket.on("error", () => {});
  socket.on("message", (data) => {
    for (const other of server.clients) {
      if (other !== socket) other.send(data, { binary: false });
    }
  });
});
