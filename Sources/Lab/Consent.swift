import Model

/// What whoever runs cases has agreed to. Cases come from others' files and saved runs: nothing is taken for granted.
public struct Consent: Sendable {
  /// Programs that lab files name are run: `--allow-exec`.
  public var programs = false
  /// Cases in which time really passes are run: `--slow`.
  public var waiting = false

  public init() {}

  /// Why a case is not run in that time; nil where it may be.
  public func refusal(of test: Case, in time: GuestTime = .real) -> String? {
    let needs = test.needs
    if !programs, needs.runsPrograms {
      return "it runs a program that its lab file names; --allow-exec lets it"
    }
    if !waiting, time == .real, needs.isSlow {
      return "\(needs.passes / 1000) s really pass in it; --slow runs it"
    }
    return nil
  }

  /// Whose time passes in a guest that runs a case, where nobody said: its own where much of it passes and nobody agreed
  /// to wait, and where little may pass.
  ///
  /// - Parameter own: a guest's own; nil where there is none to have.
  public func time(of test: Case, own: GuestTime?) -> GuestTime {
    let needs = test.needs
    return needs.isSlow && !waiting || needs.hurries ? own ?? .real : .real
  }

  func plan(_ test: Case, on machine: Machine) -> Plan {
    refusal(of: test, in: machine.time).map { .skip(reason: $0) } ?? Plan(test, on: machine)
  }
}
