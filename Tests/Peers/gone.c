// Says how long it took until the kernel had freed every network namespace that was given up before it was asked.
//
// The kernel frees them one batch after the other (`cleanup_net`, a queue with one worker) and takes a namespace off its
// user's account last of all. So: one more of our own, in a user namespace that may have one; it is given up when a line
// comes, after the others; once another can be made it is free, and so are those before it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void put(const char *path, const char *text) {
  int file = open(path, O_WRONLY);
  if (file < 0 || write(file, text, strlen(text)) < 0) {
    perror(path);
    exit(1);
  }
  close(file);
}

int main(void) {
  char map[64], line[64];
  int user = geteuid(), group = getegid();
  if (unshare(CLONE_NEWUSER)) return perror("unshare"), 1;
  put("/proc/self/setgroups", "deny");
  snprintf(map, sizeof map, "0 %d 1", user);
  put("/proc/self/uid_map", map);
  snprintf(map, sizeof map, "0 %d 1", group);
  put("/proc/self/gid_map", map);
  // The network to come back to, and one more.
  if (unshare(CLONE_NEWNET)) return perror("unshare"), 1;
  int home = open("/proc/thread-self/ns/net", O_RDONLY);
  put("/proc/sys/user/max_net_namespaces", "2");
  if (unshare(CLONE_NEWNET)) return perror("unshare"), 1;
  puts("ready");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    struct timespec begin, end, pause = {.tv_nsec = 200000};
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (setns(home, CLONE_NEWNET)) return perror("setns"), 1;
    // Nothing tells when a namespace is free, so it is asked for.
    while (unshare(CLONE_NEWNET)) {
      if (errno != ENOSPC) return perror("unshare"), 1;
      nanosleep(&pause, NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("gone %.3f\n", (end.tv_sec - begin.tv_sec) * 1e3 + (end.tv_nsec - begin.tv_nsec) / 1e6);
    fflush(stdout);
  }
  return 0;
}
