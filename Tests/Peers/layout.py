"""The same by pyroute2 (PyPI): `unshare --mount --net python3 layout.py 1000`.

It says how many milliseconds that took, and keeps the network until its standard input ends. Named namespaces live in a
mount namespace of its own, so they are gone with it.
"""
import os
import subprocess
import sys
import time

from pyroute2 import IPRoute, NetNS, netns

clients = int(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
os.makedirs("/run/netns")
netns.NETNS_RUN_DIR = "/run/netns"


def subnet(number):
    number += 198 << 16 | 18 << 8
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


begin = time.monotonic()
for name in ["hop"] + [f"n{i}" for i in range(clients + 1)]:
    netns.create(name)
with NetNS("hop") as hop:
    for i in range(clients + 1):
        hop.link("add", ifname=f"to{i}", index=100 + i, kind="veth",
                 peer={"ifname": "eth0", "net_ns_fd": f"n{i}"})
        hop.addr("add", index=100 + i, address=subnet(i) + ".1", prefixlen=24)
        hop.link("set", index=100 + i, state="up")
    hop.link("set", index=1, state="up")
for i in range(clients + 1):
    with NetNS(f"n{i}") as node:
        index = node.link_lookup(ifname="eth0")[0]
        node.link("set", index=1, state="up")
        node.addr("add", index=index, address=subnet(i) + ".2", prefixlen=24)
        node.link("set", index=index, state="up")
        node.route("add", dst="default", gateway=subnet(i) + ".1")
subprocess.run(["ip", "netns", "exec", "hop", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], check=True)
print(f"ready {(time.monotonic() - begin) * 1000:.3f}", flush=True)
sys.stdin.read()
