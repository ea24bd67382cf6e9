"""A server that answers `nodevitals top` as the file "mode" says; its clock is an hour ahead. Its port is in the file "port".

ok, 401, 503, slow, html, cut, hostile
"""
import http.server
import json
import os
import time

HOSTILE = 'd\u202e\x1b]0;x\x07\x9b31m\u0301\n'
PARTS = 40  # more than there are


def mode():
    with open('mode', encoding='utf-8') as file:
        return file.read().strip()


def vector(items):
    return json.dumps({'status': 'success', 'data': {'resultType': 'vector', 'result': items}}).encode()


def series(part, labels, value):
    return {'metric': {'nv_part': str(part), **labels}, 'value': [time.time() + 3600, value]}


def hostile():
    names = 'cpu device resource mode mountpoint id nodename alertname pod container'.split()
    labels = {name: HOSTILE for name in names} | {'alertstate': 'firing'}
    return vector([series(part, labels, value) for part in range(PARTS) for value in ('NaN', '+Inf', '-Inf', '1e308')])


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, status, body, kind='application/json'):
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        form = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if b'time=' in form.replace(b'timeout=', b''):
            with open('asked', 'ab') as file:
                file.write(b'at a time\n')
        if mode() == '401':
            self.answer(401, b'who\x1b[31m are you\n', 'text/plain')
        elif mode() == '503':
            self.answer(503, b'{"status":"error","errorType":"unavailable","error":"too many queries"}')
        elif mode() == 'html':
            self.answer(200, b'<html>hello', 'text/html')
        elif mode() == 'cut':
            self.send_response(200)
            self.send_header('Content-Length', '1000')
            self.end_headers()
            self.wfile.write(b'{"status":"succ')
            self.close_connection = True
        elif mode() == 'slow':
            while mode() == 'slow':
                time.sleep(0.1)
            self.close_connection = True
        elif mode() == 'hostile':
            self.answer(200, hostile())
        else:
            self.answer(200, vector([series(0, {'nodename': 'here'}, '1'), series(2, {}, '0.5'),
                                     series(14, {'device': 'sda'}, '2048')]))

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
server.daemon_threads = True
with open('port.new', 'w', encoding='utf-8') as out:
    out.write(str(server.server_port))
os.rename('port.new', 'port')
server.serve_forever()
