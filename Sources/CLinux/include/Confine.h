#pragma once
// Programs that work on what strangers made, with the rights of nobody.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What a program is left with.
struct clinux_confinement {
  /// Descriptors that it has besides its standard streams, as 3, 4, ...; every other is closed.
  const int *descriptors;
  int count;
  /// Whom it becomes, user and group, where we are root: nobody else's. 0 leaves both.
  uid_t user;
  /// A further group, e.g. that of /dev/kvm; 0 for none.
  gid_t group;
  /// Bytes that a file may have which it writes (RLIMIT_FSIZE, else SIGXFSZ).
  uint64_t file_size;
  /// Bytes of address space (RLIMIT_AS); 0 for no bound.
  uint64_t memory;
};

/// A user that owns nothing, another for each number: of a range that distributions and systemd leave unused
/// (https://systemd.io/UIDS-GIDS), and none that /etc/passwd knows; nobody (65534) where this user namespace has no
/// other, and 0 where it has not that either, or we are not root.
uid_t clinux_unowned_user(unsigned number);

/// Runs a program with our own standard streams, and kills it when standard input ends (poll(2), POLLHUP), when it is
/// stopped by a signal, or when we die (PDEATHSIG). It has no capability, gains none by what it executes (PR_SET_NO_NEW_PRIVS), and leaves no core.
/// Returns its exit status, 128 plus the signal that ended it, or -errno.
int clinux_guard(const char *program, char *const argv[], char *const envp[], const struct clinux_confinement *how);

/// Starts a program so confined, in a session of its own, with these standard streams; killed where the calling thread
/// ends (PDEATHSIG). Returns its process ID or -errno; what cannot be executed says so on its standard error.
int clinux_spawn_confined(
    const char *program, char *const argv[], char *const envp[], const struct clinux_confinement *how,
    const int streams[3]);

/// Has this thread, and what it starts, run on one processor only: the nth of those that it may run on (sched_getaffinity(2)),
/// counted from 0 and modulo how many there are.
int clinux_pin(uint32_t nth);

/// memfd_create(2), close-on-exec: a file without a name, gone with its last descriptor.
int clinux_memory_file(const char *name);
/// Makes such a file unchangeable for everybody, however it is open (F_SEAL_WRITE): what maps it privately may still
/// write to its own copy. EBUSY while it is mapped to be written to.
int clinux_seal(int fd);

/// renameat2(2). RENAME_NOREPLACE: EEXIST where there is something of that name.
int clinux_rename_new(const char *from, const char *to);
/// RENAME_EXCHANGE: both at once, at no moment is there none.
int clinux_rename_exchange(const char *one, const char *other);
