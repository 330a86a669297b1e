import Model

/// Where a run's folder keeps what a case gave: below the folder, one file per case and kernel, by the case's dotted
/// name.
struct CaseFiles {
  /// `observations/KERNEL/NAME.json`: everything that was seen but the packets.
  let observation: String
  /// `captures/KERNEL/NAME.pcapng`: the packets.
  let capture: String

  init(id: String, kernel: String) { self.init(CaseName(id: id).description, kernel) }

  private init(_ name: String, _ kernel: String) {
    observation = "observations/\(kernel)/\(name).json"
    capture = "captures/\(kernel)/\(name).pcapng"
  }

  /// As runs of before dotted names have it. Two ids could have one such name: what is read is asked whose it is.
  static func old(id: String, kernel: String) -> CaseFiles {
    CaseFiles(String(id.map { $0.isLetter || $0.isNumber || "=,.-".contains($0) ? $0 : "_" }), kernel)
  }
}
