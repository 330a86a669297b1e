#!/bin/bash
# Records outages of nginx and curl behind a NAT, with tcpdump on a bridge between the NAT and the server: nothing of the
# lab's own takes part, and the clients' clocks are as the kernel makes them (a random offset for each client). Usage, as
# root: record.sh FOLDER [OUTAGE...]
set -u
out=$1
shift
mkdir -p "$out"
pre=brg$$
jobs_=
scratch=$(mktemp -d)
trap down EXIT
trap 'exit 1' INT TERM
run() { ip netns exec "$pre-$1" "${@:2}"; }

up() {
  for n in a b r w s; do
    ip netns add "$pre-$n"
    run $n ip link set lo up
  done
  # Two clients and a NAT; a bridge; a server.
  ip -n "$pre-a" link add eth0 type veth peer name one netns "$pre-r"
  ip -n "$pre-b" link add eth0 type veth peer name two netns "$pre-r"
  ip -n "$pre-r" link add out type veth peer name nat netns "$pre-w"
  ip -n "$pre-s" link add eth0 type veth peer name server netns "$pre-w"
  ip -n "$pre-w" link add br0 type bridge
  for i in nat server; do ip -n "$pre-w" link set $i master br0 up; done
  ip -n "$pre-w" link set br0 up
  ip -n "$pre-a" addr add 10.1.0.2/24 dev eth0
  ip -n "$pre-b" addr add 10.2.0.2/24 dev eth0
  ip -n "$pre-r" addr add 10.1.0.1/24 dev one
  ip -n "$pre-r" addr add 10.2.0.1/24 dev two
  ip -n "$pre-r" addr add 203.0.113.1/24 dev out
  ip -n "$pre-s" addr add 203.0.113.80/24 dev eth0
  for n in "a eth0" "b eth0" "s eth0" "r one" "r two" "r out"; do
    set -- $n
    ip -n "$pre-$1" link set "$2" up
  done
  ip -n "$pre-a" route add default via 10.1.0.1
  ip -n "$pre-b" route add default via 10.2.0.1
  run r sysctl -qw net.ipv4.ip_forward=1
  run r iptables -t nat -A POSTROUTING -o out -p tcp -j SNAT --to-source 203.0.113.1:51000-51000
  for n in a b; do run $n sysctl -qw net.ipv4.tcp_syn_retries=2; done
}

down() {
  for pid in $jobs_; do kill "$pid" 2>/dev/null; done
  jobs_=
  wait 2>/dev/null
  for n in a b r w s; do ip netns del "$pre-$n" 2>/dev/null; done
  rm -rf "$scratch"
}

serve() {
  mkdir -p "$scratch"
  cat >"$scratch/nginx.conf" <<CONF
user root; pid $scratch/nginx.pid; error_log /dev/null; master_process off; daemon off; events {}
http {
  access_log off; keepalive_timeout $1;
  client_body_temp_path $scratch/body; proxy_temp_path $scratch/proxy; fastcgi_temp_path $scratch/fastcgi;
  uwsgi_temp_path $scratch/uwsgi; scgi_temp_path $scratch/scgi;
  server { listen 80; client_max_body_size 0; location / { return 200 "served\n"; }
    location /put { proxy_request_buffering on; proxy_pass http://127.0.0.1:9; } }
}
CONF
  ip netns exec "$pre-s" nginx -e /dev/null -c "$scratch/nginx.conf" &
  jobs_="$jobs_ $!"
  until run s ss -Hltn 'sport = 80' | grep -q .; do :; done
}

capture() {
  rm -f "$scratch/log"
  ip netns exec "$pre-w" tcpdump --immediate-mode -qni br0 -s 96 -U -w "$out/$1.pcap" tcp 2>"$scratch/log" &
  jobs_="$jobs_ $!"
  until grep -q listening "$scratch/log" 2>/dev/null; do :; done
}

ends() {
  run s sysctl net.ipv4 2>/dev/null | grep -E 'tcp_(timestamps|rfc1337|tw_reuse|fin_timeout|syncookies) |\.ip_forward ' >"$out/$1.sysctl"
}

get() { run "$1" curl -s -o /dev/null -w '%{time_connect} %{http_code}\n' http://203.0.113.80/; }

# Until the second client's coin falls on the side that is refused: how long connect(2) took says so.
# outage NAME [SETTING...]: nginx closes first, the NAT gives its port again.
clash() {
  local name=$1
  shift
  for _ in $(seq 20); do
    up
    for setting in "$@"; do run s sysctl -qw "$setting"; done
    serve 0
    capture "$name"
    run a curl -s -o /dev/null --ignore-content-length http://203.0.113.80/
    run r conntrack -F 2>/dev/null
    late=$(get b)
    ends "$name"
    down
    scratch=$(mktemp -d)
    case $late in 0.00*\ 200) ;; *) return ;; esac
  done
}

rfc1337() { clash rfc1337 net.ipv4.tcp_rfc1337=1; }
delayed() { clash delayed net.ipv4.tcp_rfc1337=0; }
untimed() { clash untimed net.ipv4.tcp_rfc1337=1 net.ipv4.tcp_timestamps=0; }

# A client that has not sent all it wants to keeps its connection; the NAT forgets it.
forgets() {
  up
  serve 75
  capture forgets
  mkfifo "$scratch/fifo"
  ip netns exec "$pre-a" curl -s -o /dev/null -T - http://203.0.113.80/put <"$scratch/fifo" &
  jobs_="$jobs_ $!"
  exec 9>"$scratch/fifo"
  until run s ss -Htn state established 'sport = 80' | grep -q .; do :; done
  run r conntrack -F 2>/dev/null
  get b >/dev/null
  ends forgets
  exec 9>&-
  down
  scratch=$(mktemp -d)
}

for outage in "${@:-rfc1337 delayed untimed forgets}"; do
  for one in $outage; do $one; done
done
