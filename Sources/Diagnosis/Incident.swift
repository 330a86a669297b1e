import Model

/// All that a person with an outage has brought: captures and texts, in any order.
public struct Incident: Sendable {
  /// A capture that was read.
  struct Capture: Sendable {
    var file: String
    var traffic: Traffic
    var view: View
  }

  private(set) var captures: [Capture] = []
  private(set) var facts = Facts()
  private(set) var files: [Answer.File] = []
  /// Where the captures were made, where the person says so.
  private let place: View?

  /// - Parameter place: where the captures were made; nil to have it found out.
  public init(at place: View? = nil) { self.place = place }

  /// Whether anything was of a kind that is known.
  public var isEmpty: Bool { captures.isEmpty && facts.isEmpty }

  /// What is to be said of the files that were given so far.
  public var notes: [String] { files.flatMap { file in file.notes.map { "\(file.name): \($0)" } } }

  /// How a file is to be read, by its first bytes.
  public enum Kind: Sendable { case capture, text, other(String) }

  /// - Parameter beginning: the first bytes of a file, some hundred or all that there are.
  public static func kind(of beginning: [UInt8]) -> Kind {
    if CaptureReader.recognises(beginning) { return .capture }
    if let name = OtherFile.name(beginning) { return .other(name) }
    if beginning.contains(0) { return .other("binary, and no capture that this reads") }
    return .text
  }

  /// Reads a capture piece by piece; nothing but what is counted is kept.
  public struct CaptureStream {
    private var reader: CaptureReader
    private var traffic = Traffic()

    /// - Parameter file: its name, for errors.
    public init(file: String) { reader = CaptureReader(file: file) }

    /// One that keeps some of the packets too.
    init(file: String, watching: Watch) {
      self.init(file: file)
      traffic.watch = watching
    }

    /// Those that were kept.
    var watched: [Sighting] { traffic.watch?.segments ?? [] }

    /// - Throws: `Failure` with the offset of what is not as the format has it.
    public mutating func add(_ bytes: UnsafeRawBufferPointer) throws {
      var traffic = self.traffic
      self.traffic = Traffic()
      defer { self.traffic = traffic }
      try reader.add(bytes) { frame in traffic.add(LinkDecoder.content(frame), link: frame.link) }
    }

    fileprivate mutating func end() -> (CaptureReader, Traffic) {
      traffic.end()
      return (reader, traffic)
    }
  }

  /// Takes in a capture that was read to its end.
  public mutating func add(_ stream: CaptureStream, file: String) {
    var stream = stream
    let (reader, traffic) = stream.end()
    let view = place ?? traffic.view.view(forwards: traffic.forwards)
    var notes: [String] = []
    let seconds = traffic.segments == 0 ? 0 : Double(traffic.last - traffic.first) / 1e9
    notes.append(
      "\(reader.packets) packets, \(traffic.segments) of TCP, \(Words.seconds(seconds)), seen \(Words.place(view))"
    )
    if traffic.view.isOneSided, traffic.segments > 0 {
      notes.append("one direction only: from the \(traffic.view.fromServers == 0 ? "clients" : "servers")")
    }
    for (link, count) in traffic.foreign.sorted(by: { $0.key < $1.key }) {
      notes.append("\(count) packets of link type \(link), which this does not read")
    }
    if reader.cut > 0 { notes.append("cut off in the middle of its last packet") }
    if traffic.beyond > 0 { notes.append("\(traffic.beyond) segments of more connections than are kept") }
    if traffic.troubledBeyond > 0 {
      notes.append("\(traffic.troubledBeyond) more connections in trouble than are looked at")
    }
    files.append(Answer.File(name: file, kind: "capture", notes: notes))
    captures.append(Capture(file: file, traffic: traffic, view: view))
  }

  /// Takes in a text; one of an unknown kind is named in the answer.
  ///
  /// - Throws: `Failure` with file and line of what is not as its kind has it.
  public mutating func add(text: String, file: String) throws {
    let lines = Line.all(of: text)
    guard let kind = TextKind.recognise(lines) else {
      return add(unknown: "none of the kinds that this reads", file: file)
    }
    try facts.add(kind, lines, file: file)
    files.append(Answer.File(name: file, kind: kind.rawValue, notes: []))
  }

  /// Takes in a file that cannot be read.
  public mutating func add(unknown why: String, file: String) {
    files.append(Answer.File(name: file, kind: "unknown", notes: [why]))
  }

  /// What is to be said.
  public func answer() -> Answer { Reasoner(self).answer() }
}
