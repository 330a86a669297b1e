import ArgumentParser
import Diagnosis
import Foundation
import Model
import Report

extension View: ExpressibleByArgument {}

/// Reads what a person with an outage has, and says what it is.
struct Diagnose: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diagnose",
    abstract: "Say what an outage is, from captures, counters, settings and rules of it.",
    discussion: """
      Reads captures (pcap, pcapng; Ethernet, VLAN, any, raw, loopback, PPP, IPIP, GRE; IPv4 and IPv6; cut to 96 bytes, \
      one direction only) and what \(TextKind.allCases.map(\.rawValue).joined(separator: ", ")) print. Kinds are \
      recognised by what stands in the files; two tables of counters are one before and one after. Runs nothing and \
      changes nothing.

      Exit status: 0 an answer was given, whatever it is; 2 bad usage, or a file that is not as its kind has it.
      """)

  @Argument(help: "Captures and texts, in any order; - is standard input.")
  var files: [String]

  @Option(help: "Where the captures were made (default: found out).")
  var at: View?

  enum AnswerFormat: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Option(help: "text, or json.")
  var format: AnswerFormat = .text

  func run() throws {
    var incident = Incident(at: at)
    for file in files { try Self.add(file, to: &incident) }
    guard !incident.isEmpty else {
      let why = incident.notes.joined(separator: "; ")
      throw Failure(
        stage: "diagnose", object: files.joined(separator: ", "), cause: "nothing that this reads: \(why)",
        mend: "a capture is what tcpdump -w writes; pawslab diagnose --help lists the texts", isUsage: true)
    }
    let answer = incident.answer()
    switch format {
    case .text: for line in AnswerText(answer).lines { Console.print(line) }
    case .json:
      Console.write(try jsonDocument(answer), to: .standardOutput)
    }
  }

  /// A text is read whole, and is never as large.
  private static let longestText = 256 << 20

  private static func add(_ file: String, to incident: inout Incident) throws {
    let handle: FileHandle
    if file == "-" {
      handle = .standardInput
    } else {
      do { handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file)) } catch {
        throw Failure(
          stage: "diagnose", object: file, cause: "\(reason(error))", mend: "name files that can be read",
          isUsage: true)
      }
    }
    let name = file == "-" ? "standard input" : file
    var piece = try read(handle, name)
    switch Incident.kind(of: [UInt8](piece.prefix(512))) {
    case .other(let why): incident.add(unknown: why, file: name)
    case .capture:
      var stream = Incident.CaptureStream(file: name)
      while !piece.isEmpty {
        try piece.withUnsafeBytes { try stream.add($0) }
        piece = try read(handle, name)
      }
      incident.add(stream, file: name)
    case .text:
      var text = piece
      while text.count < longestText {
        piece = try read(handle, name)
        if piece.isEmpty { break }
        text += piece
      }
      try incident.add(text: String(decoding: text, as: UTF8.self), file: name)
    }
  }

  private static func read(_ handle: FileHandle, _ file: String) throws -> Data {
    do { return try handle.read(upToCount: 1 << 20) ?? Data() } catch {
      throw Failure(
        stage: "diagnose", object: file, cause: "\(reason(error))", mend: "name files that can be read",
        isUsage: true)
    }
  }

  /// The kernel's word for it, where Foundation has one.
  private static func reason(_ error: any Error) -> String {
    let below = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError
    return below.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(below.code))) : "\(error)"
  }
}
