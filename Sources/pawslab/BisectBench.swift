import Evidence
import Foundation
import Judging
import Lab
import MicroVM
import Model
import Report

/// Runs one case on kernel after kernel, and holds what it does on each against what it does on others.
struct BisectBench {
  let test: Case
  let runner: Runner
  let machines: Machines
  let hypervisor: Hypervisor
  let time: GuestTime

  /// What a case came to on a kernel.
  struct Seen {
    var machine: Machine
    var result: CaseResult

    var behaviour: Difference.Behaviour { Difference.Behaviour(result, on: machine.kernel) }
    /// Why nothing can be said of the kernel; nil where it was judged.
    var nothing: String? {
      switch result.judgement.verdict {
      case .pass, .fail: nil
      case .skip: "skips it: \(result.judgement.reason)"
      case .error: "broke: \(result.judgement.reason)"
      }
    }
    var title: String { "\(machine.name), Linux \(machine.kernel.release)" }
  }

  /// A kernel that may be asked.
  private struct Candidate {
    /// As `--kernel` takes it.
    var word: String
    var version: KernelVersion
  }

  /// A machine as a user names it.
  private func machine(_ word: String) async throws -> Machine {
    try await machines.chosen(word).inTime(time)
  }

  private func look(_ machine: Machine) async throws -> Seen {
    guard let result = await runner.run([(test, machine)], onEvent: { _ in }).first else {
      throw CancellationError()
    }
    return Seen(machine: machine, result: result)
  }

  // MARK: one step of git's

  /// What git bisect run is to be told of one kernel: 0 good, 1 bad, 125 neither.
  func step(_ word: String, good: String?, bad: String?) async throws -> Int32 {
    // What is good does not change from step to step: a stored kernel's guest is saved, and costs a second.
    var ends: [Seen?] = []
    for end in [good, bad] {
      guard let end else {
        ends.append(nil)
        continue
      }
      let seen = try await look(try await machine(end))
      // Of a kernel that says nothing no step could ever say more.
      if let nothing = seen.nothing { throw refused(seen, nothing) }
      ends.append(seen)
    }
    let yardstick = try yardstick(ends[0], ends[1])
    let machine: Machine
    do { machine = try await self.machine(word) } catch let failure as Failure where !failure.isUsage {
      Console.print("\(test.id): nothing can be said of \(word): \(failure)")
      return ExitStyle.gitBisect.status(ofFailure: false)
    }
    let seen = try await look(machine)
    if let nothing = seen.nothing {
      Console.print("\(seen.title): \(nothing)")
      return ExitStyle.gitBisect.status(ofFailure: false)
    }
    let isGood: Bool
    let why: String
    if let good = ends[0] {
      isGood = yardstick.same(seen.behaviour, good.behaviour)
      let third = ends[1].map { !yardstick.same(seen.behaviour, $0.behaviour) } ?? false
      why =
        isGood
        ? "as \(good.machine.name)"
        : "not as \(good.machine.name)" + (third ? ", nor as \(ends[1]?.machine.name ?? "")" : "")
    } else if let bad = ends[1] {
      isGood = !yardstick.same(seen.behaviour, bad.behaviour)
      why = "\(isGood ? "not as" : "as") \(bad.machine.name)"
    } else {
      isGood = seen.result.judgement.verdict == .pass
      why = seen.result.judgement.reason
    }
    Console.print("\(seen.title): \(isGood ? "good" : "bad"), \(why)")
    Console.print("    \(yardstick.words(seen.behaviour))")
    return isGood ? 0 : 1
  }

  private func yardstick(_ good: Seen?, _ bad: Seen?) throws -> Yardstick {
    guard let good, let bad else { return .outcome }
    if let first = Yardstick.first(between: good.behaviour, bad.behaviour) { return first }
    throw Failure(
      stage: "bisect", object: test.id,
      cause:
        "\(good.machine.name) and \(bad.machine.name) do the same: \(Yardstick.counters.words(good.behaviour))",
      mend: "name two kernels that differ, or a case in which they do: pawslab diff says which", isUsage: true
    )
  }

  private func refused(_ seen: Seen, _ nothing: String) -> Failure {
    Failure(
      stage: "bisect", object: seen.machine.name, cause: "it can be neither good nor bad: it \(nothing)",
      mend: "another kernel, or another case", isUsage: seen.result.judgement.verdict == .skip)
  }

  // MARK: the search

  /// What was found: the two neighbours, and what differs.
  struct Found {
    var test: String
    /// As `--kernel` takes them.
    var words: (good: String, bad: String)
    /// As results call them.
    var names: (good: String, bad: String)
    var lines: [String]
  }

  /// Halves between two kernels; nil where they do not differ, or one of them says nothing, which has been printed.
  func search(good: String, bad: String, among: [String]?) async throws -> Found? {
    var ends: [Seen] = []
    for (word, role) in [(good, "good"), (bad, "bad")] {
      let seen = try await look(try await machine(word))
      if let nothing = seen.nothing {
        Console.print("\(seen.title): \(nothing)")
        Console.print("it can be neither good nor bad: name another kernel as --\(role)")
        if seen.result.judgement.verdict == .error { throw refused(seen, nothing) }
        return nil
      }
      ends.append(seen)
    }
    guard ends[0].machine.name != ends[1].machine.name else {
      throw Failure(
        stage: "bisect", object: good, cause: "--good and --bad are the same kernel", mend: "name two",
        isUsage: true)
    }
    guard let yardstick = Yardstick.first(between: ends[0].behaviour, ends[1].behaviour) else {
      for seen in ends { Console.print("\(seen.title): \(Yardstick.counters.words(seen.behaviour))") }
      Console.print("they do the same: there is nothing to find")
      for line in different(ends[0], ends[1]) { Console.print(line) }
      return nil
    }
    for (seen, role) in zip(ends, ["good", "bad"]) {
      Console.print("\(seen.title): \(role), \(yardstick.words(seen.behaviour))")
    }
    let list = try await candidates(ends, words: (good, bad), among: among)
    var search = Bisection(count: list.count)
    var seen: [Int: Seen] = [0: ends[0], list.count - 1: ends[1]]
    let names = list.dropFirst().dropLast().map { "\($0.word) (\($0.version))" }
    Console.print(
      names.isEmpty
        ? "no kernel between them is known"
        : "between them: \(names.joined(separator: ", ")); looks at \(search.most) at the most")
    while let place = search.next {
      try Task.checkCancellation()
      let candidate = list[place]
      let one: Seen
      do { one = try await look(try await machine(candidate.word)) } catch let failure as Failure {
        Console.print("\(candidate.word): stepped over, it cannot be had: \(failure)")
        search.answer(place, .skipped)
        continue
      }
      seen[place] = one
      if let nothing = one.nothing {
        Console.print("\(one.title): stepped over, it \(nothing)")
        search.answer(place, .skipped)
        continue
      }
      let isGood = yardstick.same(one.behaviour, ends[0].behaviour)
      let third = !isGood && !yardstick.same(one.behaviour, ends[1].behaviour)
      Console.print(
        "\(one.title): \(isGood ? "good" : third ? "bad, for it does a third thing" : "bad")"
          + (third ? ", \(yardstick.words(one.behaviour))" : ""))
      search.answer(place, isGood ? .good : .bad)
    }
    guard let last = seen[search.good], let first = seen[search.bad] else { return nil }
    var lines = ["", "good on \(last.title)", "bad on  \(first.title)"]
    let skipped = search.skipped.map { list[$0].word }
    if !skipped.isEmpty {
      lines.append("the change is in any of \((skipped + [list[search.bad].word]).joined(separator: ", "))")
    }
    lines += different(last, first)
    return Found(
      test: test.id, words: (list[search.good].word, list[search.bad].word),
      names: (last.machine.name, first.machine.name), lines: lines)
  }

  /// What differs between two kernels in this case.
  private func different(_ left: Seen, _ right: Seen) -> [String] {
    let comparison = Comparison((left.result, left.machine.kernel), (right.result, right.machine.kernel))
    var lines = comparison.lines
    if let one = left.result.observation, let other = right.result.observation {
      let packet = FirstDifference.between(
        kernels: (left.machine.name, one), (right.machine.name, other))
      lines.append("first packet: " + (packet ?? "each connection has the same ones"))
    }
    lines +=
      KernelDifference(
        (left.machine.name, left.machine.kernel), (right.machine.name, right.machine.kernel)
      ).lines
    return lines
  }

  /// The list that is searched, from good to bad, in the order of versions.
  private func candidates(_ ends: [Seen], words: (good: String, bad: String), among: [String]?) async throws
    -> [Candidate]
  {
    let good = Candidate(word: words.good, version: Self.version(ends[0].machine))
    let bad = Candidate(word: words.bad, version: Self.version(ends[1].machine))
    let (low, high) = (min(good.version, bad.version), max(good.version, bad.version))
    var found: [Candidate] = []
    var outside: [String] = []
    func add(_ candidate: Candidate) {
      if candidate.version > low, candidate.version < high {
        found.append(candidate)
      } else if among != nil {
        outside.append("\(candidate.word) (\(candidate.version))")
      }
    }
    let own = Set(ends.map(\.machine.name))
    if let among {
      for word in among {
        let machine = try await machine(word)
        if !own.contains(machine.name) { add(Candidate(word: word, version: Self.version(machine))) }
      }
    } else {
      let flavours = Set(ends.map { KernelFlavour($0.machine.kernel.release) })
      func fits(_ flavour: KernelFlavour) -> Bool { flavours.count > 1 || flavours.contains(flavour) }
      let stored = hypervisor.store.all().filter { $0.name != KernelName.running.text }
      for kernel in stored where !own.contains(kernel.name) && fits(KernelFlavour(kernel.release)) {
        add(Candidate(word: kernel.name, version: KernelVersion(of: kernel)))
      }
      for known in KnownKernel.all
      where known.current && fits(known.flavour) && hypervisor.store.entry(known.name) == nil {
        do {
          let version = try await Packages(store: hypervisor.store).version(of: known, progress: Console.note)
          if let version { add(Candidate(word: known.name, version: version)) }
        } catch let failure as Failure {
          await Console.note("\(known.name): left out, for apt does not know it here: \(failure)")
        }
      }
    }
    if !outside.isEmpty {
      throw Failure(
        stage: "--among", object: outside.joined(separator: ", "),
        cause: "not between \(low) and \(high), the versions of --good and --bad",
        mend: "name others, or other ends", isUsage: true)
    }
    found.sort { ($0.version, $0.word) < ($1.version, $1.word) }
    if good.version > bad.version { found.reverse() }
    return [good] + found + [bad]
  }

  private static func version(_ machine: Machine) -> KernelVersion {
    machine.stored.map(KernelVersion.init(of:)) ?? KernelVersion(machine.kernel.release)
  }
}
