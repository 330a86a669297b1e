/// Where something is written.
public struct Place: Codable, Sendable, Hashable, CustomStringConvertible {
  /// The file's path, as it was named on the command line or found from there.
  public var file: String
  /// From 1; nil where the whole file is meant.
  public var line: Int?

  /// Makes a place.
  public init(file: String, line: Int? = nil) {
    self.file = file
    self.line = line
  }

  /// `lab/direct.yaml:12`
  public var description: String { file + (line.map { ":\($0)" } ?? "") }
}

extension Case {
  /// Where what is expected of it on a kernel is written: the rule that counts there, else the file; nil where the
  /// case was not read from one.
  public func place(on kernel: Kernel?) -> Place? {
    source.map { Place(file: $0.file, line: kernel.flatMap { rule(on: $0)?.line } ?? $0.line) }
  }
}
