#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int clinux_tcp_info(int fd, struct clinux_tcp_info *info) {
  struct tcp_info all;
  // Older kernels fill in less.
  memset(&all, 0, sizeof all);
  socklen_t size = sizeof all;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &all, &size) < 0) return -errno;
  *info = (struct clinux_tcp_info){
      .state = all.tcpi_state,
      .retransmits = all.tcpi_retransmits,
      .probes = all.tcpi_probes,
      .options = all.tcpi_options,
      .unacked = all.tcpi_unacked,
      .sacked = all.tcpi_sacked,
      .lost = all.tcpi_lost,
      .total_retransmits = all.tcpi_total_retrans,
      .rto = all.tcpi_rto,
      .rtt = all.tcpi_rtt,
  };
  return 0;
}

int clinux_tcp_set_abort(int fd) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) < 0 ? -errno : 0;
}

int clinux_tcp_set_silent(int fd) { return set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON); }

static int position(int fd, int queue, uint32_t *sequence) {
  int error = set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, queue);
  socklen_t size = sizeof *sequence;
  if (error < 0) return error;
  return getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, sequence, &size) < 0 ? -errno : 0;
}

int clinux_tcp_positions(int fd, uint32_t *next_to_write, uint32_t *next_expected) {
  int reuse = 0;
  socklen_t size = sizeof reuse;
  if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &size) < 0) return -errno;
  int error = set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
  if (error < 0) return error;
  error = position(fd, TCP_SEND_QUEUE, next_to_write);
  if (error >= 0) error = position(fd, TCP_RECV_QUEUE, next_expected);
  int end = set(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
  // Leaving repair mode resets sk_reuse.
  if (end >= 0) end = set(fd, SOL_SOCKET, SO_REUSEADDR, reuse != 0);
  return error < 0 ? error : end;
}

int clinux_raw_socket(int family) {
  int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  return fd < 0 ? -errno : fd;
}

int clinux_spawn_group(char *const argv[], char *const envp[], int in, int out, int err) {
  pid_t parent = getpid();
  // As clinux_spawn(): the child shares our memory until execvpe, and touches none of it.
  pid_t pid = vfork();
  if (pid != 0) return pid < 0 ? -errno : pid;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // 0: a parent that a PID namespace of ours does not show.
  pid_t seen = getppid();
  if (seen != parent && seen != 0) _exit(127);
  // What our caller ignores or blocks would stay so in a program that is to behave as it does anywhere.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < NSIG; number++) {
    if (number != SIGKILL && number != SIGSTOP) signal(number, SIG_DFL);
  }
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(127);
  execvpe(argv[0], argv, envp);
  _exit(127);
}

int clinux_pidfd(int pid) {
  enum { OPEN = 434 };  // the same on every architecture
  long fd = syscall(OPEN, pid, 0);
  return fd < 0 ? -errno : (int)fd;
}

void clinux_meet(unsigned *counter, unsigned count) {
  __atomic_add_fetch(counter, 1, __ATOMIC_ACQ_REL);
  // Some hundred microseconds in which nobody else gets this processor; then one that there is not may come to the others.
  for (unsigned turns = 0; __atomic_load_n(counter, __ATOMIC_ACQUIRE) < count; turns++)
    if (turns >= 200000) sched_yield();
}
