/// What was read where a ``Field`` stood: of its kind, and within its bounds.
public indirect enum FieldValue: Sendable, Equatable {
  case number(Int)
  case decimal(Double)
  case flag(Bool)
  /// A word, a name, free text, an address.
  case text(String)
  case clock(Clock)
  case ports(ClosedRange<Int>)
  case list([FieldValue])
  /// In the file's order.
  case entries([(key: String, value: FieldValue)])

  public static func == (left: FieldValue, right: FieldValue) -> Bool {
    switch (left, right) {
    case (.number(let left), .number(let right)): left == right
    case (.decimal(let left), .decimal(let right)): left == right
    case (.flag(let left), .flag(let right)): left == right
    case (.text(let left), .text(let right)): left == right
    case (.clock(let left), .clock(let right)): left == right
    case (.ports(let left), .ports(let right)): left == right
    case (.list(let left), .list(let right)): left == right
    case (.entries(let left), .entries(let right)):
      left.count == right.count && zip(left, right).allSatisfy { $0.key == $1.key && $0.value == $1.value }
    default: false
    }
  }

  public var number: Int? { if case .number(let value) = self { value } else { nil } }
  /// A whole number is one too.
  public var decimal: Double? {
    switch self {
    case .decimal(let value): value
    case .number(let value): Double(value)
    default: nil
    }
  }
  public var flag: Bool? { if case .flag(let value) = self { value } else { nil } }
  public var text: String? { if case .text(let value) = self { value } else { nil } }
  public var clock: Clock? { if case .clock(let value) = self { value } else { nil } }
  public var ports: ClosedRange<Int>? { if case .ports(let value) = self { value } else { nil } }
  /// One alone is a list of one.
  public var list: [FieldValue] { if case .list(let values) = self { values } else { [self] } }
  /// The texts of a list.
  public var texts: [String] { list.compactMap(\.text) }
  public var entries: [(key: String, value: FieldValue)]? {
    if case .entries(let values) = self { values } else { nil }
  }
  /// The value under a key of a record.
  public subscript(_ key: String) -> FieldValue? { entries?.first { $0.key == key }?.value }
}

/// A step as it was read: what stood behind the verb, and its options.
public struct StepWords: Sendable {
  public var subject: FieldValue
  public var options: [String: FieldValue]

  public init(subject: FieldValue, options: [String: FieldValue] = [:]) {
    self.subject = subject
    self.options = options
  }

  public subscript(_ option: String) -> FieldValue? { options[option] }

  /// A word that is a case of an enumeration; nil where the option is not there.
  public func word<Word: RawRepresentable>(_ option: String, _ type: Word.Type = Word.self) -> Word?
  where Word.RawValue == String {
    options[option]?.text.flatMap(Word.init(rawValue:))
  }
}
