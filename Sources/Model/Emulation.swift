/// Something that Linux has removed and that the lab brings back on a kernel without it: a rule of the lab's own, which
/// says how the old kernels behaved and never how this one does. What it came to is counted apart.
///
/// Each is one file of the folder `Emulations`. Whoever wants to know whether something is emulated asks the kernel
/// (``Kernel/emulation``), never a name.
public struct Emulation: Sendable, Hashable, CustomStringConvertible {
  /// What `--emulate` takes.
  public let name: String
  /// The settings that it gives to a kernel without them.
  public let settings: [String]
  /// What a kernel must be able to do for it.
  public let means: Capability.Feature
  /// The first version of Linux without it: `4.12`.
  public let removedIn: String
  /// What comes back, as in `SUMMARY brings its rule back`.
  public let tool: String
  /// Its own counter for one that is gone with the rule: the kernel's name to its own.
  public let counters: [String: String]
  /// What is put behind a kernel's name in results, where one kernel stands there twice.
  public let mark: String
  /// What it does not do as the kernels did, one sentence each, without a full stop.
  public let limits: [String]

  /// All of them, by name.
  public static let all = registeredEmulations.sorted { $0.name < $1.name }

  /// The one of that name.
  public static func named(_ name: String) -> Emulation? { all.first { $0.name == name } }

  /// What a kernel with the setting calls what an emulation counts; any other counter's own name.
  public static func genuine(_ counter: String) -> String {
    all.lazy.flatMap(\.counters).first { $0.value == counter }?.key ?? counter
  }

  /// The one that gives a setting.
  public static func giving(_ setting: String) -> Emulation? { all.first { $0.settings.contains(setting) } }

  /// `tw_recycle`
  public var description: String { name }

  /// `--emulate tw_recycle`
  public var option: String { "--emulate \(name)" }

  /// `tcp_tw_recycle`, or several.
  public var subject: String { settings.joined(separator: ", ") }

  /// What else has it, and how it is asked for: the end of a sentence that says that a kernel lacks it.
  public var mend: String {
    "a kernel below \(removedIn) has it (pawslab kernels add), \(option) brings its rule back"
  }

  /// What a reader of results has to know.
  public var caution: String {
    "\(subject) is not this kernel's: Linux removed it in \(removedIn), the lab brings its rule back by \(tool)"
  }

  /// `1 (emulated)`: a value of one of its settings, as evidence has it.
  public func inForce(_ value: String) -> String { "\(value) (emulated)" }

  /// Whether a case needs what it gives.
  public func serves(_ test: Case) -> Bool {
    test.settings.values.contains { values in settings.contains { values[$0] != nil } }
  }

  public static func == (left: Emulation, right: Emulation) -> Bool { left.name == right.name }
  public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// By its name.
extension Emulation: Codable {
  /// - Throws: `DecodingError` that names those there are.
  public init(from decoder: any Decoder) throws {
    let name = try decoder.singleValueContainer().decode(String.self)
    guard let known = Emulation.named(name) else {
      throw DecodingError.dataCorrupted(
        .init(
          codingPath: decoder.codingPath,
          debugDescription: "no emulation of that name; there is "
            + Emulation.all.map(\.name).joined(separator: ", ")))
    }
    self = known
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}

extension Case {
  /// The emulation that gives a setting which the case sets; nil where it sets none such.
  public var emulation: Emulation? { Emulation.all.first { $0.serves(self) } }
}

extension Kernel {
  /// The same kernel with something emulated; nil where it has that itself, or the means are missing.
  public func emulating(_ emulation: Emulation) -> Kernel? {
    guard has(emulation.means), emulation.settings.allSatisfy({ !knows($0) }) else { return nil }
    var kernel = self
    kernel.emulation = emulation
    for setting in emulation.settings {
      kernel.capabilities.insert(.setting(setting))
      kernel.missing[setting] = nil
    }
    return kernel
  }

  /// Whether a setting is the lab's emulation and not the kernel's own.
  public func emulates(_ setting: String) -> Bool { emulation?.settings.contains(setting) == true }

  /// What counts here what a counter of that name counts on a kernel that emulates nothing.
  public func counting(_ counter: String) -> String { emulation?.counters[counter] ?? counter }

  private func knows(_ setting: String) -> Bool {
    perKernelSettings.contains(setting) || capabilities.contains(.setting(setting))
  }
}

/// What results call a kernel: its name, and with an emulation that one's mark behind it. The mark is read and written
/// here and nowhere else.
public struct ResultName: Sendable, Hashable, CustomStringConvertible {
  /// What `--kernel` takes.
  public let kernel: KernelName
  /// nil for the kernel as it is.
  public let emulation: Emulation?

  /// The name of a kernel, or of what is emulated on it.
  public init(_ kernel: KernelName, _ emulation: Emulation? = nil) {
    (self.kernel, self.emulation) = (kernel, emulation)
  }

  /// As written in results.
  /// - Throws: `Failure` where no kernel can be called so.
  public init(_ text: String) throws(Failure) {
    guard let emulation = Emulation.all.first(where: { text.hasSuffix($0.mark) }) else {
      self.init(try KernelName(text))
      return
    }
    self.init(try KernelName(String(text.dropLast(emulation.mark.count))), emulation)
  }

  /// `debian-12`, `debian-12-emulated`
  public var description: String { kernel.text + (emulation?.mark ?? "") }
}
