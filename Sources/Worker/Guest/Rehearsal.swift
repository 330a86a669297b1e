import Evidence
import Linux
import Model
import Wire

/// A network that is built, looked at and taken apart again before a guest is saved, so that what kernel and runtime do
/// only once has been done in every guest that goes on from there: slabs and per-CPU memory, page cache, directory
/// entries, and of Swift the search of some 4,600 conformances for each of fifty types.
///
/// Nobody connects in it: the secrets behind sequence numbers, timestamps and ports (`net_secret`, `ts_secret`,
/// `table_perturb`) are drawn when a socket first connects, and so by every guest from its own seed.
enum Rehearsal {
  /// Builds it and lets it go. Nothing depends on it: where it throws, as on a kernel that cannot do one part, the parts
  /// before that have been done.
  static func run() throws {
    let clients = ["early", "late"].map {
      Client(name: $0, group: $0, clock: .offset(milliseconds: 600_000), isn: .ahead)
    }
    let hop = Hop(nat: .snat, backend: .auto, ports: 40000...40001, random: .none, dropInvalid: false)
    let test = Case(
      id: "rehearsal", scenario: "rehearsal", title: "", why: "", axes: [],
      network: Network(topology: .snat, family: .ipv4, clients: clients, hop: hop),
      settings: [Network.server: ["tcp_rfc1337": "1"]], workload: [], rules: [])
    let kernel = Kernel(
      release: "", machine: "",
      capabilities: Set([.conntrack, .iptablesNft, .tcBPF, .tcpRepair].map { .feature($0) }),
      perKernelSettings: Set(Setting.all.filter(\.isOnePerKernel).map(\.name)),
      timestampTicksPerSecond: 1000, privilege: .root, missing: [:])
    let testbed = try Testbed(test, on: kernel)
    let loop = EventLoop()
    let recorder = try Recorder(testbed, loop: loop) { _ = WorkerProgram.line($0) }
    try recorder.before()
    try recorder.census(after: 0)
    var stopwatch = Stopwatch()
    _ = WorkerProgram.line(.observation(try recorder.finish(timings: [], &stopwatch)))
  }

  /// Waits until the kernel has taken the network apart (cleanup_net), which it does when nothing else is to be done. For
  /// guests whose time is their own: it takes none.
  static func awaitItsEnd() {
    var nothing: [Poll.Request] = []
    _ = try? Poll.wait(&nothing, timeout: 500)
  }
}
