import ArgumentParser
import Diagnosis
import Foundation
import LabFile
import MicroVM
import Model
import Report

extension AuditLevel: ExpressibleByArgument {}

/// Says what a machine, or a file that sets something, is exposed to.
struct AuditCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "audit",
    abstract:
      "Say which of the lab's losses a machine shows, and which it or its settings files are exposed to.",
    discussion: """
      Looks at this machine (--host: reads /proc, and rules where that loads no module), or at files: what \
      \(TextKind.allCases.map(\.rawValue).joined(separator: ", ")) print, and whatever sets something - sysctl.d, \
      roles of Ansible, Chef, Puppet and Salt, Dockerfiles, compose, Kubernetes, cloud-init, tuned - where each is named at \
      its line. Folders are walked. Each has the case of the lab that shows it, and what ends it. Changes nothing.

      A finding is what counters and tables show: somebody was lost, or is as soon as he comes. An exposure is what is set \
      so that somebody would be, where the circumstances are as the case has them. Counters since a machine was started \
      mean much; two readings of one kind, or --host with --since, say what was counted in between.

      Exit status: 0 nothing as bad as --fail-on; 1 something is; 2 bad usage, or a file that is not as its kind has it.
      """)

  @Argument(help: "Texts, settings files and folders of them; - is standard input.")
  var files: [String] = []

  @Flag(help: "Look at this machine.")
  var host = false

  @Option(
    help:
      "With --host: what cat /proc/net/netstat /proc/net/snmp printed before; what was counted since is looked at."
  )
  var since: String?

  @Option(help: "The kernel's release, where the files do not say it: 6.1, 3.10.0-1160.el7.")
  var kernel: String?

  @Option(help: "A folder that a run kept with --out; may be given several times (default: lab/recorded).")
  var from: [String] = []

  enum AuditFormat: String, CaseIterable, ExpressibleByArgument { case text, json, sarif }

  @Option(help: "text, json, or sarif (2.1.0).")
  var format: AuditFormat = .text

  enum Threshold: String, CaseIterable, ExpressibleByArgument {
    case error, warning, note, finding, exposure, never

    func isMet(by audit: Audit) -> Bool {
      switch self {
      case .finding: !audit.findings.isEmpty
      case .exposure: !audit.exposures.isEmpty
      case .never: false
      case .error, .warning, .note:
        audit.worst.map { worst in AuditLevel(rawValue: rawValue).map { worst >= $0 } ?? false } ?? false
      }
    }
  }

  @Option(
    help: "What is exit status 1: error, warning, note (as bad or worse), finding, exposure (any), never.")
  var failOn: Threshold = .warning

  enum RuleFormat: String, CaseIterable, ExpressibleByArgument { case prometheus }

  @Option(help: "Print alert rules for what node_exporter counts instead: prometheus.")
  var rules: RuleFormat?

  func validate() throws {
    if rules != nil {
      guard files.isEmpty, !host else {
        throw ValidationError("--rules looks at nothing: leave out FILES and --host")
      }
    } else if files.isEmpty != host {
      throw ValidationError(
        host ? "--host or FILES, not both" : "name files or folders, or --host for this machine")
    }
    if let kernel, kernel.split(separator: ".").count < 2 || !(kernel.first?.isNumber ?? false) {
      throw ValidationError("--kernel takes a release as uname -r prints it, not \(kernel)")
    }
    if since != nil, !host {
      throw ValidationError("--since is for --host; of FILES give both readings, the earlier one first")
    }
    if host, kernel != nil { throw ValidationError("--kernel is for files: this machine's kernel is known") }
  }

  func run() async throws {
    guard rules == nil else { return Console.write(AuditRules.prometheus, to: .standardOutput) }
    var input = AuditInput(kernel: kernel)
    if host {
      await AuditHost.read(into: &input)
      if let since { try input.since(text: try AuditFiles.text(since), file: since) }
    } else {
      for file in files { try AuditFiles.add(file, to: &input) }
      guard !input.isEmpty else {
        throw Failure(
          stage: "audit", object: files.joined(separator: ", "),
          cause: "nothing that this reads: no setting, counter or rule that the lab knows of",
          mend: "pawslab audit --help lists what it reads; captures are for pawslab diagnose", isUsage: true)
      }
    }
    var audit = Audit(input)
    // What this machine's own kernel does, it shows itself.
    audit.look(in: try ran(), kernels: host ? [:] : Self.kernels)
    switch format {
    case .text: for line in AuditText(audit).lines { Console.print(line) }
    case .json: Console.write(try jsonDocument(audit), to: .standardOutput)
    case .sarif: Console.write(try jsonDocument(Sarif(audit)), to: .standardOutput)
    }
    if failOn.isMet(by: audit) { throw ExitCode(1) }
  }

  /// The lab's names of Debian's kernels.
  private static let kernels = [
    "5.10": "debian-11", "6.1": "debian-12", "6.12": "debian-13", "7.2": "debian-sid",
  ]

  /// Cases that passed, and the releases of their kernels.
  private func ran() throws -> [String: [String]] {
    var folders = from
    if folders.isEmpty, let lab = try? LabFolder.find() {
      let kept = (try? FileManager.default.contentsOfDirectory(atPath: lab + "/recorded")) ?? []
      folders = kept.sorted().map { "\(lab)/recorded/\($0)" }
    }
    var ran: [String: [String]] = [:]
    for folder in folders {
      let results: Results
      do { results = try RunFolder(reading: folder).loadResults() } catch {
        if from.isEmpty { continue }
        throw error
      }
      for entry in results.cases where entry.verdict == .pass && entry.emulation == nil {
        guard let release = results.kernels[entry.kernel]?.release else { continue }
        ran[entry.id, default: []].append(release)
      }
    }
    return ran
  }
}

/// Files and folders of an audit.
enum AuditFiles {
  /// A text is read whole, and is never as large; in folders still less is a settings file.
  private static let longest = 256 << 20
  private static let longestFound = 1 << 20
  /// Files that are looked at below one folder.
  private static let most = 20_000
  private static let deepest = 24
  /// Folders whose files are nobody's settings, and names of prose.
  private static let skipped: Set<String> = [
    ".git", ".svn", ".hg", "node_modules", ".build", "__pycache__", ".terraform",
  ]
  private static let prose: Set<String> = ["md", "rst", "adoc", "html", "po", "pot"]

  static func add(_ path: String, to input: inout AuditInput) throws {
    var isFolder: ObjCBool = false
    if path != "-", FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      return walk(path, to: &input)
    }
    if path != "-", try addSupport(path, to: &input) { return }
    try input.add(text: try text(path), file: path == "-" ? "standard input" : path)
  }

  /// What a packed sosreport or supportconfig has of the network.
  ///
  /// - Returns: whether it is an archive.
  private static func addSupport(_ path: String, to input: inout AuditInput) throws -> Bool {
    guard let handle = FileHandle(forReadingAtPath: path),
      let beginning = try? handle.read(upToCount: 512), SupportArchive.looksLike([UInt8](beginning))
    else { return false }
    guard let texts = try SupportTexts.of(path, withTables: true) else { return false }
    for (name, text) in texts {
      // One command that failed there does not take the rest away.
      do { try input.add(text: text, file: name, isFound: true) } catch let failure as Failure {
        input.cannotTell("\(name) is spoilt: \(failure.cause)")
      }
    }
    return true
  }

  /// A text that somebody has named.
  static func text(_ path: String) throws -> String {
    let data: Data
    do {
      let handle =
        path == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
      data = try handle.read(upToCount: longest) ?? Data()
    } catch {
      let below = (error as NSError).userInfo[NSUnderlyingErrorKey] as? NSError ?? error as NSError
      throw Failure(
        stage: "audit", object: path,
        cause: below.domain == NSPOSIXErrorDomain ? String(cString: strerror(Int32(below.code))) : "\(error)",
        mend: "name files that can be read", isUsage: true)
    }
    let name = path == "-" ? "standard input" : path
    guard case .text = Incident.kind(of: [UInt8](data.prefix(512))) else {
      throw Failure(
        stage: "audit", object: name, cause: "no text",
        mend: "captures are for pawslab diagnose; packed files have to be unpacked", isUsage: true)
    }
    return String(decoding: data, as: UTF8.self)
  }

  /// Every file below, in the order of names, without following links; what is spoilt is said and passed over.
  private static func walk(_ root: String, to input: inout AuditInput) {
    var (seen, isCut) = (0, false)
    func enter(_ folder: String, depth: Int) {
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
        return input.cannotTell("\(folder) cannot be read")
      }
      for name in names.sorted() where !skipped.contains(name) {
        let path = folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
        let kept = try? FileManager.default.attributesOfItem(atPath: path)
        switch kept?[.type] as? FileAttributeType {
        case .typeDirectory?:
          if depth < deepest { enter(path, depth: depth + 1) } else { isCut = true }
        case .typeRegular?:
          seen += 1
          guard seen <= most else {
            isCut = true
            return
          }
          guard let size = kept?[.size] as? Int, size <= longestFound, size > 0,
            !prose.contains((name as NSString).pathExtension.lowercased())
          else { continue }
          guard let data = FileManager.default.contents(atPath: path) else {
            input.cannotTell("\(path) cannot be read")
            continue
          }
          guard !data.prefix(4096).contains(0) else { continue }
          do { try input.add(text: String(decoding: data, as: UTF8.self), file: path, isFound: true) } catch {
            input.cannotTell("\(path) is spoilt: \(error)")
          }
        default: continue
        }
      }
    }
    enter(root, depth: 0)
    if isCut { input.cannotTell("\(root) has more than \(most) files, or folders deeper than \(deepest)") }
  }
}

extension Sarif {
  init(_ audit: Audit) {
    let rules = Audit.rules
    let indices = Dictionary(uniqueKeysWithValues: rules.enumerated().map { ($1.id, $0) })
    self.init(
      tool: "pawslab", version: "0.1",
      rules: rules.map { rule in
        Rule(
          id: rule.id, short: rule.title, full: "\(rule.title). Hurts: \(rule.whom). By: \(rule.source).",
          help: rule.help, level: rule.level.rawValue, tags: ["at-\(rule.role.rawValue)"] + rule.mechanisms)
      },
      results: audit.all.map { finding in
        let locations = finding.places.map { place in
          place.line.map { Location(file: place.file, line: $0) } ?? Location(name: place.file)
        }
        let unless = finding.unless.map { " (unless \($0))" } ?? ""
        let seen = finding.cases.first.map { "; see it: \($0.command)" } ?? ""
        return Result(
          ruleId: finding.rule, ruleIndex: indices[finding.rule] ?? -1, level: finding.level.rawValue,
          message:
            "\(finding.what): \(finding.title)\(unless). Hurts \(finding.whom). What ends it: \(finding.change)\(seen)",
          locations: locations.isEmpty ? [Location(name: finding.what)] : locations,
          properties: ["kind": finding.hasHappened ? "finding" : "exposure"])
      }, notes: audit.notTold)
  }
}
