import Foundation
import Judging
import Model

extension Results {
  /// A report of the kernel CI database, in its format 5.0 (kcidb_io/schema/v05_00.py): a build for each kernel, a test
  /// for each case on it.
  ///
  /// `path` is `pawslab.` and the case's dotted name (``CaseName``). A case that broke is `ERROR`, one that the run never
  /// came to is `MISS`, what an emulation did is `DONE`; a failure that is known is `FAIL` all the same, for there issues
  /// say what is known, and `misc` has by what. Origin, checkout and builds are of the lab's own making: whoever submits
  /// puts theirs in.
  ///
  /// One run has the same ids whenever they are asked for, so that nothing is submitted twice.
  ///
  /// - Parameter time: when the run was written, in UTC in the ids.
  public func kcidb(time: Date) throws -> String {
    let stamp = time.formatted(.iso8601)
    let run = "\(stamp).\(Self.hash(try json()))"
    func id(_ parts: String...) -> String { "pawslab:" + parts.map(Self.word).joined(separator: ":") }
    let builds = kernelNames.map { name in
      let kernel = kernels[name]
      return KCIDB.Build(
        checkout_id: id(kernel?.release ?? name), id: id(run, name),
        architecture: kernel.map { Self.word($0.machine).lowercased().replacing(/[^a-z0-9_]/, with: "_") },
        comment: Visible.line("\(name): Linux \(kernel?.release ?? "?")"))
    }
    let entries = cases.map { ($0, false) } + (notJudged ?? []).map { ($0, true) }
    let tests = entries.map { entry, isMissing in
      let log = (entry.reasons + entry.furtherEvidence).map { Visible.line($0) }.joined(separator: "\n")
      return KCIDB.Test(
        build_id: id(run, entry.kernel), id: id(run, entry.kernel, entry.machineName),
        path: "pawslab.\(entry.machineName)",
        comment: Visible.line(entry.title),
        status: isMissing ? "MISS" : Self.status(of: entry),
        duration: entry.seconds.isFinite ? max(0, entry.seconds) : nil,
        // Characters are at least as many as the schema counts.
        log_excerpt: entry.standing == .passed ? nil : String(log.unicodeScalars.prefix(16_384)),
        environment: .init(
          comment: Visible.line("\(entry.kernel): Linux \(kernels[entry.kernel]?.release ?? "?")")),
        misc: .init(
          kernel: entry.kernel, release: kernels[entry.kernel]?.release, known: entry.known?.text,
          required: entry.unmet, seed: entry.seed))
    }
    return try jsonDocument(
      KCIDB(
        checkouts: Set(builds.map(\.checkout_id)).sorted().map { .init(id: $0) }, builds: builds,
        tests: tests))
  }

  /// What is said of the kernel: nothing, where it was an emulation that was judged, whatever was required.
  private static func status(of entry: Entry) -> String {
    switch entry.verdict {
    case .pass where entry.emulation != nil, .fail where entry.emulation != nil: "DONE"
    case .pass: "PASS"
    case .fail: "FAIL"
    case .skip: "SKIP"
    case .error: "ERROR"
    }
  }

  /// Without colons, spaces and what acts: a part of an id.
  private static func word(_ text: String) -> String {
    text.replacing(/[^A-Za-z0-9._-]/, with: "-")
  }

  /// FNV-1a of 64 bits, in 16 hexadecimal digits.
  private static func hash(_ text: String) -> String {
    let value = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
      ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3
    }
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

/// The document, as far as a run fills it. Names are the schema's.
private struct KCIDB: Encodable {
  var version = ["major": 5, "minor": 0]
  var checkouts: [Checkout]
  var builds: [Build]
  var tests: [Test]

  struct Checkout: Encodable {
    var id: String
    var origin = "pawslab"
  }

  struct Build: Encodable {
    var checkout_id: String
    var id: String
    var origin = "pawslab"
    var architecture: String?
    var comment: String
  }

  struct Test: Encodable {
    var build_id: String
    var id: String
    var origin = "pawslab"
    var path: String
    var comment: String
    var status: String
    /// Seconds.
    var duration: Double?
    var log_excerpt: String?
    var environment: Environment
    var misc: Misc

    struct Environment: Encodable { var comment: String }

    struct Misc: Encodable {
      var kernel: String
      var release: String?
      var known: String?
      var required: String?
      var seed: UInt64?
    }
  }
}
