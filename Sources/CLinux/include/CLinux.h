#pragma once
// System calls and constants that Swift's Glibc module does not have.
// Every function returns what the call returned, or -errno.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "Confine.h"
#include "Sockets.h"

/// unshare(2): CLONE_NEWNET, CLONE_NEWUSER.
int clinux_unshare_net(void);
int clinux_unshare_user(void);
/// setns(2) with CLONE_NEWNET.
int clinux_setns_net(int fd);
/// A network namespace's cookie by one of its sockets (SO_NETNS_COOKIE, 5.14).
int clinux_net_cookie(int socket, uint64_t *cookie);
/// The calling thread's id: gettid(2).
int clinux_gettid(void);

/// Opens a file of /proc/net of the calling thread's namespace for reading.
///
/// Until 5.0 (1fde6f21d90f) a thread that has looked at its /proc/net once goes on to see that namespace's after
/// setns(2). A file that has the inode of the last one is therefore opened by a thread that lives just for it.
int clinux_open_net(const char *name);
/// epoll_create1(2), close-on-exec.
int clinux_epoll(void);
/// epoll_ctl(2): adds a descriptor or changes what is awaited of it.
int clinux_epoll_set(int epoll, int fd, uint32_t events);
/// epoll_ctl(2), EPOLL_CTL_DEL.
int clinux_epoll_remove(int epoll, int fd);
/// epoll_wait(2): the descriptors that are ready; how many, 0 where a signal came.
int clinux_epoll_wait(int epoll, int *descriptors, int most, int timeout);
/// Closes all of them, many at a time: the kernel waits for each packet socket that every processor has passed a quiet
/// point (`packet_release`, synchronize_net), 5 to 20 ms, and those that are closed together wait together.
void clinux_close_all(const int *descriptors, size_t count);

/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC.
int clinux_accept(int listener);
/// pipe2(2) with O_CLOEXEC.
int clinux_pipe(int ends[2]);
/// The name of an errno, e.g. "ETIMEDOUT"; a number's text where it has none.
const char *clinux_errno_name(int number);

/// A packet socket of one interface, non-blocking, that sees everything, both directions, cut at `snap` bytes,
/// with kernel time stamps. Nothing unfiltered gets in: the filter is attached before the bind.
int clinux_packet_socket(const char *interface, uint32_t snap, int receive_buffer);

struct clinux_packet {
  int64_t time;    // nanoseconds since 1970
  uint32_t length; // on the wire
  uint32_t copied; // into the buffer
  int outgoing;    // PACKET_OUTGOING
};
/// One packet: 1 and filled in, or 0 if there is none, or -errno.
int clinux_packet_receive(int fd, void *buffer, size_t size, struct clinux_packet *packet);
/// Packets lost since the last call (PACKET_STATISTICS).
int clinux_packet_losses(int fd);

/// A UDP socket with SO_TIMESTAMPNS.
int clinux_timestamping_socket(void);
/// Connects an unbound UDP socket to itself on its namespace's loopback.
int clinux_connect_to_itself(int fd);
/// Sends itself a byte: 1 if the kernel stamped it on the way, 0 if only when it was read, or -errno.
int clinux_timestamping_holds(int fd);

/// tcp(7) TCP_REPAIR: gives a socket that is not yet connected its initial sequence number.
int clinux_tcp_pin_sequence(int fd, uint32_t sequence);
/// getsockopt(TCP_TIMESTAMP): the TSval that the socket would send now.
int clinux_tcp_timestamp(int fd, uint32_t *ticks);
/// Has a socket's timestamps be another socket's clock plus an offset: TCP_REPAIR and TCP_TIMESTAMP (3.9).
int clinux_tcp_set_clock(int fd, int reference, uint32_t offset);

/// SIOCOUTQ: bytes sent and not yet acknowledged.
int clinux_tcp_unacknowledged(int fd);

/// setrlimit(2): no limit on locked memory, which BPF maps and programs count against until 5.11.
int clinux_lift_memlock(void);
/// bpf(2): maps by type (BPF_MAP_TYPE_...).
int clinux_bpf_map_create(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t entries);
int clinux_bpf_map_update(int map, const void *key, const void *value);
int clinux_bpf_map_lookup(int map, const void *key, void *value);
int clinux_bpf_map_delete(int map, const void *key);
/// The key after `key`, the first where that is NULL; -ENOENT after the last.
int clinux_bpf_map_next_key(int map, const void *key, void *next);
/// What a program is loaded for.
enum { CLINUX_BPF_CLASSIFIER, CLINUX_BPF_FENTRY, CLINUX_BPF_FEXIT, CLINUX_BPF_MODIFY_RETURN,
       CLINUX_BPF_RAW_TRACEPOINT };
/// Loads a program; one for a function's beginning, end or result for the kernel function with that BTF id. The verifier's words go to `log`.
int clinux_bpf_load(
    int kind, uint32_t function, const void *instructions, uint32_t count, char *log, uint32_t log_size);
/// How often a program was not run because it was running already on that processor (5.12).
int64_t clinux_bpf_misses(int program);
/// Attaches a program to the function that it was loaded for, or to a tracepoint of that name, as long as the returned descriptor is open.
int clinux_bpf_attach(int program, const char *tracepoint);

/// tracefs, mounted nowhere: a directory to open files below, gone with the descriptor (fsopen(2), 5.2).
int clinux_tracefs(void);
/// The same of proc. It has what the mounts of a container hide or make read-only, where the kernel allows it:
/// CAP_SYS_ADMIN over the mount namespace, and outside of the first user namespace nothing hidden (mount_too_revealing).
int clinux_proc(void);
/// Whether a path lies on a read-only mount: statvfs(3).
int clinux_is_read_only(const char *path);
/// A ring of what a tracepoint says on one processor, in every namespace.
struct clinux_ring {
  int fd;
  void *pages;  // perf_event_mmap_page, then the data
  size_t data;  // bytes of data, a power of 2
};
/// perf_event_open(2) for a tracepoint by its id, with a filter as in its `filter` file; times are CLOCK_MONOTONIC.
/// `perf record -e skb:kfree_skb --filter FILTER -C CPU -k CLOCK_MONOTONIC`
int clinux_ring_open(uint64_t tracepoint, int processor, const char *filter, size_t data, struct clinux_ring *ring);
void clinux_ring_close(struct clinux_ring *ring);
/// The next one: the bytes of its fields in `event`, its time; 0 if there is none. Those that found the ring full
/// are added to `lost`.
int clinux_ring_next(struct clinux_ring *ring, void *event, size_t size, int64_t *time, uint64_t *lost);

/// perf_event_open(2) for how often a kernel function is called on one processor, by whomever: a kprobe of the dynamic
/// PMU of that type (`/sys/bus/event_source/devices/kprobe/type`, 4.17). `perf stat -C CPU -e probe:FUNCTION`
/// Counts from now on; read(2) gives 64 bits; the probe is gone with the descriptor.
int clinux_count_calls(uint32_t type, const char *function, int processor);

/// vfork(2), in the child: standard streams, death with the parent, execvpe(3). Returns the pid.
/// The child inherits the calling thread's namespaces.
int clinux_spawn(char *const argv[], char *const envp[], int in, int out, int err);

/// Keeps of the calling thread's capabilities those in the mask (1 << CAP_...), takes all others out of every set, and
/// sets no_new_privs: what is started from here cannot get them back (capabilities(7)).
int clinux_keep_capabilities(uint64_t mask);
/// A seccomp filter that refuses, with EPERM, what makes or changes more than sockets, rules and settings: mounts,
/// namespaces, modules, kexec, ptrace, keys, new BPF programs. It needs no_new_privs, and holds for children too.
int clinux_filter_system_calls(void);

/// A PID namespace with a procfs of its own, whose first process waits until the caller's death: whatever is in it
/// ends then. Returns that process' pid. Not for a process that is to have children or threads in the meantime.
int clinux_keeper(void);

/// sched_setaffinity(2) to the processor that the caller runs on, for it and its children.
int clinux_stay_on_processor(void);

/// A mount namespace for this process and its children, in which /run is empty and theirs alone.
int clinux_own_run(void);

/// setns(2) with CLONE_NEWPID: for children that are made from then on.
int clinux_setns_pid(int fd);

/// mount(2) without options; the target is made first.
int clinux_mount(const char *type, const char *target);
/// finit_module(2): loads a module file (3.8). EEXIST where it is loaded already.
int clinux_load_module(int fd);
/// fork(2) onto a new terminal of that size: 0 in the child, which is in a session of its own, controls the terminal, has
/// it for its standard streams and no other descriptor. The parent has the other end, which does not block.
int clinux_fork_terminal(int rows, int columns, int *terminal);
/// TIOCSWINSZ
int clinux_set_window(int terminal, int rows, int columns);
/// fork(2), nothing else: 0 in the child, which has the given standard streams and no other descriptor.
int clinux_fork_worker(int in, int out, int err);
/// Bytes of a file of QEMU's fw_cfg device (`-fw_cfg name=NAME,file=...`), copied where there is room for them. ENOENT
/// without such a file, ENODEV without such a device, EPERM without CAP_SYS_RAWIO.
int clinux_firmware_file(const char *name, void *to, uint32_t room);
/// Stops the machine by QEMU's pvpanic device, right after a tick of the kernel's; comes back when somebody lets it go on.
int clinux_pause_machine(void);
/// Credits bytes to the kernel's random numbers and has them used at once; at most 512 bytes.
int clinux_seed_random(const void *bytes, uint32_t count);
/// Ends the machine by QEMU's isa-debug-exit device at port 0x501: QEMU exits with status 1. ENODEV without one.
int clinux_end_machine(void);
/// Rate of the time stamp counter in kHz, measured over some milliseconds; 0 where there is none.
uint32_t clinux_tsc_khz(void);
