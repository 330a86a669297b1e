import ArgumentParser
import Diagnosis
import Foundation
import Lab
import MicroVM
import Model
import Report

extension View: ExpressibleByArgument {}

/// Reads what a person with an outage has, and says what it is.
struct Diagnose: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diagnose",
    abstract: "Say what an outage is, from captures, counters, settings and rules of it.",
    discussion: """
      Reads captures (pcap, pcapng; Ethernet, VLAN, any, raw, loopback, PPP, IPIP, GRE; IPv4 and IPv6; cut to 96 bytes, \
      one direction only) and what \(TextKind.allCases.map(\.rawValue).joined(separator: ", ")) print. Kinds are \
      recognised by what stands in the files; of a sosreport or a supportconfig (tar.xz, tar.gz, tar.bz2, tar.zst, or its \
      folder) what it has of these is taken; two tables of counters are one before and one after. Runs nothing and \
      changes nothing, unless --run asks for it.

      --enact writes a lab file that does again what was named: their settings, clocks, ports and order, as far as they \
      are known. --run runs it, on the kernel nearest to theirs, and holds what it sees against what they saw.

      Exit status: 0 an answer was given, whatever it is; 2 bad usage, or a file that is not as its kind has it. With \
      --enact 1 where no mechanism is named that can be enacted; with --run 0 where the lab saw the same by the same \
      mechanism, 1 where it did not, 3 where the lab broke.
      """)

  @Argument(help: "Captures, texts, sosreports and supportconfigs, in any order; - is standard input.")
  var files: [String]

  @Option(help: "Where the captures were made (default: found out).")
  var at: View?

  enum AnswerFormat: String, CaseIterable, ExpressibleByArgument { case text, json }

  @Option(help: "text, or json.")
  var format: AnswerFormat = .text

  @Option(help: "Write a lab file here (FILE.yaml) that does again what was named.")
  var enact: String?

  @Flag(name: .customLong("run"), help: "Run that lab file, and hold what it sees against what they saw.")
  var runs = false

  @Option(help: "Enact this mechanism, which need only fit (default: the surest of those that are named).")
  var suspect: String?

  @Option(help: "The kernel to run it on (default: the nearest to theirs that is here).")
  var kernel: String?

  func validate() throws {
    guard let enact else {
      if runs || suspect != nil || kernel != nil {
        throw ValidationError(
          "--run, --suspect and --kernel are about the lab file that --enact FILE.yaml writes")
      }
      return
    }
    guard enact.hasSuffix(".yaml") || enact.hasSuffix(".yml") else {
      throw ValidationError("--enact takes the name of a lab file, which ends in .yaml, not \(enact)")
    }
    if kernel != nil, !runs { throw ValidationError("--kernel says where --run runs it") }
    if runs, format == .json { throw ValidationError("--run says in text what it saw") }
  }

  func run() async throws {
    var incident = Incident(at: at)
    var captures: [String] = []
    for file in files where try Self.add(file, to: &incident) { captures.append(file) }
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
    guard let enact else { return }
    let enactment: Enactment
    do { enactment = try incident.enacted(suspect) } catch {
      Console.error("pawslab: nothing is enacted: \(error)")
      throw ExitCode(1)
    }
    let writing = try EnactRun(enactment, writing: enact)
    let test = try writing.test()
    if format == .text { for line in writing.written { Console.print(line) } }
    guard runs else {
      if format == .text { for line in writing.next { Console.print(line) } }
      return
    }
    let theirs = try Self.again(captures[enactment.capture], enactment)
    let (_, runner, machines) = try Running.parse([]).lab()
    let found = try await EnactKernel.find(
      for: test, named: kernel, theirs: enactment.kernel, machines: machines, runner: runner)
    let end = try await writing.run(on: found.machine, by: runner, theirs: theirs)
    for line in writing.lines(end, found) { Console.print(line) }
    switch end.result.judgement.verdict {
    case .pass: return
    case .fail, .skip: throw ExitCode(1)
    case .error: throw ExitCode(3)
    }
  }

  /// The packets that an enactment is about; nil where they come but once.
  private static func again(_ file: String, _ enactment: Enactment) throws -> Incident.CaptureStream? {
    guard file != "-" else { return nil }
    var stream = enactment.theirs(file: file)
    let handle = try open(file)
    while true {
      let piece = try read(handle, file)
      guard !piece.isEmpty else { return stream }
      try piece.withUnsafeBytes { try stream.add($0) }
    }
  }

  /// A text is read whole, and is never as large.
  private static let longestText = 256 << 20

  private static func open(_ file: String) throws -> FileHandle {
    if file == "-" { return .standardInput }
    do { return try FileHandle(forReadingFrom: URL(fileURLWithPath: file)) } catch {
      throw Failure(
        stage: "diagnose", object: file, cause: "\(reason(error))", mend: "name files that can be read",
        isUsage: true)
    }
  }

  /// - Returns: whether it is a capture.
  private static func add(_ file: String, to incident: inout Incident) throws -> Bool {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: file, isDirectory: &isFolder), isFolder.boolValue {
      _ = try addSupport(file, to: &incident)
      return false
    }
    let handle = try open(file)
    let name = file == "-" ? "standard input" : file
    var piece = try read(handle, name)
    let beginning = [UInt8](piece.prefix(512))
    switch Incident.kind(of: beginning) {
    case .other(let why):
      let isArchive =
        try file != "-" && SupportArchive.looksLike(beginning) && addSupport(file, to: &incident)
      if !isArchive { incident.add(unknown: why, file: name) }
    case .capture:
      var stream = Incident.CaptureStream(file: name)
      while !piece.isEmpty {
        try piece.withUnsafeBytes { try stream.add($0) }
        piece = try read(handle, name)
      }
      incident.add(stream, file: name)
      return true
    case .text:
      var text = piece
      while text.count < longestText {
        piece = try read(handle, name)
        if piece.isEmpty { break }
        text += piece
      }
      try incident.add(text: String(decoding: text, as: UTF8.self), file: name)
    }
    return false
  }

  /// What a sosreport or a supportconfig has of the network, packed or as a folder.
  ///
  /// - Returns: whether it is an archive or a folder.
  private static func addSupport(_ file: String, to incident: inout Incident) throws -> Bool {
    guard let texts = try SupportTexts.of(file) else { return false }
    for (name, text) in texts {
      // One command that failed there does not take the rest away.
      do { try incident.add(text: text, file: name) } catch let failure as Failure {
        incident.add(unknown: failure.cause, file: name)
      }
    }
    if texts.isEmpty {
      incident.add(unknown: "neither a sosreport nor a supportconfig with what this reads", file: file)
    }
    return true
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
