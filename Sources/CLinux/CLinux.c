#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int result(long value) { return value < 0 ? -errno : (int)value; }

int clinux_unshare_net(void) { return result(unshare(CLONE_NEWNET)); }
int clinux_unshare_user(void) { return result(unshare(CLONE_NEWUSER)); }
int clinux_setns_net(int fd) { return result(setns(fd, CLONE_NEWNET)); }
int clinux_net_cookie(int socket, uint64_t *cookie) {
  enum { NETNS_COOKIE = 71 };
  socklen_t size = sizeof *cookie;
  return result(getsockopt(socket, SOL_SOCKET, NETNS_COOKIE, cookie, &size));
}
int clinux_gettid(void) { return (int)syscall(SYS_gettid); }

struct net_file {
  const char *name;
  int result;
};

static void *open_net(void *argument) {
  struct net_file *file = argument;
  char path[128];
  snprintf(path, sizeof path, "/proc/self/task/%d/net/%s", clinux_gettid(), file->name);
  file->result = result(open(path, O_RDONLY | O_CLOEXEC));
  return NULL;
}

int clinux_open_net(const char *name) {
  // What this thread has opened itself, by name.
  static __thread struct {
    const char *name;
    ino_t inode;
  } seen[8];
  struct net_file file = {.name = name};
  struct stat status;
  open_net(&file);
  if (file.result < 0) return file.result;
  size_t at = 0;
  while (at < sizeof seen / sizeof *seen && seen[at].name && strcmp(seen[at].name, name)) at++;
  if (at < sizeof seen / sizeof *seen && !fstat(file.result, &status) && seen[at].inode != status.st_ino) {
    if (!seen[at].name) seen[at].name = strdup(name);
    seen[at].inode = status.st_ino;
    if (seen[at].name) return file.result;
  }
  // The same file as before: of the same namespace, or of the one that was here first.
  close(file.result);
  pthread_t thread;
  // It begins in our namespaces.
  int error = pthread_create(&thread, NULL, open_net, &file);
  if (error) return -error;
  pthread_join(thread, NULL);
  return file.result;
}

int clinux_epoll(void) { return result(epoll_create1(EPOLL_CLOEXEC)); }

int clinux_epoll_set(int epoll, int fd, uint32_t events) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  if (!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) return 0;
  return errno == EEXIST ? result(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event)) : -errno;
}

int clinux_epoll_remove(int epoll, int fd) {
  struct epoll_event event = {0};
  return result(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event));
}

int clinux_epoll_wait(int epoll, int *descriptors, int most, int timeout) {
  struct epoll_event *events = calloc((size_t)most, sizeof *events);
  if (!events) return -ENOMEM;
  int count = epoll_wait(epoll, events, most, timeout);
  int error = errno;
  for (int i = 0; i < count; i++) descriptors[i] = events[i].data.fd;
  free(events);
  return count >= 0 ? count : error == EINTR ? 0 : -error;
}

struct share {
  const int *descriptors;
  size_t count, first, step;
};

static void *close_share(void *argument) {
  const struct share *share = argument;
  for (size_t i = share->first; i < share->count; i += share->step) close(share->descriptors[i]);
  return NULL;
}

void clinux_close_all(const int *descriptors, size_t count) {
  enum { most = 128 };
  size_t threads = count < most ? count : most, begun = 0;
  struct share shares[most];
  pthread_t ids[most];
  pthread_attr_t small;
  int plain = pthread_attr_init(&small) || pthread_attr_setstacksize(&small, 64 << 10);
  for (size_t i = 0; i < threads; i++) {
    shares[i] = (struct share){descriptors, count, i, threads};
    // The last share is our own, and so is what nobody could be started for.
    if (i + 1 < threads && !pthread_create(&ids[begun], plain ? NULL : &small, close_share, &shares[i]))
      begun++;
    else
      close_share(&shares[i]);
  }
  for (size_t i = 0; i < begun; i++) pthread_join(ids[i], NULL);
}

int clinux_accept(int listener) {
  return result(accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}
int clinux_pipe(int ends[2]) { return result(pipe2(ends, O_CLOEXEC)); }
const char *clinux_errno_name(int number) {
  const char *name = strerrorname_np(number);
  return name ? name : strerror(number);
}

int clinux_packet_socket(const char *interface, uint32_t snap, int receive_buffer) {
  // Protocol 0 receives nothing until bind() names one.
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int one = 1, error;
  struct sock_filter cut[] = {BPF_STMT(BPF_RET | BPF_K, snap)};
  struct sock_fprog program = {.len = 1, .filter = cut};
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET,
      .sll_protocol = htons(ETH_P_ALL),
      .sll_ifindex = (int)if_nametoindex(interface),
  };
  if (address.sll_ifindex == 0 ||
      setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0 ||
      (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) < 0 &&
       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) < 0) ||
      bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

/// One datagram with its SCM_TIMESTAMPNS, in nanoseconds since 1970: its length, or -1 and errno.
static ssize_t receive_stamped(int fd, struct iovec piece, int flags, struct sockaddr_ll *from,
                               int64_t *time) {
  union {
    char bytes[CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr align;
  } control;
  struct msghdr message = {
      .msg_name = from,
      .msg_namelen = from ? sizeof *from : 0,
      .msg_iov = &piece,
      .msg_iovlen = 1,
      .msg_control = control.bytes,
      .msg_controllen = sizeof control.bytes,
  };
  ssize_t length;
  do length = recvmsg(fd, &message, MSG_TRUNC | flags);
  while (length < 0 && errno == EINTR);
  *time = 0;
  if (length < 0) return length;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec t;
      memcpy(&t, CMSG_DATA(c), sizeof t);
      *time = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
    }
  }
  return length;
}

int clinux_packet_receive(int fd, void *buffer, size_t size, struct clinux_packet *packet) {
  struct sockaddr_ll from;
  ssize_t length = receive_stamped(fd, (struct iovec){buffer, size}, MSG_DONTWAIT, &from, &packet->time);
  if (length < 0) return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  packet->copied = (size_t)length < size ? (uint32_t)length : (uint32_t)size;
  packet->length = (uint32_t)length;
  packet->outgoing = from.sll_pkttype == PACKET_OUTGOING;
  return 1;
}

int clinux_timestamping_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int one = 1, error;
  struct timeval second = {.tv_sec = 1};
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one) < 0 ||
      setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second) < 0) {
    error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int clinux_connect_to_itself(int fd) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(fd, (struct sockaddr *)&address, size) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) < 0)
    return -errno;
  return result(connect(fd, (struct sockaddr *)&address, size));
}

int clinux_timestamping_holds(int fd) {
  char byte = 0;
  struct timespec sent;
  int64_t stamp;
  if (send(fd, &byte, 1, 0) != 1) return -errno;
  clock_gettime(CLOCK_REALTIME, &sent);
  // What is stamped only when it is read is stamped after this.
  if (receive_stamped(fd, (struct iovec){&byte, 1}, 0, NULL, &stamp) < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
  return stamp <= sent.tv_sec * 1000000000LL + sent.tv_nsec;
}

int clinux_packet_losses(int fd) {
  struct tpacket_stats statistics;
  socklen_t size = sizeof statistics;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &size) < 0) return -errno;
  return (int)statistics.tp_drops;
}

static int set(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

int clinux_tcp_pin_sequence(int fd, uint32_t sequence) {
  int error;
  if ((error = set(fd, IPPROTO_TCP, TCP_REPAIR, 1)) < 0) return error;
  if ((error = set(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE)) < 0) return error;
  if ((error = set(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, (int)sequence)) < 0) return error;
  if ((error = set(fd, IPPROTO_TCP, TCP_REPAIR, 0)) < 0) return error;
  // Leaving repair mode resets sk_reuse (do_tcp_setsockopt).
  return set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

int clinux_tcp_timestamp(int fd, uint32_t *ticks) {
  socklen_t size = sizeof *ticks;
  return result(getsockopt(fd, IPPROTO_TCP, TCP_TIMESTAMP, ticks, &size));
}

int clinux_tcp_set_clock(int fd, int reference, uint32_t offset) {
  uint32_t before, after;
  int error = set(fd, IPPROTO_TCP, TCP_REPAIR, 1);
  do {
    // Again where the clock ticked in between, so that the offset is exact.
    if (error >= 0) error = clinux_tcp_timestamp(reference, &before);
    if (error >= 0) error = set(fd, IPPROTO_TCP, TCP_TIMESTAMP, (int)(before + offset));
    if (error >= 0) error = clinux_tcp_timestamp(reference, &after);
  } while (error >= 0 && before != after);
  int end = set(fd, IPPROTO_TCP, TCP_REPAIR, 0);
  if (end >= 0) end = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  return error < 0 ? error : end;
}

int clinux_tcp_unacknowledged(int fd) {
  int bytes = 0;
  return ioctl(fd, SIOCOUTQ, &bytes) < 0 ? -errno : bytes;
}

static int bpf(int command, union bpf_attr *attributes) {
  return result(syscall(SYS_bpf, command, attributes, sizeof *attributes));
}

int clinux_bpf_map_create(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t entries) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_type = type;
  attributes.key_size = key_size;
  attributes.value_size = value_size;
  attributes.max_entries = entries;
  return bpf(BPF_MAP_CREATE, &attributes);
}

static int bpf_map(int command, int map, const void *key, void *value) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.map_fd = (uint32_t)map;
  attributes.key = (uint64_t)(uintptr_t)key;
  attributes.value = (uint64_t)(uintptr_t)value;
  return bpf(command, &attributes);
}

int clinux_bpf_map_update(int map, const void *key, const void *value) {
  return bpf_map(BPF_MAP_UPDATE_ELEM, map, key, (void *)value);
}

int clinux_bpf_map_lookup(int map, const void *key, void *value) {
  return bpf_map(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

int clinux_bpf_map_delete(int map, const void *key) { return bpf_map(BPF_MAP_DELETE_ELEM, map, key, NULL); }

int clinux_bpf_map_next_key(int map, const void *key, void *next) {
  return bpf_map(BPF_MAP_GET_NEXT_KEY, map, key, next);
}

static const uint32_t kinds[][2] = {
    [CLINUX_BPF_CLASSIFIER] = {BPF_PROG_TYPE_SCHED_CLS, 0},
    [CLINUX_BPF_FENTRY] = {BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY},
    [CLINUX_BPF_FEXIT] = {BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT},
    [CLINUX_BPF_MODIFY_RETURN] = {BPF_PROG_TYPE_TRACING, BPF_MODIFY_RETURN},
    [CLINUX_BPF_RAW_TRACEPOINT] = {BPF_PROG_TYPE_RAW_TRACEPOINT, 0},
};

int clinux_bpf_load(
    int kind, uint32_t function, const void *instructions, uint32_t count, char *log, uint32_t log_size) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = kinds[kind][0];
  attributes.expected_attach_type = kinds[kind][1];
  attributes.attach_btf_id = function;
  attributes.insns = (uint64_t)(uintptr_t)instructions;
  attributes.insn_cnt = count;
  attributes.license = (uint64_t)(uintptr_t)"GPL";
  int fd = bpf(BPF_PROG_LOAD, &attributes);
  if (fd >= 0 || log_size == 0) return fd;
  // Once more with the verifier's log, which costs time and memory where nothing is wrong.
  attributes.log_buf = (uint64_t)(uintptr_t)log;
  attributes.log_size = log_size;
  attributes.log_level = 1;
  return bpf(BPF_PROG_LOAD, &attributes);
}

int64_t clinux_bpf_misses(int program) {
  struct bpf_prog_info info;
  memset(&info, 0, sizeof info);
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.info.bpf_fd = (uint32_t)program;
  attributes.info.info_len = sizeof info;
  attributes.info.info = (uint64_t)(uintptr_t)&info;
  int error = bpf(BPF_OBJ_GET_INFO_BY_FD, &attributes);
  return error < 0 ? error : (int64_t)info.recursion_misses;
}

int clinux_bpf_attach(int program, const char *tracepoint) {
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.raw_tracepoint.name = (uint64_t)(uintptr_t)tracepoint;
  attributes.raw_tracepoint.prog_fd = (uint32_t)program;
  return bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes);
}

static int detached_mount(const char *type) {
  // Numbers and not glibc's names, which came with 2.36: they are the same on every architecture.
  enum { OPEN_FS = 430, CONFIG_FS = 431, MOUNT_FS = 432, CREATE = 6 };
  int context = (int)syscall(OPEN_FS, type, 1);
  if (context < 0) return -errno;
  int tree = syscall(CONFIG_FS, context, CREATE, NULL, NULL, 0) < 0 ? -1 : (int)syscall(MOUNT_FS, context, 1, 0);
  int error = errno;
  close(context);
  return tree < 0 ? -error : tree;
}

int clinux_tracefs(void) { return detached_mount("tracefs"); }
int clinux_proc(void) { return detached_mount("proc"); }

int clinux_is_read_only(const char *path) {
  struct statvfs status;
  if (statvfs(path, &status) < 0) return -errno;
  return (status.f_flag & ST_RDONLY) != 0;
}

int clinux_ring_open(uint64_t tracepoint, int processor, const char *filter, size_t data, struct clinux_ring *ring) {
  struct perf_event_attr attributes = {
      .type = PERF_TYPE_TRACEPOINT,
      .size = sizeof attributes,
      .config = tracepoint,
      .sample_period = 1,
      .sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
      .disabled = 1,
      .use_clockid = 1,
      .clockid = CLOCK_MONOTONIC,  // CLOCK_REALTIME may not be read in an NMI, so it is refused (perf_event_set_clock)
  };
  ring->fd = (int)syscall(SYS_perf_event_open, &attributes, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
  if (ring->fd < 0) return -errno;
  ring->data = data;
  ring->pages =
      mmap(NULL, (size_t)sysconf(_SC_PAGESIZE) + data, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
  if (ring->pages == MAP_FAILED || ioctl(ring->fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0 ||
      ioctl(ring->fd, PERF_EVENT_IOC_ENABLE, 0) < 0) {
    int error = errno;
    if (ring->pages == MAP_FAILED) ring->pages = NULL;
    clinux_ring_close(ring);
    return -error;
  }
  return 0;
}

int clinux_count_calls(uint32_t type, const char *function, int processor) {
  struct perf_event_attr attributes = {
      .type = type,
      .size = sizeof attributes,
      .kprobe_func = (uint64_t)(uintptr_t)function,
  };
  return result(syscall(SYS_perf_event_open, &attributes, -1, processor, -1, PERF_FLAG_FD_CLOEXEC));
}

void clinux_ring_close(struct clinux_ring *ring) {
  if (ring->pages) munmap(ring->pages, (size_t)sysconf(_SC_PAGESIZE) + ring->data);
  close(ring->fd);
}

static void copy_from(const struct clinux_ring *ring, uint64_t at, void *to, size_t size) {
  const char *data = (const char *)ring->pages + sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < size; i++) ((char *)to)[i] = data[(at + i) & (ring->data - 1)];
}

int clinux_ring_next(struct clinux_ring *ring, void *event, size_t size, int64_t *time, uint64_t *lost) {
  struct perf_event_mmap_page *page = ring->pages;
  uint64_t tail = page->data_tail;
  int found = 0;
  while (!found && tail != __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE)) {
    struct perf_event_header header;
    copy_from(ring, tail, &header, sizeof header);
    if (header.size < sizeof header) return -EIO;
    if (header.type == PERF_RECORD_LOST) {
      uint64_t words[2];  // id, lost
      copy_from(ring, tail + sizeof header, words, sizeof words);
      *lost += words[1];
    } else if (header.type == PERF_RECORD_SAMPLE) {
      uint32_t length;
      copy_from(ring, tail + sizeof header, time, sizeof *time);
      copy_from(ring, tail + sizeof header + 8, &length, sizeof length);
      copy_from(ring, tail + sizeof header + 12, event, length < size ? length : size);
      found = (int)length;
    }
    tail += header.size;
    __atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
  }
  return found;
}

int clinux_spawn(char *const argv[], char *const envp[], int in, int out, int err) {
  pid_t parent = getpid();
  // vfork(2): copying a worker's page tables costs more than the program itself in a guest without KVM.
  // The child shares our memory until execvpe, and touches none of it.
  pid_t pid = vfork();
  if (pid != 0) return result(pid);
  // PDEATHSIG follows the thread that forked; the worker has only the one.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  signal(SIGPIPE, SIG_DFL);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(127);
  execvpe(argv[0], argv, envp);
  _exit(127);
}

int clinux_keep_capabilities(uint64_t mask) {
  for (int capability = 0; capability < 64; capability++) {
    if (mask >> capability & 1 || prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break;  // after the kernel's last
    // Without CAP_SETPCAP the bounding set stays; no_new_privs keeps children from what is in it.
    if (errno != EPERM) return -errno;
  }
  // There since 4.3.
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) return -errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  if (syscall(SYS_capget, &header, sets) < 0) return -errno;
  for (int word = 0; word < _LINUX_CAPABILITY_U32S_3; word++) {
    sets[word].permitted &= (uint32_t)(mask >> 32 * word);
    sets[word].effective = sets[word].permitted;
    sets[word].inheritable = 0;
  }
  return result(syscall(SYS_capset, &header, sets));
}

// Numbers where the build machine's headers may be older than the kernel; they are the same on every architecture.
enum {
  OPEN_TREE = 428, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK, CLONE3 = 435, IO_URING_SETUP = 425,
  MOUNT_SETATTR = 442,
};

static const int refused[] = {
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK,
    MOUNT_SETATTR, SYS_unshare, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kexec_load,
    SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_swapon, SYS_swapoff,
    SYS_add_key, SYS_request_key, SYS_keyctl, SYS_perf_event_open, SYS_userfaultfd, SYS_open_by_handle_at,
    SYS_acct, SYS_quotactl, SYS_fanotify_init, SYS_personality, IO_URING_SETUP,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt,
#endif
};
// Reading and writing maps of its own: the clock's offset, what was dropped, what the emulation remembers.
static const int bpf_commands[] = {
    BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY, BPF_OBJ_GET_INFO_BY_FD,
};

int clinux_filter_system_calls(void) {
#if defined __x86_64__
  const uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined __aarch64__
  const uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
  return -ENOSYS;
#endif
#if defined __x86_64__ || defined __aarch64__
  const uint32_t namespaces =
      CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;
  struct sock_filter program[160];
  unsigned short count = 0;
#define ADD(...) program[count++] = (struct sock_filter)__VA_ARGS__
#define LOAD(field) ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define ARGUMENT(n) LOAD(args[n])  /* the low half: both architectures are little-endian */
#define SKIP_UNLESS(value, instructions) ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, instructions))
#define END(action) ADD(BPF_STMT(BPF_RET | BPF_K, action))
#define REFUSE(error) END(SECCOMP_RET_ERRNO | (error))
  LOAD(arch);
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0));
  END(SECCOMP_RET_KILL);  // another calling convention, with other numbers
  LOAD(nr);
  ADD(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1));  // x32
  REFUSE(ENOSYS);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    SKIP_UNLESS(refused[i], 1);
    REFUSE(EPERM);
  }
  // Its flags are in memory, where a filter does not look; the C library then takes clone(2).
  SKIP_UNLESS(CLONE3, 1);
  REFUSE(ENOSYS);
  SKIP_UNLESS(SYS_clone, 4);
  ARGUMENT(0);
  ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, namespaces, 0, 1));
  REFUSE(EPERM);
  END(SECCOMP_RET_ALLOW);
  // A worker goes on entering its network namespaces, and has its programs in a PID namespace below its own.
  SKIP_UNLESS(SYS_setns, 6);
  ARGUMENT(1);
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE_NEWNET, 0, 1));
  END(SECCOMP_RET_ALLOW);
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLONE_NEWPID, 0, 1));
  END(SECCOMP_RET_ALLOW);
  REFUSE(EPERM);
  const size_t commands = sizeof bpf_commands / sizeof *bpf_commands;
  SKIP_UNLESS(SYS_bpf, 2 * commands + 2);
  ARGUMENT(0);
  for (size_t i = 0; i < commands; i++) {
    SKIP_UNLESS(bpf_commands[i], 1);
    END(SECCOMP_RET_ALLOW);
  }
  REFUSE(EPERM);
  END(SECCOMP_RET_ALLOW);
  struct sock_fprog filter = {.len = count, .filter = program};
  return result(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
#endif
}

static void keep_namespace(int parent, int ready) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Whatever loses its parent in here comes to us.
  signal(SIGCHLD, SIG_IGN);
  for (int fd = 0; fd < 1024; fd++)
    if (fd != parent && fd != ready) close(fd);
  // Refused where something hides a part of /proc from us (mount_too_revealing): then it stays as it is.
  if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
    (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  char byte = 0;
  if (write(ready, &byte, 1) != 1) _exit(1);
  close(ready);
  while (read(parent, &byte, 1) < 0 && errno == EINTR) {}
  _exit(0);
}

int clinux_keeper(void) {
  int alive[2], ready[2];
  if (pipe2(alive, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0) return -errno;
  // And not unshare(2), fork(2) and back: coming back takes CAP_SYS_ADMIN over the namespace that one came from
  // (`pidns_install`), which nobody has in a user namespace of their own.
  pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
  int error = pid < 0 ? errno : 0;
  if (pid == 0) keep_namespace(alive[0], ready[1]);
  // alive[1] stays open for as long as we live.
  close(alive[0]);
  close(ready[1]);
  char byte;
  if (!error && read(ready[0], &byte, 1) != 1) error = ECHILD;
  close(ready[0]);
  return error ? -error : pid;
}

int clinux_stay_on_processor(void) {
  int processor = sched_getcpu();
  if (processor < 0) return -errno;
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  return result(sched_setaffinity(0, sizeof only, &only));
}

int clinux_own_run(void) {
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) return -errno;
  return result(mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
}

int clinux_setns_pid(int fd) { return result(setns(fd, CLONE_NEWPID)); }

int clinux_mount(const char *type, const char *target) {
  mkdir(target, 0755);
  return result(mount(type, target, type, 0, NULL));
}

// A statically linked Swift runtime wants /proc before main() is reached.
__attribute__((constructor(101))) static void mount_proc(void) {
  if (getpid() == 1) clinux_mount("proc", "/proc");
}

int clinux_lift_memlock(void) {
  struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
  return result(setrlimit(RLIMIT_MEMLOCK, &limit));
}

int clinux_load_module(int fd) { return result(syscall(SYS_finit_module, fd, "", 0)); }

int clinux_fork_worker(int in, int out, int err) {
  pid_t pid = fork();
  if (pid != 0) return result(pid);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(127);
  // close_range(2) is there since 5.9 only.
  for (int fd = 3; fd < 1024; fd++) close(fd);
  return 0;
}

int clinux_set_window(int terminal, int rows, int columns) {
  struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  return result(ioctl(terminal, TIOCSWINSZ, &size));
}

int clinux_fork_terminal(int rows, int columns, int *terminal) {
  char name[64];
  int own = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (own < 0) return -errno;
  if (grantpt(own) < 0 || unlockpt(own) < 0 || ptsname_r(own, name, sizeof(name)) != 0 ||
      clinux_set_window(own, rows, columns) < 0) {
    int error = errno;
    close(own);
    return -error;
  }
  pid_t pid = fork();
  if (pid < 0) {
    int error = errno;
    close(own);
    return -error;
  }
  *terminal = own;
  if (pid > 0) return pid;
  setsid();
  // The first terminal that a session's leader opens is the one that controls it.
  int end = open(name, O_RDWR);
  if (end < 0 || dup2(end, 0) < 0 || dup2(end, 1) < 0 || dup2(end, 2) < 0) _exit(127);
  for (int fd = 3; fd < 1024; fd++) close(fd);
  return 0;
}

static int64_t monotonic(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint32_t clinux_tsc_khz(void) {
#ifdef __x86_64__
  int64_t begin = monotonic();
  uint64_t first = __builtin_ia32_rdtsc();
  int64_t now;
  do now = monotonic(); while (now - begin < 20000000);
  return (uint32_t)((__builtin_ia32_rdtsc() - first) * 1000000 / (uint64_t)(now - begin));
#else
  return 0;
#endif
}
