import CLinux
import Foundation
import Model

/// How a guest is started: machine, processor, devices and kernel command line.
struct QEMU: Sendable {
  /// What runs the guest's instructions.
  enum Accelerator: String, Sendable {
    case kvm, tcg
  }

  /// What is handed to QEMU besides. It is somebody else, so it has them by descriptor, in the order in which
  /// `pawslab-worker guard` was told of them: from 3 on.
  enum File: Int {
    case kernel, initramfs
    /// The kernel's own words, from the 8250.
    case console
    /// In virtual time: the guest's memory, its devices where it is saved, what it says, what it is asked, and where its
    /// random numbers come from.
    case memory, devices, port, request, seed

    /// Files by their order in each life.
    static func order(in life: Life) -> [File] {
      switch life {
      case .real: [.kernel, .initramfs, .console]
      case .saving: [.kernel, .initramfs, .console, .memory, .devices, .port, .request, .seed]
      case .saved: [.console, .memory, .devices, .port, .request, .seed]
      }
    }

    /// Those that QEMU writes to, or opens as if it did.
    var isWritten: Bool { [.console, .memory, .devices, .port].contains(self) }
  }

  /// The descriptor by which QEMU has a file.
  func descriptor(of file: File) -> Int { 3 + (File.order(in: life).firstIndex(of: file) ?? 0) }

  func path(_ file: File) -> String { "/proc/self/fd/\(descriptor(of: file))" }

  /// Whose time passes in it, and what it is for.
  enum Life: Sendable, Equatable {
    /// This machine's time; asked and answering through its port.
    case real
    /// Time of its own: boots, loads these modules, and is saved where it stops itself.
    case saving(bundles: [String])
    /// Goes on from there.
    case saved
  }

  /// Bytes that a console may have: more is a kernel that does not end its complaint.
  static let longestConsole = 16 << 20
  /// Bytes that any of its files may have: what is seen in virtual time is one.
  var longestFile: Int { life == .real ? Self.longestConsole : 256 << 20 }

  static let program = "qemu-system-x86_64"

  var accelerator: Accelerator
  /// A kernel with a PVH entry starts on the small machine `microvm`; others need a BIOS.
  var pvh: Bool
  var megabytes = 512
  /// Says all that it does on the console: for the second try after a boot that failed.
  var verbose = false
  var life = Life.real
  /// Whether it gives up the system calls that it does not need (seccomp(2)); a QEMU may be built without.
  var sandboxed = true
  /// Added to the kernel's command line.
  var append: [String] = []
  /// Added to QEMU's.
  var extra: [String] = []

  /// The program and its arguments.
  func command() -> [String] {
    var words = [Self.program, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    if sandboxed {
      words += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]
    }
    words += ["-m", "\(megabytes)M", "-smp", "1"]
    // "Enhanced" REP MOVSB and STOSB are a byte at a time where the processor is emulated, and all that the kernel clears
    // and copies goes by them where it is told that they are fast (clear_page_erms): 14 of 96 million instructions of a
    // case, and 15 % of its processor time.
    words += ["-accel", accelerator.rawValue, "-cpu", accelerator == .tcg ? "max,-erms,-fsrm" : "max"]
    // A saved guest's memory is a file that everyone who goes on from it has copied only where he writes.
    // Without the i8254: nobody has stopped its 18.2 Hz, and so QEMU moves an idle guest's clock 73 times a second: of the
    // 3.4 ms of processor that a second of idle time takes, all but 0.03. The tick is the local APIC's.
    let clocks = life == .real ? "rtc=on" : "rtc=on,pit=off"
    let (machine, bus) = pvh ? ("microvm,\(clocks)", "device") : ("pc", "pci")
    words += ["-M", machine + (life == .real ? "" : ",memory-backend=memory,suppress-vmdesc=on")]
    // A saved one has long read them.
    if life != .saved {
      words += ["-kernel", path(.kernel), "-initrd", path(.initramfs), "-append", commandLine]
    }
    words += ["-chardev", "file,id=console,path=\(path(.console))", "-serial", "chardev:console"]
    words += ["-device", "virtio-serial-\(bus)", "-device", "virtserialport,chardev=port,name=pawslab"]
    switch life {
    case .real:
      words += ["-chardev", "stdio,id=port,signal=off"]
      words += ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-\(bus),rng=rng"]
    case .saving: words += virtual(share: "on")
    case .saved: words += virtual(share: "off") + ["-incoming", "defer"]
    }
    return words + extra
  }

  /// What makes a guest's time its own, and keeps out all that comes in at a moment of the host's: no device answers
  /// later than at once (a file takes what is written to it; the random numbers are the processor's), and what is asked
  /// is read through ports (`clinux_firmware_file`).
  ///
  /// It records, into nothing: then QEMU's threads take turns (`replay_mutex_lock` in `icount_prepare_for_run`, given back in
  /// `icount_process_data`; `os_host_main_loop_wait`). Else its main loop can see the guest's processor halted before that
  /// one's last instructions are counted, and moves the clock too far by them (`icount_start_warp_timer`).
  private func virtual(share: String) -> [String] {
    var words = ["-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null", "-seed", "1"]
    words += ["-rtc", "base=2026-01-01T00:00:00,clock=vm"]
    words += [
      "-object",
      "memory-backend-file,id=memory,size=\(megabytes)M,mem-path=\(path(.memory)),share=\(share)",
    ]
    words += ["-chardev", "file,id=port,path=\(path(.port))"]
    words += ["-fw_cfg", "name=opt/pawslab/request,file=\(path(.request))"]
    words += ["-fw_cfg", "name=opt/pawslab/seed,file=\(path(.seed))"]
    // What saves devices without memory says nothing of either.
    words += ["-global", "migration.send-configuration=off"]
    words += ["-device", "pvpanic", "-action", "panic=pause", "-device", "isa-debug-exit,iobase=0x501"]
    return words + ["-chardev", "stdio,id=monitor,signal=off", "-mon", "chardev=monitor,mode=control"]
  }

  private var commandLine: String {
    var words = ["console=ttyS0", "panic=-1", "reboot=t", "nokaslr", "mitigations=off", "cryptomgr.notests"]
    words += ["8250.nr_uarts=1", "random.trust_cpu=on", "net.ifnames=0", "audit=0"]
    // Who lists sockets walks the whole table (inet_diag_dump_icsk), for each node after each step.
    words.append("thash_entries=512")
    // The kernel's own use of cmpxchg16b under TCG was seen to panic 6.12 and hang 7.2 early in the boot. Swift's
    // runtime needs the instruction, so it is hidden from the kernel only: X86_FEATURE_CX16 is bit 4*32 + 13.
    if accelerator == .tcg { words.append("clearcpuid=141") }
    words += verbose ? ["ignore_loglevel", "earlyprintk=serial"] : ["quiet", "loglevel=4"]
    // Without it one boot in eight on microvm hangs while the time stamp counter is measured.
    // In virtual time it counts nanoseconds.
    let khz = life == .real ? pvh ? Self.tscKilohertz : 0 : 1_000_000
    if khz > 0 { words.append("tsc_early_khz=\(khz)") }
    // Else the kernel holds it against its tick, which comes late where this machine is busy, and takes the tick for
    // its clock: packets within 4 ms then have one time, and their order is lost.
    words.append("tsc=reliable")
    switch life {
    case .real, .saved: break
    case .saving(let bundles):
      words += ["pawslab.time=virtual", "pawslab.bundles=\(bundles.joined(separator: ","))"] + Self.idle
    }
    return (words + append).joined(separator: " ")
  }

  /// Keeps an idle kernel asleep: what wakes it sets the price of a virtual hour. Of 6.1's 5.5 timer interrupts a second
  /// 0.12 are left; none of these has to do with the network. What a kernel does not know it leaves alone.
  private static let idle = [
    // The lockup detector's timer, every 4 s, and khungtaskd.
    "nowatchdog", "sysctl.kernel.hung_task_timeout_secs=0",
    // kcompactd's look at fragmentation, twice a second (5.15), and vmstat_shepherd, every second.
    "sysctl.vm.compaction_proactiveness=0", "sysctl.vm.stat_interval=86400",
    // flush_memcg_stats_dwork and psi_avgs_work, every 2 s.
    "cgroup_disable=memory", "psi=0",
    // khugepaged, and what guards memory by chance.
    "transparent_hugepage=never", "kfence.sample_interval=0",
  ]

  private static let tscKilohertz = clinux_tsc_khz()
}
