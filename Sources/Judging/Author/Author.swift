import Evidence
import Model

extension AuthorWitnesses {
  /// What the author of a lab file says, held against what was seen. Counters are held with the others
  /// (``ExpectedCounters``).
  func witnesses(_ test: Case, on kernel: Kernel, seen observation: Observation, trace: Trace) -> [Witness] {
    var witnesses: [Witness] = []
    if !packets.isEmpty {
      let book = PacketBook(test, observation, trace)
      witnesses += packets.map(book.witness)
    }
    guard !(sockets.isEmpty && conntrack.isEmpty && ipvs.isEmpty && drops.isEmpty) else { return witnesses }
    let tables = TableBook(test, kernel, observation)
    for (node, patterns) in sockets.sorted(by: { $0.key < $1.key }) {
      witnesses += patterns.map { tables.sockets(node, $0) }
    }
    for (node, patterns) in conntrack.sorted(by: { $0.key < $1.key }) {
      witnesses += tables.conntrack(node, patterns)
    }
    for (node, patterns) in ipvs.sorted(by: { $0.key < $1.key }) { witnesses += tables.ipvs(node, patterns) }
    for (node, reasons) in drops.sorted(by: { $0.key < $1.key }) {
      witnesses += reasons.sorted { $0.key < $1.key }.map { tables.drops(node, $0.key, $0.value) }
    }
    return witnesses
  }
}
