"""Chat over WebSocket on uWebSockets, whose topics are the rooms: `join ROOM` and everything else
is said there.

The server is C++; what it calls Python for is each message that comes in, not those that go out.
"""

import sys

from socketify import App, AppListenOptions, OpCode

app = App()


def upgrade(res, req, context):
    key = req.get_header("sec-websocket-key")
    res.upgrade(key, "", "", context, {"room": None})


def message(ws, text, opcode):
    client = ws.get_user_data()
    if text.startswith("join "):
        client["room"] = text[5:]
        ws.subscribe(client["room"])
        ws.send("joined " + client["room"], OpCode.TEXT)
    else:
        # The application publishes to everyone; a socket would leave itself out.
        app.publish(client["room"], text, OpCode.TEXT)


app.ws(
    "/*",
    {
        "compression": 0,
        # Seconds of silence until somebody is thrown out; a quarter of an hour is the most.
        "idle_timeout": 900,
        # Nobody misses anything for reading slowly, as far as memory goes.
        "max_backpressure": 1 << 30,
        "upgrade": upgrade,
        "message": message,
    },
)
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
# Nothing here is asynchronous Python, so the server's own loop will do: `app.run()` would never let
# it wait, to serve Python's beside it.
app.loop.uv_loop.run()
