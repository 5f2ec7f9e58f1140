"""An HTTP collector, of Python's own http.server: each body is appended to a file before it is
answered. With a third argument it reads at most that many bytes a second."""

import http.server
import sys
import time

PORT, PATH = int(sys.argv[1]), sys.argv[2]
RATE = int(sys.argv[3]) if len(sys.argv) > 3 else 0


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left = int(self.headers["content-length"])
        body = b""
        while left > 0:
            part = self.rfile.read(min(left, max(RATE // 10, 1) if RATE else left))
            if not part:
                return
            body += part
            left -= len(part)
            if RATE:
                time.sleep(0.1)
        with open(PATH, "ab") as file:
            file.write(body)
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Collector).serve_forever()
