/// What a lab file may ask for at most. Each is checked before anything is expanded by it, so that reading a stranger's
/// file takes a moment and a few megabytes, whatever it says.
///
/// The lab's own files stay far below: 5 kB, 6 axes, 84 cases, 25 clients, 32 connections.
public enum Bounds {
  // MARK: the text

  /// Bytes of a file.
  public static let fileBytes = 256 << 10
  /// Levels of YAML, of which an expectation's list has six.
  public static let depth = 12
  /// YAML nodes of a file: keys, values, lists and mappings, with every alias counted as what it stands for.
  public static let nodes = 20_000
  /// Characters of `why`.
  public static let why = 16_384
  /// Characters of any other text.
  public static let text = 1_024
  /// Characters of a name: client, label, axis, clock, lab file.
  public static let name = 64
  /// Characters of a value on an axis.
  public static let value = 128
  /// Mistakes of one file that are told.
  public static let mistakes = 100

  // MARK: the matrix

  /// Axes of a file.
  public static let axes = 16
  /// Values of an axis.
  public static let values = 256
  /// Points of a matrix, before `exclude`: the product of its axes.
  public static let points = 16_384
  /// Cases of a file, after `exclude`.
  public static let cases = 4_096
  /// Cases of all files that are taken together.
  public static let selection = 16_384
  /// Conditions of a file: entries of `exclude`, `overrides`, `workload` and `expect`.
  public static let conditions = 512
  /// How often a condition is held against a point: points times conditions.
  public static let evaluations = 2_000_000

  // MARK: the cases

  /// Clients of a case: a network namespace each, with 0.3 MB of the kernel's memory and 5 descriptors.
  public static let clients = 4_000
  /// Nodes on a LAN, by one byte of an address; clients and links of a network that is spelled out, whose ways are
  /// looked for from each node to each.
  public static let lan = 250
  /// Real servers of a case.
  public static let servers = 8
  /// Ports that a server listens on.
  public static let serverPorts = 250
  /// Nodes of a network, and links: clients, servers and what stands between.
  public static let hosts = 4_200
  /// Rules of one node.
  public static let rules = 32
  /// IPVS services of one node.
  public static let services = 16
  /// Clients of all cases of a file together.
  public static let clientsOfAllCases = 65_536
  /// Settings of all nodes of all cases of a file together, those that `set` steps write among them.
  public static let settingsOfAllCases = 262_144
  /// How often a `connect` step repeats its attempts.
  public static let times = 1_000
  /// Milliseconds for which `connect()` is called again.
  public static let again = 60_000
  /// Connections per client of a churn.
  public static let connections = 10_000
  /// Connections per second and client of a churn.
  public static let rate = 100_000
  /// Seconds that a step may set the clock forward.
  public static let advance = 1_000_000
  /// Connections that may wait for accept(2).
  public static let backlog = 65_535
  /// Weight of a real server.
  public static let weight = 65_535
  /// Milliseconds by which a packet may be late.
  public static let delay = 60_000
  /// Seconds that a step may wait.
  public static let wait = 86_400
  /// Seconds that a program may run.
  public static let exec = 3_600
  /// A program's name and its arguments.
  public static let arguments = 64
  /// Attempts of a case, of which each is kept with its packets.
  public static let attempts = 100_000
  /// Milliseconds that a case's kernel may take to give up all its SYNs: a day.
  public static let giveUp = 86_400_000
  /// Milliseconds that a clock may be off, either way: PAWS compares within half of 32 bits.
  public static let offset = 2_000_000_000
}
