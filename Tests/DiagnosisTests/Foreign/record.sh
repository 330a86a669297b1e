#!/bin/bash
# Records captures of outages that are none of the lab's mechanisms, with tcpdump, between a client, a router and a server
# in network namespaces of their own. Usage, as root: record.sh FOLDER [CAUSE...]
set -u
out=$1
shift
mkdir -p "$out"
pre=fgn$$
jobs_=
# Whatever happens, nothing is left behind.
trap down EXIT
trap 'exit 1' INT TERM
run() { ip netns exec "$pre-$1" "${@:2}"; }

up() {
  for n in c r s; do
    ip netns add "$pre-$n"
    run $n ip link set lo up
  done
  ip -n "$pre-c" link add eth0 type veth peer name in netns "$pre-r"
  ip -n "$pre-s" link add eth0 type veth peer name out netns "$pre-r"
  for n in c r s; do run $n sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0; done
  ip -n "$pre-c" addr add 10.1.0.2/24 dev eth0
  ip -n "$pre-c" addr add 10.1.0.3/24 dev eth0
  ip -n "$pre-c" addr add 2001:db8:1::2/64 dev eth0 nodad
  ip -n "$pre-r" addr add 10.1.0.1/24 dev in
  ip -n "$pre-r" addr add 10.2.0.1/24 dev out
  ip -n "$pre-r" addr add 2001:db8:1::1/64 dev in nodad
  ip -n "$pre-r" addr add 2001:db8:2::1/64 dev out nodad
  ip -n "$pre-s" addr add 10.2.0.2/24 dev eth0
  ip -n "$pre-s" addr add 2001:db8:2::2/64 dev eth0 nodad
  for n in "c eth0" "s eth0" "r in" "r out"; do set -- $n; ip -n "$pre-$1" link set "$2" up; done
  ip -n "$pre-c" route add default via 10.1.0.1
  ip -n "$pre-s" route add default via 10.2.0.1
  ip -n "$pre-c" route add default via 2001:db8:1::1
  ip -n "$pre-s" route add default via 2001:db8:2::1
  run r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  run c sysctl -qw net.ipv4.tcp_syn_retries=2
}

down() {
  for pid in $jobs_; do kill "$pid" 2>/dev/null; done
  wait 2>/dev/null
  for n in c r s; do ip netns del "$pre-$n" 2>/dev/null; done
}

# capture NAME: a file for each place
capture() {
  jobs_=
  tcpdump_ c eth0 "$1.client"
  tcpdump_ r any "$1.hop"
  tcpdump_ s eth0 "$1.server"
}
tcpdump_() {
  run "$1" tcpdump -qni "$2" -s 96 -U -w "$out/$3.pcap" 'tcp or icmp or icmp6 or arp' 2>"$out/.log" &
  jobs_="$jobs_ $!"
  while ! grep -q listening "$out/.log" 2>/dev/null; do read -rt 0.05 <> <(:); done
  : >"$out/.log"
}

# serve HOW: a server on 8000 in the background
serve() {
  run s python3 -c '
import socket, struct, sys
how, family = sys.argv[1], socket.AF_INET6
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("::", 8000)); listener.listen(64)
print("up", flush=True)
kept = []
while True:
    peer, _ = listener.accept()
    kept.append(peer)
    if how == "unread": peer.recv(1, socket.MSG_PEEK); peer.close(); continue
    data = peer.recv(65536) if how != "mute" else b""
    if how == "linger":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); peer.close()
    elif how == "echo":
        while data: peer.sendall(b"x"); data = peer.recv(65536)
        peer.close()
' "$1" >"$out/.up" 2>/dev/null &
  server=$!
  jobs_="$jobs_ $server"
  while ! grep -q up "$out/.up" 2>/dev/null; do read -rt 0.05 <> <(:); done
  : >"$out/.up"
}

# ask N ADDRESS [SIZE]: N connections one after the other from two addresses, each with a few bytes or many
ask() {
  run c python3 -c '
import socket, sys
count, address, size = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for index in range(count):
    peer = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    peer.settimeout(4)
    try:
        if ":" not in address: peer.bind(("10.1.0.%d" % (2 + index % 2), 0))
        peer.connect((address, 8000))
        for _ in range(3):
            peer.sendall(b"a" * size); peer.recv(1)
    except OSError as error: print(error, file=sys.stderr)
    peer.close()
' "$1" "${2:-10.2.0.2}" "${3:-5}" 2>/dev/null
}

closed() { ask 3; }
closed6() { ask 3 2001:db8:2::2; }
input_drop() { serve echo; run s iptables -A INPUT -p tcp --dport 8000 -j DROP; ask 3; }
input_drop6() { serve echo; run s ip6tables -A INPUT -p tcp --dport 8000 -j DROP; ask 3 2001:db8:2::2; }
input_reset() { serve echo; run s iptables -A INPUT -p tcp --dport 8000 -j REJECT --reject-with tcp-reset; ask 3; }
forward_drop() { serve echo; run r iptables -A FORWARD -p tcp --dport 8000 -j DROP; ask 3; }
forward_reset() { serve echo; run r iptables -A FORWARD -p tcp --dport 8000 -j REJECT --reject-with tcp-reset; ask 3; }
syn_loss() {
  serve echo
  run r nft -f - <<<'table ip f { chain f { type filter hook forward priority 0; tcp dport 8000 tcp flags & (syn|ack) == syn numgen inc mod 3 == 0 drop; tcp dport 8000 tcp flags psh numgen inc mod 4 == 0 drop; }; }'
  ask 8
}
dead() { ip -n "$pre-r" neigh replace 10.2.0.2 lladdr 02:00:00:00:00:99 dev out nud permanent; ask 3; }
linger() { serve linger; ask 3; }
unread() { serve unread; ask 3 10.2.0.2 2000; }
mute() { serve mute; ask 2; }
healthy() { serve echo; ask 6; }
client_drop() { serve echo; run c iptables -A INPUT -p tcp --sport 8000 -j DROP; ask 3; }
no_route_back() { serve echo; ip -n "$pre-s" route del default; ask 3; }
blackhole() { serve echo; run r iptables -A FORWARD -p tcp -m length --length 1200:65535 -j DROP; ask 2 10.2.0.2 3000; }
vanished() {
  serve echo
  run c iptables -A OUTPUT -p tcp --tcp-flags RST RST -j DROP
  run c python3 -c '
import socket, struct
def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
for port in range(20000, 20012):
    head = struct.pack("!HHIIBBHHH", port, 8000, port * 65537, 0, 0x50, 2, 64240, 0, 0)
    pseudo = socket.inet_aton("10.1.0.2") + socket.inet_aton("10.2.0.2") + struct.pack("!BBH", 0, 6, 20)
    head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    raw.sendto(head, ("10.2.0.2", 0))
'
  run c python3 -c 'import select; select.select([], [], [], 4)'
}
peer_gone() {
  serve echo
  run c python3 -c '
import socket, subprocess, sys
peer = socket.create_connection(("10.2.0.2", 8000))
peer.sendall(b"a"); peer.recv(1)
subprocess.run(["ip", "-n", sys.argv[1], "link", "set", "eth0", "down"])
subprocess.run(["ip", "-n", sys.argv[2], "neigh", "replace", "10.2.0.2", "lladdr", "02:00:00:00:00:99", "dev", "out", "nud", "permanent"])
peer.settimeout(4)
try: peer.sendall(b"b"); peer.recv(1)
except OSError: pass
' "$pre-s" "$pre-r"
}
killed() {
  serve echo
  run c python3 -c '
import socket, os, signal, sys
peers = [socket.create_connection(("10.2.0.2", 8000)) for _ in range(3)]
for peer in peers: peer.sendall(b"a"); peer.recv(1)
os.kill(int(sys.argv[1]), signal.SIGKILL)
for peer in peers:
    try: peer.recv(1); peer.sendall(b"b"); peer.recv(1)
    except OSError: pass
' "$server"
}
loop() {
  ip -n "$pre-r" route replace 10.2.0.2/32 via 10.1.0.2
  run c sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.eth0.send_redirects=0
  run r sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.in.send_redirects=0
  ask 2
}

all="closed closed6 input_drop input_drop6 input_reset forward_drop forward_reset syn_loss dead linger unread mute healthy client_drop no_route_back blackhole vanished peer_gone killed loop"
for cause in ${*:-$all}; do
  up
  capture "$cause"
  "$cause"
  down
  echo "$cause"
done
rm -f "$out/.log" "$out/.up"
