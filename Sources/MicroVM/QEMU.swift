import CLinux
import Foundation
import Model

/// How a guest is started: machine, processor, devices and kernel command line.
struct QEMU: Sendable {
  /// What runs the guest's instructions.
  enum Accelerator: String, Sendable {
    case kvm, tcg
  }

  /// What is handed to QEMU besides. It is somebody else, so it has them by descriptor.
  struct Files: Sendable {
    var kernel: String
    var initramfs: String
    /// The kernel's own words, from the 8250.
    var console: String

    /// As `pawslab-worker guard` hands them over, in that order.
    static let descriptors = Files(
      kernel: "/proc/self/fd/3", initramfs: "/proc/self/fd/4", console: "/proc/self/fd/5")
  }

  /// Bytes that a console may have: more is a kernel that does not end its complaint.
  static let longestConsole = 16 << 20

  static let program = "qemu-system-x86_64"

  var accelerator: Accelerator
  /// A kernel with a PVH entry starts on the small machine `microvm`; others need a BIOS.
  var pvh: Bool
  var megabytes = 512
  /// Says all that it does on the console: for the second try after a boot that failed.
  var verbose = false
  /// Whether it gives up the system calls that it does not need (seccomp(2)); a QEMU may be built without.
  var sandboxed = true
  /// Added to the kernel's command line.
  var append: [String] = []
  /// Added to QEMU's.
  var extra: [String] = []

  /// The program and its arguments.
  func command(_ files: Files) -> [String] {
    var words = [Self.program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    if sandboxed {
      words += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    }
    words += ["-m", "\(megabytes)M", "-smp", "1"]
    words += ["-accel", accelerator.rawValue, "-cpu", "max"]
    let bus: String
    if pvh {
      words += ["-M", "microvm,rtc=on"]
      bus = "device"
    } else {
      words += ["-M", "pc"]
      bus = "pci"
    }
    words += ["-kernel", files.kernel, "-initrd", files.initramfs, "-append", commandLine]
    words += ["-chardev", "file,id=console,path=\(files.console)", "-serial", "chardev:console"]
    words += ["-chardev", "stdio,id=port,signal=off", "-device", "virtio-serial-\(bus)"]
    words += ["-device", "virtserialport,chardev=port,name=pawslab"]
    words += ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-\(bus),rng=rng"]
    return words + extra
  }

  private var commandLine: String {
    var words = ["console=ttyS0", "panic=-1", "reboot=t", "nokaslr", "mitigations=off", "cryptomgr.notests"]
    words += ["8250.nr_uarts=1", "random.trust_cpu=on", "net.ifnames=0", "audit=0"]
    // The kernel's own use of cmpxchg16b under TCG was seen to panic 6.12 and hang 7.2 early in the boot. Swift's
    // runtime needs the instruction, so it is hidden from the kernel only: X86_FEATURE_CX16 is bit 4*32 + 13.
    if accelerator == .tcg { words.append("clearcpuid=141") }
    words += verbose ? ["ignore_loglevel", "earlyprintk=serial"] : ["quiet", "loglevel=4"]
    // Without it one boot in eight on microvm hangs while the time stamp counter is measured.
    let khz = pvh ? Self.tscKilohertz : 0
    if khz > 0 { words.append("tsc_early_khz=\(khz)") }
    // Else the kernel holds it against its tick, which comes late where this machine is busy, and takes the tick for
    // its clock: packets within 4 ms then have one time, and their order is lost.
    words.append("tsc=reliable")
    return (words + append).joined(separator: " ")
  }

  private static let tscKilohertz = clinux_tsc_khz()
}
