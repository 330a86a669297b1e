#!/bin/bash
# The same by `ip -batch`: one for all namespaces and links, one in the hop, one in every other node.
#   unshare --mount --net bash layout.sh 1000
# It says how many milliseconds that took, and keeps the network until its standard input ends. Named namespaces live in
# a mount namespace of its own, so they are gone with it.
set -e
clients=$1
mount -t tmpfs none /run && mkdir /run/netns
subnet() { echo "$((198 + (18 * 256 + $1) / 65536)).$(((18 * 256 + $1) / 256)).$((($1) % 256))"; }
begin=$EPOCHREALTIME
{
  for ((i = 0; i <= clients; i++)); do echo "netns add n$i"; done
  echo "netns add hop"
  for ((i = 0; i <= clients; i++)); do echo "link add to$i netns hop type veth peer name eth0 netns n$i"; done
} | ip -batch -
{
  echo "link set lo up"
  for ((i = 0; i <= clients; i++)); do
    printf 'addr add %s.1/24 dev to%s\nlink set to%s up\n' "$(subnet $i)" $i $i
  done
} | ip -n hop -batch -
for ((i = 0; i <= clients; i++)); do
  net=$(subnet $i)
  printf 'link set lo up\naddr add %s.2/24 dev eth0\nlink set eth0 up\nroute add default via %s.1\n' $net $net |
    ip -n n$i -batch -
done
ip netns exec hop sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
end=$EPOCHREALTIME
echo "ready $(((${end/./} - ${begin/./}) / 1000)).$(printf %03d $(((${end/./} - ${begin/./}) % 1000)))"
cat > /dev/null
