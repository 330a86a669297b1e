// The least that N clients, a hop and a server take: namespaces, links, addresses and routes over raw netlink, in as few
// datagrams as there are namespaces, with one acknowledgement each. What `pawslab bench peers` holds the lab against.
//
//   cc -O2 -o layout layout.c && unshare --net ./layout 1000
//
// It says how many milliseconds that took, keeps the network until its standard input ends, and ends with it.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct node {
  int namespace, netlink;
};

static char batch[1 << 16];
static size_t filled;

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void *append(size_t length, const void *bytes) {
  void *at = batch + filled;
  memset(at, 0, NLMSG_ALIGN(length));
  if (bytes) memcpy(at, bytes, length);
  filled += NLMSG_ALIGN(length);
  return at;
}

static struct nlmsghdr *message(int type, int flags, size_t length, const void *body) {
  struct nlmsghdr *header = append(sizeof *header, NULL);
  header->nlmsg_type = type;
  header->nlmsg_flags = NLM_F_REQUEST | flags;
  append(length, body);
  return header;
}

static struct rtattr *attribute(int type, size_t length, const void *bytes) {
  struct rtattr *header = append(sizeof *header, NULL);
  header->rta_type = type;
  append(length, bytes);
  header->rta_len = sizeof *header + length;
  return header;
}

static void closed(struct rtattr *nest) { nest->rta_len = batch + filled - (char *)nest; }
static void whole(struct nlmsghdr *header) { header->nlmsg_len = batch + filled - (char *)header; }

// Sends what is there; the last message alone is acknowledged, and a refusal of any comes before that.
static void commit(int netlink, struct nlmsghdr *last) {
  char answer[8192];
  last->nlmsg_flags |= NLM_F_ACK;
  last->nlmsg_seq = 1;
  if (send(netlink, batch, filled, 0) < 0) die("send");
  filled = 0;
  ssize_t length = recv(netlink, answer, sizeof answer, 0);
  if (length < 0) die("recv");
  struct nlmsghdr *header = (void *)answer;
  struct nlmsgerr *error = NLMSG_DATA(header);
  if (header->nlmsg_type != NLMSG_ERROR || error->error) {
    errno = -error->error;
    die("netlink");
  }
}

static struct node make(void) {
  struct node node;
  if (unshare(CLONE_NEWNET)) die("unshare");
  node.namespace = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  node.netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (node.namespace < 0 || node.netlink < 0) die("namespace");
  return node;
}

static struct nlmsghdr *up(int index) {
  struct ifinfomsg link = {.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct nlmsghdr *header = message(RTM_NEWLINK, 0, sizeof link, &link);
  whole(header);
  return header;
}

static struct nlmsghdr *veth(const char *name, int index, int peer, int namespace) {
  struct ifinfomsg near = {.ifi_index = index}, far = {.ifi_index = peer};
  struct nlmsghdr *header = message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof near, &near);
  attribute(IFLA_IFNAME, strlen(name) + 1, name);
  struct rtattr *information = attribute(IFLA_LINKINFO, 0, NULL);
  attribute(IFLA_INFO_KIND, 5, "veth");
  struct rtattr *data = attribute(IFLA_INFO_DATA, 0, NULL);
  struct rtattr *other = attribute(VETH_INFO_PEER, sizeof far, &far);
  attribute(IFLA_IFNAME, 5, "eth0");
  attribute(IFLA_NET_NS_FD, sizeof namespace, &namespace);
  closed(other);
  closed(data);
  closed(information);
  whole(header);
  return header;
}

static struct nlmsghdr *address(int index, uint32_t value) {
  struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = index};
  uint32_t wire = htonl(value), broadcast = htonl(value | 0xff);
  struct nlmsghdr *header = message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof body, &body);
  attribute(IFA_LOCAL, sizeof wire, &wire);
  attribute(IFA_ADDRESS, sizeof wire, &wire);
  attribute(IFA_BROADCAST, sizeof broadcast, &broadcast);
  whole(header);
  return header;
}

static struct nlmsghdr *route(uint32_t gateway) {
  struct rtmsg body = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                       .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
  uint32_t wire = htonl(gateway);
  struct nlmsghdr *header = message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof body, &body);
  attribute(RTA_GATEWAY, sizeof wire, &wire);
  whole(header);
  return header;
}

// The subnets of clients, one after the other from 198.18.0.0 on; of the server, behind all of them.
static uint32_t subnet(int number) { return 0xc6120000u + ((uint32_t)number << 8); }

int main(int count, char **words) {
  int clients = count > 1 ? atoi(words[1]) : 1, links = clients + 1;
  struct rlimit most;
  getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  setrlimit(RLIMIT_NOFILE, &most);
  struct node *nodes = calloc(links, sizeof *nodes);
  if (clients < 1 || !nodes) return 2;

  struct timespec begin, end;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  for (int i = 0; i < links; i++) nodes[i] = make();
  struct node hop = make();

  struct nlmsghdr *last = up(1);
  for (int i = 0; i < links; i++) {
    char name[16];
    snprintf(name, sizeof name, i < clients ? "to%d" : "srv", i);
    veth(name, 100 + i, 100, nodes[i].namespace);
    address(100 + i, subnet(i) | 1);
    last = up(100 + i);
    if (filled > sizeof batch / 2 || i == links - 1) commit(hop.netlink, last);
  }
  for (int i = 0; i < links; i++) {
    up(1);
    address(100, subnet(i) | 2);
    up(100);
    last = route(subnet(i) | 1);
    commit(nodes[i].netlink, last);
  }
  int forward = open("/proc/sys/net/ipv4/ip_forward", O_WRONLY);
  if (forward < 0 || write(forward, "1", 1) != 1) die("ip_forward");
  close(forward);
  clock_gettime(CLOCK_MONOTONIC, &end);
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
               (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
  printf("ready %.3f %.3f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6, cpu);
  fflush(stdout);
  char byte;
  while (read(0, &byte, 1) > 0) {}
  return 0;
}
