import Model

/// Where a run's folder keeps what a case gave: below the folder, one file per case and kernel, by the case's dotted
/// name; from a seed other than 0, in a folder of that seed's.
struct CaseFiles {
  /// `observations/KERNEL/NAME.json`, `observations/KERNEL/seed-7/NAME.json`: everything that was seen but the packets.
  let observation: String
  /// `captures/KERNEL/NAME.pcapng`: the packets.
  let capture: String

  init(_ place: PlannedRun.Place) {
    self.init(
      CaseName(id: place.id).description, place.kernel + (place.file.seed.map { "/seed-\($0)" } ?? ""))
  }

  private init(_ name: String, _ folder: String) {
    observation = "observations/\(folder)/\(name).json"
    capture = "captures/\(folder)/\(name).pcapng"
  }

  /// As runs of before dotted names have it. Two ids could have one such name: what is read is asked whose it is.
  static func old(id: String, kernel: String) -> CaseFiles {
    CaseFiles(String(id.map { $0.isLetter || $0.isNumber || "=,.-".contains($0) ? $0 : "_" }), kernel)
  }
}
