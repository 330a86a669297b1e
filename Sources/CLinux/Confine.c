#define _GNU_SOURCE
#include "Confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef RENAME_EXCHANGE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

// Every descriptor from the first on: close_range(2) is there since 5.9.
static void close_from(int first) {
  if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0) return;
  struct rlimit limit;
  int last = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20 ? (int)limit.rlim_cur : 1 << 20;
  for (int fd = first; fd < last; fd++) close(fd);
}

// The descriptors become 3, 4, ...: first away from those numbers, then there.
static int arrange(const int *descriptors, int count) {
  int away[16];
  if (count > 16) return -EINVAL;
  for (int i = 0; i < count; i++) {
    away[i] = fcntl(descriptors[i], F_DUPFD, 3 + count);
    if (away[i] < 0) return -errno;
  }
  for (int i = 0; i < count; i++) {
    if (dup2(away[i], 3 + i) < 0) return -errno;
  }
  close_from(3 + count);
  return 0;
}

// Another user, without a group of ours. EPERM and EINVAL are no failure: without CAP_SETUID, and in a user namespace
// that has no other user, we are nobody in particular already.
static int become(uid_t user, gid_t group) {
  if (geteuid() != 0 || user == 0) return 0;
  gid_t groups[] = {group};
  // The calls themselves: glibc's functions would tell our threads, which a child of fork(2) has not.
  if (syscall(SYS_setgroups, group ? 1 : 0, groups) < 0 && errno != EPERM) return -errno;
  if (syscall(SYS_setresgid, user, user, user) < 0 && errno != EPERM && errno != EINVAL) return -errno;
  if (syscall(SYS_setresuid, user, user, user) < 0 && errno != EPERM && errno != EINVAL) return -errno;
  return 0;
}

// The bounding set too: user 0 of a user namespace would have all of them again by execve(2).
static int drop_capabilities_for_good(void) {
  for (int capability = 0; capability < 64; capability++) prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2];
  memset(none, 0, sizeof none);
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

static int confine(const struct clinux_confinement *how) {
  int result = arrange(how->descriptors, how->count);
  struct rlimit none = {0, 0}, size = {how->file_size, how->file_size}, memory = {how->memory, how->memory};
  if (result == 0 && setrlimit(RLIMIT_CORE, &none) < 0) result = -errno;
  if (result == 0 && setrlimit(RLIMIT_FSIZE, &size) < 0) result = -errno;
  if (result == 0 && how->memory && setrlimit(RLIMIT_AS, &memory) < 0) result = -errno;
  if (result == 0) result = drop_capabilities_for_good();
  if (result == 0) result = become(how->user, how->group);
  if (result == 0) result = drop_capabilities();
  return result;
}

// Whether a user namespace has the user: /proc/self/uid_map has lines of first, first outside, count.
static int is_mapped(uid_t user) {
  FILE *map = fopen("/proc/self/uid_map", "re");
  if (!map) return 1;
  unsigned first, outside, count;
  int found = 0;
  while (!found && fscanf(map, "%u %u %u", &first, &outside, &count) == 3) {
    found = user >= first && user - first < count;
  }
  fclose(map);
  return found;
}

static int is_owned(uid_t user) {
  FILE *users = fopen("/etc/passwd", "re");
  struct passwd *entry;
  int found = 0;
  while (users && !found && (entry = fgetpwent(users))) found = entry->pw_uid == user;
  if (users) fclose(users);
  return found;
}

uid_t clinux_unowned_user(unsigned number) {
  enum { FIRST = 60578, COUNT = 606, NOBODY = 65534 };
  if (geteuid() != 0) return 0;
  for (int i = 0; i < 8; i++) {
    uid_t user = FIRST + (number + i) % COUNT;
    if (is_mapped(user) && !is_owned(user)) return user;
  }
  return is_mapped(NOBODY) ? NOBODY : 0;
}

static void execute(const char *program, char *const argv[], char *const envp[], int result) {
  // What our caller ignores or blocks would stay so.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGXFSZ, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  if (result == 0) {
    execve(program, argv, envp);
    result = -errno;
  }
  dprintf(2, "%s cannot be executed as user %u: %s\n", program, (unsigned)geteuid(), strerror(-result));
  _exit(127);
}

int clinux_spawn_confined(
    const char *program, char *const argv[], char *const envp[], const struct clinux_confinement *how,
    const int streams[3]) {
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid != 0) return pid < 0 ? -errno : pid;
  int result = setsid() < 0 || chdir("/") < 0 ? -errno : 0;
  // The streams first, away from their numbers: one may be another's.
  int away[3];
  for (int i = 0; i < 3 && result == 0; i++) {
    away[i] = fcntl(streams[i], F_DUPFD_CLOEXEC, 3);
    if (away[i] < 0) result = -errno;
  }
  for (int i = 0; i < 3 && result == 0; i++) {
    if (dup2(away[i], i) < 0) result = -errno;
  }
  if (result == 0) result = confine(how);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  execute(program, argv, envp, result);
  return 0;
}

int clinux_guard(const char *program, char *const argv[], char *const envp[], const struct clinux_confinement *how) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  int signals = signalfd(-1, &child, SFD_CLOEXEC);
  if (signals < 0) return -errno;
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid < 0) return -errno;
  if (pid == 0) {
    int result = chdir("/") < 0 ? -errno : confine(how);
    // Not before: a change of the user clears it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    execute(program, argv, envp, result);
  }
  for (int i = 0; i < how->count; i++) close(how->descriptors[i]);
  // No events are asked for, so only the hang-up shows; the bytes are the child's.
  struct pollfd awaited[] = {{.fd = 0, .events = 0}, {.fd = signals, .events = POLLIN}};
  int status;
  for (;;) {
    pid_t changed = waitpid(pid, &status, WNOHANG | WUNTRACED);
    if (changed < 0 && errno != EINTR) return -errno;
    if (changed == pid && !WIFSTOPPED(status)) break;
    if (changed == pid) {
      // It would hold whoever waits for its answer until a deadline.
      dprintf(2, "stopped by signal %d, and therefore ended\n", WSTOPSIG(status));
      kill(pid, SIGKILL);
    }
    if (poll(awaited, 2, -1) < 0 && errno != EINTR) return -errno;
    if (awaited[0].revents) {
      kill(pid, SIGKILL);
      awaited[0].fd = -1;
    }
    if (awaited[1].revents) {
      struct signalfd_siginfo info;
      if (read(signals, &info, sizeof info) < 0) return -errno;
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int clinux_pin(uint32_t nth) {
  cpu_set_t may, one;
  if (sched_getaffinity(0, sizeof may, &may) < 0) return -errno;
  uint32_t left = nth % (uint32_t)CPU_COUNT(&may);
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &may) || left-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) < 0 ? -errno : 0;
  }
  return -EINVAL;
}

int clinux_memory_file(const char *name) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  // Its reader is somebody else and opens it by its descriptor, which asks for the file's own rights.
  if (fchmod(fd, 0666) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int clinux_seal(int fd) {
  return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0 ? -errno : 0;
}

static int rename_with(const char *from, const char *to, unsigned flags) {
  return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags) < 0 ? -errno : 0;
}

int clinux_rename_new(const char *from, const char *to) { return rename_with(from, to, RENAME_NOREPLACE); }

int clinux_rename_exchange(const char *one, const char *other) {
  return rename_with(one, other, RENAME_EXCHANGE);
}
