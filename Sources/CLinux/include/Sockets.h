#pragma once
// What TCP and raw sockets can do that Swift's Glibc module has no names for.
// Every function returns what the call returned, or -errno.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Part of tcp(7) TCP_INFO; of a listener, `unacked` are the connections that wait for accept(2), and `sacked` its
/// backlog (`tcp_get_info`).
struct clinux_tcp_info {
  uint8_t state;        // include/net/tcp_states.h
  uint8_t retransmits;  // of the segment that is not acknowledged now
  uint8_t probes;       // of a window that is shut
  uint8_t options;      // TCPI_OPT_TIMESTAMPS 1, _SACK 2, _WSCALE 4, _ECN 8
  uint32_t unacked;     // segments
  uint32_t sacked;
  uint32_t lost;
  uint32_t total_retransmits;
  uint32_t rto;  // microseconds
  uint32_t rtt;  // microseconds
};
int clinux_tcp_info(int fd, struct clinux_tcp_info *info);

/// SO_LINGER of 0 s: close(2) then sends a RST.
int clinux_tcp_set_abort(int fd);
/// TCP_REPAIR on: close(2) then sends nothing.
int clinux_tcp_set_silent(int fd);
/// TCP_QUEUE_SEQ of both queues, in and out of TCP_REPAIR without a window probe (4.19).
int clinux_tcp_positions(int fd, uint32_t *next_to_write, uint32_t *next_expected);

/// A raw socket that takes whole packets with their IP header: IPPROTO_RAW, ip(7) and ipv6(7).
int clinux_raw_socket(int family);

/// Like clinux_spawn(), in a process group of its own.
int clinux_spawn_group(char *const argv[], char *const envp[], int in, int out, int err);
/// pidfd_open(2), 5.3: readable once the process has ended.
int clinux_pidfd(int pid);

/// Comes back when it has been called `count` times with this counter, which begins at 0: in all threads that wait within
/// a fraction of a microsecond where each has a processor, for whoever waits runs (a futex would wake one after the other).
void clinux_meet(unsigned *counter, unsigned count);

/// SO_ATTACH_FILTER with a filter that keeps nothing of any packet, or SO_DETACH_FILTER.
int clinux_set_deaf(int fd, int deaf);
