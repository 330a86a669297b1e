#include "CLinux.h"

#include <errno.h>
#include <linux/filter.h>
#include <sys/socket.h>

int clinux_set_deaf(int fd, int deaf) {
  struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
  struct sock_fprog program = {.len = 1, .filter = &nothing};
  int unused = 0;
  int result = deaf ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)
                    : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused);
  return result < 0 ? -errno : 0;
}
