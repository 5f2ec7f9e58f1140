"""An HTTP collector, of Python's own http.server: each body is appended to a file before it is
answered."""

import http.server
import sys

PORT, PATH = int(sys.argv[1]), sys.argv[2]


class Collector(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return
        with open(PATH, "ab") as file:
            file.write(body)
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Collector).serve_forever()
