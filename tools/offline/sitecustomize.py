r"""Python imports this by itself when this folder is on PYTHONPATH: from then on only this machine can be reached.

Used by tools/talk.py, so that a rehearsal fails where the lecture hall, without a network, would.
"""

import ipaddress
import sys

HOSTS = ("localhost", "", None)  # the empty name and None mean every address of this machine, for a server


def _here(host):
    host = host.decode() if isinstance(host, bytes) else host
    try:
        return host in HOSTS or ipaddress.ip_address(host.partition("%")[0]).is_loopback or host == "0.0.0.0"
    except ValueError:
        return False


def _refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if not isinstance(address, tuple):  # a socket file of this machine, or a connected socket
            return
        host = address[0]
    else:
        return
    if not _here(host):
        raise OSError(f"no network in a rehearsal, but {event} asked for {host!r}; make this cell work without it")


sys.addaudithook(_refuse)
