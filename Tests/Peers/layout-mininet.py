"""The same by mininet (Debian): `unshare --mount --net python3 layout-mininet.py 1000`.

It says how many milliseconds that took, keeps the network until its standard input ends, and takes it down by
`Mininet.stop`. A host of mininet's is a shell in a network namespace.
"""
import sys
import time

from mininet.log import setLogLevel
from mininet.net import Mininet

clients = int(sys.argv[1])


def subnet(number):
    number += 198 << 16 | 18 << 8
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


setLogLevel("error")
begin = time.monotonic()
net = Mininet(controller=None, build=False)
hop = net.addHost("hop", ip=None)
for i in range(clients + 1):
    node = net.addHost(f"n{i}", ip=None)
    link = net.addLink(hop, node, intfName1=f"to{i}", intfName2="eth0")
    link.intf1.setIP(subnet(i) + ".1", 24)
    link.intf2.setIP(subnet(i) + ".2", 24)
    node.setDefaultRoute("via " + subnet(i) + ".1")
hop.cmd("echo 1 > /proc/sys/net/ipv4/ip_forward")
print(f"ready {(time.monotonic() - begin) * 1000:.3f}", flush=True)
sys.stdin.read()
net.stop()
