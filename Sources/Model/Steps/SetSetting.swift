/// Writes a setting in the middle: `sysctl -w`.
public struct SetSetting: StepAction {
  /// A node; in a lab file also `all`, `server` and a group, which are one step for each of their nodes.
  public var node: String
  public var setting: String
  public var value: String

  public init(node: String, setting: String, value: String) {
    self.node = node
    self.setting = setting
    self.value = value
  }

  public static let verb = Verb(
    "set", "settings are written in the middle", shell: "sysctl -w net.ipv4.SETTING=VALUE",
    subject: .entries(key: .name(.nodeSetting), .settingValue), options: [],
    example: "{set: {server.tcp_tw_recycle: 1}}")

  /// `server.tcp_rfc1337`, `server.1.vs.conntrack`: what is behind a dot and is a setting's name.
  public static func read(_ words: StepWords) -> [SetSetting] {
    (words.subject.entries ?? []).compactMap { path, value in
      let dots = path.indices.filter { path[$0] == "." }
      guard let dot = dots.first(where: { Setting.named(String(path[path.index(after: $0)...])) != nil }),
        let text = value.text ?? value.number.map(String.init)
      else { return nil }
      return SetSetting(
        node: String(path[..<dot]), setting: String(path[path.index(after: dot)...]), value: text)
    }
  }

  public var label: String? { nil }
  public var makes: Step.Makes { .nothing }
  public var words: String { "\(node): \(setting)=\(value)" }

  public var groups: [String] { [] }
  public var names: [String] { [node] }
  public var refersTo: [String] { [] }
  public var closes: Step.Closer? { nil }
  public var writes: Step.SettingWrite? { .init(node: node, setting: setting, value: value) }
  /// iptables-legacy, which takes timestamps out of segments, asks by a raw socket.
  public var needs: Step.Needs { Step.Needs(.netAdmin, .netRaw) }

  public func size(in test: Case) -> Step.Size { Step.Size() }
  public func limits(in test: Case, at index: Int) -> Step.Limits {
    Step.Limits(attempt: 0, whole: Deadlines.slack)
  }
  public var excess: String? { nil }
  public func mistake(in test: Case) -> StepMistake? {
    let isThere =
      ["all", Network.server].contains(node) || test.network.nodes.contains(node)
      || test.network.clients.contains { $0.group == node }
    return isThere
      ? nil : StepMistake("there is no \(node) whose \(setting) could be set", at: Self.verb.name)
  }
  public func perNode(_ members: (String) -> [String]) -> [SetSetting] {
    members(node).map { SetSetting(node: $0, setting: setting, value: value) }
  }
}

extension Step {
  public static func set(node: String, setting: String, value: String) -> Step {
    Step(SetSetting(node: node, setting: setting, value: value))
  }
}
