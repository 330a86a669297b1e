import Judging
import Model

/// The grammar as a JSON schema, for editors and other validators: draft 7, the newest that the YAML language server
/// takes whole. What it refuses the reader refuses; the reader knows more.
public enum Schema {
  /// The document, as `lab/schema.json` has it.
  public static var text: String { document.text }

  private static var document: JSON {
    let sections = Grammar.sections
    return [
      "$schema": "http://json-schema.org/draft-07/schema#",
      "title": "pawslab lab file",
      "description": "One network, what varies, what happens, what is expected and why.",
      "type": "object",
      "additionalProperties": false,
      "required": .words(sections.filter(\.isRequired).map(\.name)),
      "properties": .object(sections.map { ($0.name, described($0, section($0))) }),
      "definitions": .object(definitions),
    ]
  }

  /// A section: some are lists that are never one alone, or have bounds of their own.
  private static func section(_ field: Field) -> JSON {
    switch (field.name, field.kind) {
    case ("matrix", _):
      return [
        "type": "object",
        "maxProperties": .number(Bounds.axes),
        "propertyNames": ["pattern": .string("^(\(name)|\(name)\\.[A-Za-z0-9_.]+)$")],
        "properties": .object(parameters.map { ($0.path, values($0.kind)) }),
        "additionalProperties": values(.scalar),
      ]
    case ("clients", .entries(let key, let kind)):
      // A client without a word of its own is empty.
      return [
        "type": "object",
        "maxProperties": .number(Bounds.clients),
        "minProperties": 1,
        "propertyNames": schema(key),
        "additionalProperties": ["anyOf": [["type": "null"], schema(kind)]],
      ]
    case (_, .list(let kind, _)) where kind.isMapping:
      let array: JSON = ["type": "array", "items": schema(kind)]
      return field.isRequired ? array.adding([("minItems", 1)]) : array
    default: return schema(field.kind)
    }
  }

  private static func values(_ kind: FieldKind) -> JSON {
    [
      "type": "array", "minItems": 1, "maxItems": .number(Bounds.values), "uniqueItems": true,
      "items": schema(kind),
    ]
  }

  /// Parameters whose paths are the same in every file.
  private static var parameters: [(path: String, kind: FieldKind)] {
    ([Parameter.kind(called: "topology")] + Parameter.ofNetwork).map { ($0.name, $0.field.kind) }
      + Parameter.ofHop.map { ("\(Network.hop).\($0.name)", $0.field.kind) }
  }

  // MARK: kinds

  private static let name = "[A-Za-z0-9][A-Za-z0-9_-]{0,\(Bounds.name - 1)}"

  private static func reference(_ name: String) -> JSON { ["$ref": .string("#/definitions/\(name)")] }

  static func schema(_ kind: FieldKind) -> JSON {
    switch kind {
    case .number(let range, _):
      return [
        "type": "integer", "minimum": .number(range.lowerBound), "maximum": .number(range.upperBound),
      ]
    case .decimal(let range, _):
      return [
        "type": "number", "minimum": .decimal(range.lowerBound), "maximum": .decimal(range.upperBound),
      ]
    case .flag: return ["type": "boolean"]
    case .word(let words): return ["enum": .words(words)]
    case .text(let limit): return ["type": ["string", "number", "boolean"], "maxLength": .number(limit)]
    case .paragraphs: return ["type": ["string", "number", "boolean"], "maxLength": .number(Bounds.why)]
    case .newName: return ["type": ["string", "integer"], "pattern": .string("^\(name)$")]
    case .name(.setting): return ["enum": .words(Setting.all.map(\.name))]
    case .name(.counter): return reference("counter")
    case .name(.nodeSetting): return ["type": "string", "pattern": "^[^.]+\\..+$"]
    case .name: return ["type": ["string", "integer"]]
    case .clock: return ["type": ["string", "integer"]]
    case .ports:
      return [
        "type": ["string", "integer"], "pattern": "^[0-9]+(-[0-9]+)?$", "minimum": 1, "maximum": 65535,
      ]
    case .address: return ["type": "string", "pattern": "^[0-9A-Fa-f:.]+$"]
    case .list(let kind, let limit):
      let one = schema(kind)
      return [
        "anyOf": [one, ["type": "array", "minItems": 1, "maxItems": .number(limit), "items": one]]
      ]
    case .entries(.name(.node), .entries(.name(.setting), .settingValue)):
      return ["type": "object", "additionalProperties": reference("settings")]
    case .entries(.name(.parameter), _):
      return [
        "type": "object", "properties": .object(parameters.map { ($0.path, schema($0.kind)) }),
        "additionalProperties": reference("scalar"),
      ]
    case .entries(let key, let value):
      return ["type": "object", "propertyNames": schema(key), "additionalProperties": schema(value)]
    case .record(let fields): return object(fields, others: false)
    case .open(let fields, _, let value): return object(fields, others: schema(value))
    case .either(let kinds): return ["anyOf": .array(kinds.map(schema))]
    case .scalar, .settingValue, .parameterValue: return reference("scalar")
    case .condition(kernel: false): return reference("condition")
    case .condition(kernel: true): return reference("conditionOfExpectation")
    case .capability: return reference("capability")
    case .expectation: return reference("expectation")
    case .servedBy: return ["type": "string", "pattern": "^(same as|other than) .+$"]
    case .notation(.amount):
      return ["type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+(-[0-9]+)?$"]
    case .notation(.dropReason): return ["type": "string", "pattern": "^[A-Z0-9_]+$"]
    case .notation: return ["type": "string", "minLength": 1]
    case .step: return ["oneOf": .array(verbs.map { reference($0.name) })]
    }
  }

  private static func object(_ fields: [Field], others: JSON) -> JSON {
    var members: [(key: String, value: JSON)] = [("type", "object")]
    let required = fields.filter(\.isRequired).map(\.name)
    if !required.isEmpty { members.append(("required", .words(required))) }
    members.append(("properties", .object(fields.map { ($0.name, described($0, schema($0.kind))) })))
    members.append(("additionalProperties", others))
    return .object(members)
  }

  /// With what the field says, and with what counts where it is not there. Beside a `$ref` draft 7 sees nothing.
  private static func described(_ field: Field, _ schema: JSON) -> JSON {
    var words = sentence(field.summary)
    var more: [(key: String, value: JSON)] = []
    if let text = field.byDefault {
      if let value = value(text, field.kind) {
        more = [("default", value)]
      } else {
        words += " (default: \(text))"
      }
    }
    var described = schema
    if schema.members.first?.key == "$ref" {
      described = ["allOf": .array([schema])]
    }
    return described.adding([("description", .string(words + "."))] + more)
  }

  private static func value(_ text: String, _ kind: FieldKind) -> JSON? {
    switch kind {
    case .number, .clock: Int(text).map(JSON.number)
    case .flag: Bool(text).map(JSON.flag)
    case .word(let words): words.contains(text) ? .string(text) : nil
    case .ports: .string(text)
    default: nil
    }
  }

  // MARK: definitions

  private static var verbs: [Verb] { Grammar.verbs }

  private static var definitions: [(key: String, value: JSON)] {
    [
      ("scalar", ["type": ["string", "number", "boolean"]]),
      ("condition", condition(kernel: nil)),
      (
        "conditionOfExpectation",
        condition(
          kernel: described(
            Field(
              "kernel", .capability, "What the kernel must have, as probed; \"no NAME\" for what it must lack"
            ),
            schema(.list(.capability, atMost: Bounds.values))))
      ),
      (
        "capability",
        [
          "description":
            "A feature, a sysctl, a scheduler of IPVS, or a counter that some kernel has, such as TcpExt.PAWSTimewait; never a version.",
          "anyOf": [
            ["enum": .words(Capability.Feature.allCases.map(\.rawValue))],
            ["enum": .words(Setting.all.map(\.name))],
            ["enum": .words(Network.Scheduler.allCases.map { Capability.scheduler($0).description })],
            reference("counterOfKernels"),
            ["type": "string", "pattern": "^no [A-Za-z]"],
          ],
        ]
      ),
      ("counterOfKernels", ["enum": .words(KnownCounters.ofKernels.sorted())]),
      (
        "counter",
        [
          "anyOf": [
            reference("counterOfKernels"),
            ["enum": .words(KnownCounters.all.subtracting(KnownCounters.ofKernels).sorted())],
          ]
        ]
      ),
      ("expectation", ["enum": .words(Expectation.all.map(\.description))]),
      (
        "settings",
        [
          "type": "object",
          "properties": .object(
            Setting.all.map { setting in
              let field = Field(
                setting.name, setting.values.kind, byDefault: setting.baseline, setting.summary)
              return (setting.name, described(field, schema(field.kind)))
            }), "additionalProperties": false,
        ]
      ),
    ] + verbs.map { ($0.name, step($0)) }
  }

  private static func condition(kernel: JSON?) -> JSON {
    let values: JSON = [
      "anyOf": [
        reference("scalar"), ["type": "array", "minItems": 1, "items": reference("scalar")],
      ]
    ]
    let members: [(key: String, value: JSON)] = [
      ("type", "object"), ("description", "Axis to the value or values that qualify."),
    ]
    return .object(
      members + (kernel.map { [("properties", .object([("kernel", $0)]))] } ?? [])
        + [("additionalProperties", values)])
  }

  private static func step(_ verb: Verb) -> JSON {
    let shell = verb.shell.map { "; \($0)" } ?? ""
    let subject = Field(verb.name, verb.subject, isRequired: true, verb.summary + shell)
    let step = object([subject] + verb.options + [Grammar.when], others: false)
    guard !verb.apart.isEmpty else { return step }
    return step.adding([
      ("not", ["anyOf": .array(verb.apart.map { ["required": .words($0)] })])
    ])
  }
}

/// With a capital, where the first word is one and no name.
func sentence(_ text: String) -> String {
  guard let word = text.split(separator: " ").first, word.allSatisfy({ $0.isLowercase && $0.isLetter }) else {
    return text
  }
  return text.prefix(1).uppercased() + text.dropFirst()
}
