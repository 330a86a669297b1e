import Judging
import Foundation
import LabFile
import Model
import Testing
import TestSupport

import struct Model.Expectation

/// `lab/schema.json` is printed from the grammar; what it refuses the reader refuses too.
@Suite struct SchemaTests {
  static let file = URL(fileURLWithPath: LabFilesTests.folder).appendingPathComponent("schema.json")

  /// `PAWSLAB_WRITE=1 swift test --filter Schema` writes it anew.
  @Test func theFileIsWhatTheGrammarSays() throws {
    if ProcessInfo.processInfo.environment["PAWSLAB_WRITE"] != nil {
      try Data(Schema.text.utf8).write(to: Self.file)
    }
    let written = try String(contentsOf: Self.file, encoding: .utf8)
    #expect(written == Schema.text, "PAWSLAB_WRITE=1 swift test --filter Schema")
  }

  /// Words that the model has, found where the schema must have them: the printer leaves none out.
  @Test func theSchemaKnowsEveryNameOfTheCode() throws {
    let document = try JSONSerialization.jsonObject(with: Data(Schema.text.utf8))
    func at(_ path: String) -> Any? {
      path.split(separator: "/").reduce(document as Any?) { ($0 as? [String: Any])?[String($1)] }
    }
    func words(_ path: String) -> [String]? { at(path + "/enum") as? [String] }
    func list<Value: CaseIterable & RawRepresentable>(_: Value.Type) -> [String]
    where Value.RawValue == String {
      Value.allCases.map(\.rawValue)
    }
    #expect(words("definitions/expectation") == Expectation.all.map(\.description))
    let settings = at("definitions/settings/properties") as? [String: Any]
    #expect(Set(settings?.keys.map { $0 } ?? []) == Set(Setting.all.map(\.name)))
    let topology = "properties/topology/properties"
    #expect(words(topology + "/kind") == list(Network.Topology.self))
    #expect(words(topology + "/family") == list(Network.Family.self))
    #expect(words(topology + "/hop/properties/backend") == list(Hop.Backend.self))
    #expect(words(topology + "/hop/properties/scheduler") == list(Network.Scheduler.self))
    #expect(at(topology + "/servers/maximum") as? Int == Bounds.servers)
    #expect(at("properties/matrix/maxProperties") as? Int == Bounds.axes)
    #expect(words("definitions/connect/properties/closes") == list(Step.Closer.self))
    #expect(words("definitions/flush/properties/flush") == list(Step.Table.self))
    #expect(at("definitions/churn/properties/connections/maximum") as? Int == Bounds.connections)
    let steps = at("properties/workload/items/oneOf") as? [[String: String]]
    #expect(
      steps?.compactMap { $0["$ref"] } == Step.verbs.keys.sorted().map { "#/definitions/\($0)" })
    for (key, values) in [
      ("source", list(Rule.Source.self)), ("time_wait", list(Rule.TimeWaitLength.self)),
    ] {
      #expect(words("properties/expect/items/properties/\(key)") == values)
    }
  }

  /// YAML 1.2 as editors read it: `off` is a word.
  static let validator = """
    import json, re, sys, yaml, jsonschema
    class Loader(yaml.SafeLoader): pass
    Loader.yaml_implicit_resolvers = {
      first: [(tag, rule) for tag, rule in rules if tag.split(":")[-1] in ("int", "float", "null")]
      for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()}
    Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))
    schema = json.load(open(sys.argv[1]))
    jsonschema.Draft7Validator.check_schema(schema)
    for path in sys.argv[2:]:
      errors = list(jsonschema.Draft7Validator(schema).iter_errors(yaml.load(open(path), Loader)))
      print("wrong" if errors else "right", path, *[e.message[:80] for e in errors[:1]])
    """

  /// The verdict of python's jsonschema on each file.
  static func validate(_ paths: [String]) throws -> [String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Needs.program("python3")))
    process.arguments = ["-c", validator, file.path] + paths
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return text.split(separator: "\n").map(String.init)
  }

  static let hasValidator: Bool = {
    guard let python = Needs.program("python3") else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", "import jsonschema, yaml"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }()

  @Test(.enabled(if: Needs.met(hasValidator), "python3-jsonschema and python3-yaml are not installed"))
  func everyLabFileIsValid() throws {
    let paths = try LabFiles.discover(paths: [LabFilesTests.folder])
    let verdicts = try Self.validate(paths)
    #expect(verdicts == paths.map { "right \($0)" })
  }

  /// Each is refused by the reader as well.
  @Test(.enabled(if: Needs.met(hasValidator), "python3-jsonschema and python3-yaml are not installed"))
  func whatIsBrokenIsNot() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("schema-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let spoilt = [
      ("title: A title\n", ""), ("title:", "titel:"), ("kind: snat", "kind: snaat"),
      ("behind: -600000", "behind: -6000000000"), ("early: {}", "early: {count: 4001}"),
      ("{tcp_rfc1337: 0}", "{tcp_rfc1338: 0}"), ("{tcp_rfc1337: 0}", "{tcp_rfc1337: on}"),
      ("[kept, flushed]", "kept"), ("closes: server", "close: server"),
      ("flush: conntrack", "flsh: conntrack"),
      ("- connect: late", "- connect: late\n    times: 1001"),
      ("late: dropped by tw-paws", "late: dropped by tw-pavs"), ("because: it is so\n", "\n"),
      ("family: [ipv4, ipv6]", "family: [ipv4, ipv5]"),
      ("conntrack: flushed}\n    late", "conntrack: flushed, kernel: \">= 6.16\"}\n    late"),
      ("- connect: late", "- churn: late\n    connections: 5\n    rate: 5\n    flush: conntrack"),
    ]
    var paths: [String] = []
    for (index, (right, wrong)) in spoilt.enumerated() {
      let text = MistakeTests.good.replacing(right, with: wrong, maxReplacements: 1)
      #expect(text != MistakeTests.good)
      #expect(MistakeTests.mistakes(text) != [], "\(wrong)")
      let path = folder.appendingPathComponent("\(index).yaml")
      try Data(text.utf8).write(to: path)
      paths.append(path.path)
    }
    let good = folder.appendingPathComponent("good.yaml")
    try Data(MistakeTests.good.utf8).write(to: good)
    let verdicts = try Self.validate(paths + [good.path])
    #expect(verdicts.map { $0.prefix(5) } == paths.map { _ in "wrong" } + ["right"], "\(verdicts)")
  }
}
