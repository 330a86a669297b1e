import ArgumentParser
import Foundation
import MicroVM
import Model
import Report

struct RecordCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "record",
    abstract: "A small, signed file of what each kernel of a run does with each setting.",
    discussion: """
      One file per kernel, NAME.json: what every case did, by which mechanism, which counters moved, digests of what ran in \
      virtual time, and what the kernel can. pawslab diff takes it where it takes a run. Signatures are of \
      ssh-keygen -Y (ssh-keygen(1), SSHSIG), in NAME.json.sig; who may sign stands in allowed_signers beside the files. \
      What is emulated is not recorded.

      Examples:
        pawslab record out --output lab/records --sign ~/.ssh/id_ed25519
        pawslab record --check lab/records/*.json
        pawslab record --table lab/records/*.json
        pawslab diff lab/records/debian-12.json out:debian-12
      """)

  @Argument(help: "Folders that runs kept with --out; with --check or --table, records.")
  var paths: [String]

  @Option(help: "Only these kernels of them (default: every one).")
  var kernel: [String] = []

  @Option(help: "The folder that records are written to (default: lab/records).")
  var output: String?

  @Option(help: "Sign with this key: a file of ssh-keygen's, or a public key whose private one an agent has.")
  var sign: String?

  @Flag(help: "Write nothing: read records, and say who has signed them.")
  var check = false

  @Flag(help: "Write nothing: print records beside each other as Markdown, with where they differ and why.")
  var table = false

  func validate() throws {
    if check && table { throw ValidationError("--check or --table, not both") }
    if check || table, output != nil || sign != nil || !kernel.isEmpty {
      throw ValidationError(
        "--\(check ? "check" : "table") reads records: it takes no --output, --sign or --kernel")
    }
  }

  func run() async throws {
    if table {
      var records: [KernelRecord] = []
      for path in paths {
        let (record, signature) = try await SignedRecord.read(path)
        Console.error("pawslab: \(path): \(signature.words)")
        records.append(record)
      }
      Console.print(lines: try RecordTable(records).markdown)
      return
    }
    if check {
      for path in paths {
        let (record, signature) = try await SignedRecord.read(path)
        Console.print("\(path): \(Self.words(record)), \(signature.words)")
      }
      return
    }
    var records: [KernelRecord] = []
    for path in paths {
      let results = try RunFolder(reading: path).loadResults()
      let names = results.kernelNames.filter { name in
        (try? ResultName(name))?.emulation == nil && (kernel.isEmpty || kernel.contains(name))
      }
      for name in names {
        let stored = KernelStore().entry(name)
        let release = results.kernels[name]?.release
        records.append(
          try KernelRecord(
            results, name: name, program: Pawslab.configuration.version,
            source: stored?.release == release ? stored?.source : nil))
        let left = KernelRecord.leftOut(of: results, name: name)
        if left > 0 {
          Console.error("pawslab: \(path): \(name): \(left) cases broke or were not judged, and are left out")
        }
      }
    }
    let found = Set(records.map(\.name))
    if let name = kernel.first(where: { !found.contains($0) }) {
      throw ValidationError("--kernel \(name): none of these runs has it")
    }
    guard found.count == records.count else {
      throw ValidationError("two of these runs have one kernel: name one of them, or merge them")
    }
    let folder = try output ?? "\(LabFolder.find())/records"
    for record in records {
      let path = "\(folder)/\(record.name).json"
      let text = try record.text
      try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      try OutputFile.write(text, to: path, option: "--output")
      // A signature of what was there before is none of this.
      try? FileManager.default.removeItem(atPath: SignedRecord.signature(of: path))
      var signed = "not signed"
      if let sign {
        try await SignedRecord.sign(path, with: sign)
        signed = try await SignedRecord.read(path).signature.words
      }
      Console.print("\(path): \(Self.words(record)), \(text.utf8.count) bytes, \(signed)")
    }
  }

  private static func words(_ record: KernelRecord) -> String {
    let digests = record.digests.count
    return "Linux \(record.kernel.release), \(record.count) cases"
      + (digests > 0 ? ", \(digests) of them with digests" : "")
  }
}
