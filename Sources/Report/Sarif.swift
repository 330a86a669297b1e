/// A log of the Static Analysis Results Interchange Format 2.1.0 (OASIS), of what code hosts and editors show: one run of one
/// tool, its rules, and results at their lines.
public struct Sarif: Encodable, Sendable {
  public let version = "2.1.0"
  public let schema =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
  public var runs: [Run]

  enum CodingKeys: String, CodingKey {
    case version
    case schema = "$schema"
    case runs
  }

  public struct Run: Encodable, Sendable {
    public var tool: Tool
    public var invocations: [Invocation]
    public var results: [Result]
    public let columnKind = "unicodeCodePoints"
  }

  public struct Tool: Encodable, Sendable { public var driver: Driver }

  public struct Driver: Encodable, Sendable {
    public var name: String
    public var version: String
    public var rules: [Rule]
  }

  /// What may be found.
  public struct Rule: Encodable, Sendable {
    public var id: String
    public var shortDescription: Message
    public var fullDescription: Message
    public var help: Message
    public var defaultConfiguration: Configuration
    public var properties: [String: [String]]

    public init(
      id: String, short: String, full: String, help: String, level: String, tags: [String]
    ) {
      self.id = id
      (shortDescription, fullDescription, self.help) = (Message(short), Message(full), Message(help))
      defaultConfiguration = Configuration(level: level)
      properties = ["tags": tags]
    }
  }

  public struct Configuration: Encodable, Sendable { public var level: String }

  public struct Message: Encodable, Sendable {
    public var text: String
    public init(_ text: String) { self.text = text }
  }

  /// That the tool was run, and what it could not look at.
  public struct Invocation: Encodable, Sendable {
    public let executionSuccessful = true
    public var toolExecutionNotifications: [Notification]
  }

  public struct Notification: Encodable, Sendable {
    public let level = "note"
    public var message: Message
  }

  public struct Result: Encodable, Sendable {
    public var ruleId: String
    /// Its place in the tool's rules.
    public var ruleIndex: Int
    /// `error`, `warning`, `note`.
    public var level: String
    public var message: Message
    public var locations: [Location]
    public var properties: [String: String]

    public init(
      ruleId: String, ruleIndex: Int, level: String, message: String, locations: [Location],
      properties: [String: String]
    ) {
      self.properties = properties
      (self.ruleId, self.ruleIndex, self.level) = (ruleId, ruleIndex, level)
      (self.message, self.locations) = (Message(message), locations)
    }
  }

  /// A line of a file, or a name of what is no file.
  public struct Location: Encodable, Sendable {
    public var physicalLocation: Physical?
    public var logicalLocations: [Logical]?

    public init(file: String, line: Int) {
      physicalLocation = Physical(
        artifactLocation: Artifact(uri: Self.uri(file)), region: Region(startLine: line))
    }

    public init(name: String) { logicalLocations = [Logical(fullyQualifiedName: name)] }

    public struct Physical: Encodable, Sendable {
      public var artifactLocation: Artifact
      public var region: Region
    }

    public struct Artifact: Encodable, Sendable { public var uri: String }

    public struct Region: Encodable, Sendable { public var startLine: Int }

    public struct Logical: Encodable, Sendable { public var fullyQualifiedName: String }

    /// A path as a reference of RFC 3986: relative as it is, absolute as `file://`; what is not of a path is in hexadecimal.
    static func uri(_ path: String) -> String {
      var path = Substring(path)
      while path.hasPrefix("./") { path = path.dropFirst(2) }
      var text = path.hasPrefix("/") ? "file://" : ""
      for byte in path.utf8 {
        let scalar = Unicode.Scalar(byte)
        let isPlain =
          scalar.isASCII
          && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
            || "/-._~".unicodeScalars.contains(scalar))
        if isPlain {
          text.unicodeScalars.append(scalar)
        } else {
          let digits = String(byte, radix: 16, uppercase: true)
          text += "%" + (digits.count < 2 ? "0" : "") + digits
        }
      }
      return text
    }
  }

  /// - Parameter notes: what could not be looked at.
  public init(tool: String, version: String, rules: [Rule], results: [Result], notes: [String]) {
    runs = [
      Run(
        tool: Tool(driver: Driver(name: tool, version: version, rules: rules)),
        invocations: [
          Invocation(toolExecutionNotifications: notes.map { Notification(message: Message($0)) })
        ],
        results: results)
    ]
  }
}
