// What a guest's first process says to its machine, and reads of it, at moments that only the guest decides: through
// ports, for which no driver is asked and which nobody answers late.
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

int clinux_seed_random(const void *bytes, uint32_t count) {
  // struct rand_pool_info, which ends in the bytes.
  union {
    struct rand_pool_info info;
    uint8_t room[sizeof(struct rand_pool_info) + 512];
  } pool = {.info = {.entropy_count = (int)count * 8, .buf_size = (int)count}};
  if (count > 512) return -EINVAL;
  memcpy(pool.room + sizeof pool.info, bytes, count);
  int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
  if (fd < 0) return -errno;
  int result = ioctl(fd, RNDADDENTROPY, &pool) < 0 ? -errno : 0;
  // Before 4.17 that is what adding so much has done already.
  if (result == 0) ioctl(fd, RNDRESEEDCRNG);
  close(fd);
  return result;
}

#ifdef __x86_64__
#include <sys/io.h>

// QEMU's fw_cfg device, docs/specs/fw_cfg.rst: what to read goes to one port, its bytes come from the next.
enum { SELECTOR = 0x510, DATA = 0x511, DIRECTORY = 0x19 };
// QEMU's pvpanic device, docs/specs/pvpanic.rst. Bit 0 stops the machine under `-action panic=pause`.
enum { PVPANIC = 0x505, PANICKED = 1 };
// QEMU's isa-debug-exit device as the lab configures it: whatever is written ends QEMU, with twice that and one.
enum { DEBUG_EXIT = 0x501 };

static void take(uint8_t *to, size_t count) { insb(DATA, to, count); }

static uint32_t big_endian(const uint8_t *bytes, int count) {
  uint32_t number = 0;
  while (count-- > 0) number = number << 8 | *bytes++;
  return number;
}

int clinux_firmware_file(const char *name, void *to, uint32_t room) {
  if (iopl(3) < 0) return -errno;
  uint8_t head[64];
  outw(DIRECTORY, SELECTOR);
  take(head, 4);
  // A machine without the device answers all bits; QEMU has some dozens of files.
  uint32_t count = big_endian(head, 4);
  if (count > 4096) return -ENODEV;
  for (; count > 0; count--) {
    take(head, 64);
    head[63] = 0;
    if (strcmp((const char *)head + 8, name) != 0) continue;
    uint32_t size = big_endian(head, 4);
    if (size > room) return size > INT32_MAX ? -EFBIG : (int)size;
    outw((uint16_t)big_endian(head + 4, 2), SELECTOR);
    take(to, size);
    return (int)size;
  }
  return -ENOENT;
}

static int64_t coarse(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int clinux_pause_machine(void) {
  if (iopl(3) < 0) return -errno;
  // Right after a tick, so that it is long until the next: see Hypervisor.saved.
  for (int64_t tick = coarse(); coarse() == tick;) continue;
  outb(PANICKED, PVPANIC);
  return 0;
}

int clinux_end_machine(void) {
  if (iopl(3) < 0) return -errno;
  outb(0, DEBUG_EXIT);
  return -ENODEV;
}
#else
int clinux_end_machine(void) { return -ENOSYS; }
int clinux_firmware_file(const char *name, void *to, uint32_t room) { return -ENOSYS; }
int clinux_pause_machine(void) { return -ENOSYS; }
#endif
