import Evidence
import Foundation
import Judging
import Model

/// The packets of one case as a file that Wireshark opens: each link an interface with its node's name, remarks on
/// packets as their comments, the case and its settings in the section's.
struct CaptureFile {
  private let packets: [Packet]
  private let comments: [Int: String]
  private let header: Pcapng.Header

  init(_ result: CaseResult, on kernel: Kernel) {
    let observation = result.observation ?? Observation(caseID: result.test.id)
    packets = observation.packets
    comments = remarks(on: result.judgement, of: result.test, on: kernel, seen: observation)
    var lines = [result.test.id, result.test.title]
    if let emulation = kernel.emulation { lines.append("emulated: \(emulation.caution)") }
    lines.append("\(result.judgement.verdict.rawValue): \(result.judgement.reason)")
    for (node, values) in result.test.settings.sorted(by: { $0.key < $1.key }) {
      let words = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      if !words.isEmpty { lines.append("\(node): \(words.joined(separator: " "))") }
    }
    header = Pcapng.Header(
      comment: lines.map { Visible.line($0) }.joined(separator: "\n"),
      system: "Linux \(kernel.release) (\(result.kernel))")
  }

  /// How many of the last packets are beyond the limit; nil for none.
  func notKept(limit: Int) -> Int? {
    var size = 0
    let kept =
      packets.firstIndex { packet in
        size += 48 + packet.bytes.count
        return size > limit
      } ?? packets.count
    return kept == packets.count ? nil : packets.count - kept
  }

  /// Writes piece by piece.
  func write(notKept: Int, _ write: (Data) throws(Failure) -> Void) throws(Failure) {
    var header = header
    if notKept > 0 {
      header.comment += "\ncut: \(notKept) packets that came later are not in this file"
    }
    var writer = Pcapng.Writer(header)
    for (index, packet) in packets.dropLast(notKept).enumerated() {
      writer.add(packet, comment: comments[index])
      if writer.count > 1 << 20 { try write(writer.take()) }
    }
    try write(writer.take())
  }
}
