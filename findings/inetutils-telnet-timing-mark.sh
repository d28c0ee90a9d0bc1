#!/usr/bin/env bash
# GNU inetutils' telnet stops showing what a server sends, until the server answers a TIMING-MARK.
#
# Guess: Ctrl-Z (SUSP) and Ctrl-\ (BRK) each send one telnet command, which a server that does not
# know it may ignore, as RFC 854 has it.
#
# Seen with inetutils-telnet 2:2.4-2+deb12u3 (Debian 12) on a terminal, where the server asks for no
# option, so that telnet sends whole lines: behind each of these commands it sends IAC DO TIMING-MARK
# (255 253 6, RFC 860) unasked, and throws away everything that arrives until IAC WILL TIMING-MARK
# does. A server that ignores options it does not know has silenced its user for good, and neither
# side says why.
#
# The script exits with 0 as long as that is so. It needs apt-get, dpkg and python3, takes about five
# seconds, and speaks to a server of its own on loopback.
set -euo pipefail
version=2:2.4-2+deb12u3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq -o APT::Sandbox::User=root "inetutils-telnet=$version"
dpkg -x inetutils-telnet_*.deb .
python3 - "$folder/usr/bin/inetutils-telnet" <<'PYTHON'
import os, pty, select, socket, sys, time

TELNET = sys.argv[1]
IAC, WILL, DO, TIMING_MARK = 255, 251, 253, 6
KEYS = {"SUSP": (b"\x1a", 237), "BRK": (b"\x1c", 243)}


def wait_for(read, wanted, seconds):
    got, end = b"", time.time() + seconds
    while wanted not in got and time.time() < end:
        if select.select([read], [], [], 0.1)[0]:
            got += os.read(read, 4096) if isinstance(read, int) else read.recv(4096)
    return got


for name, (key, command) in KEYS.items():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(TELNET, ["telnet", "127.0.0.1", str(port)])
        server, _ = listener.accept()
        # The server asks for no option: telnet sends whole lines, and minds these keys itself.
        server.sendall(b"ready\r\n")
        assert b"ready" in wait_for(terminal, b"ready", 5), "telnet does not show what is sent"
        time.sleep(0.5)
        os.write(terminal, key)
        asked = wait_for(server, bytes([IAC, DO, TIMING_MARK]), 5)
        assert bytes([IAC, command, IAC, DO, TIMING_MARK]) in asked, f"{name}: sent {asked!r}"
        server.sendall(b"before the answer\r\n")
        before = wait_for(terminal, b"before the answer", 2)
        server.sendall(bytes([IAC, WILL, TIMING_MARK]) + b"behind the answer\r\n")
        behind = wait_for(terminal, b"behind the answer", 5)
        server.close()
        os.waitpid(pid, 0)
        assert b"before the answer" not in before, f"{name}: it was shown"
        assert b"behind the answer" in behind, f"{name}: it stays silent"
        print(f"{name}: IAC {command}, IAC DO TIMING-MARK; silent until that is answered")
PYTHON
