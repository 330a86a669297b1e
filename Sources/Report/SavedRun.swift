import Evidence
import Foundation
import Judging
import Model

extension RunFolder {
  /// What a case gave in this machine's time.
  public func load(_ id: String, kernel: String, packets: Bool = true) throws -> CaseResult {
    try load(PlannedRun.Place(id: id, kernel: kernel), packets: packets)
  }

  /// What a case gave: of the case, kernel and seed that are asked for and of no other, whatever the file's name is.
  ///
  /// - Parameter packets: whether its packets are read too.
  public func load(_ place: PlannedRun.Place, packets: Bool = true) throws -> CaseResult {
    let (id, kernel) = (place.id, place.kernel)
    var names = try Self.files(place)
    if files.size(of: names.observation) == nil, place.file.seed == nil {
      // A run of before dotted names; and what neither has is looked for by its own name.
      let old = CaseFiles.old(id: id, kernel: kernel)
      if files.size(of: old.observation) != nil { names = old }
    }
    let file = files.shown(names.observation)
    var result = try StoredFile(kind: .observation, name: file).decoded(
      CaseResult.self, from: try files.read(names.observation, limit: Self.limit))
    func strange(_ cause: String) -> Failure {
      Failure(stage: "read", object: file, cause: cause, mend: "it is not what the run has written there")
    }
    guard result.test.id == id, result.kernel == kernel, result.observation?.caseID ?? id == id else {
      throw strange(
        "of \(quoted(result.test.id)) on \(quoted(result.kernel)), not of \(quoted(id)) on \(kernel)")
    }
    guard result.seed == place.seed else {
      func words(_ seed: UInt64?) -> String { seed.map { "from seed \($0)" } ?? "in this machine's time" }
      throw strange("\(words(result.seed)), not \(words(place.seed))")
    }
    if let mistake = result.test.savedMistake { throw strange(mistake) }
    let kept = result.observation?.packetsKept
    result.observation?.packetsKept = nil
    guard packets, result.observation != nil else { return result }
    var reader = Pcapng.Reader()
    var seen: [Packet] = []
    struct Odd: Error {}
    do {
      try files.read(names.capture, limit: Self.limit) { piece in
        // Which names no file.
        guard let packets = try? reader.add(piece) else { throw Odd() }
        seen += packets
      }
      guard (try? reader.end()) != nil else { throw Odd() }
    } catch let failure as Failure { throw failure } catch {
      throw Failure(
        stage: "read", object: files.shown(names.capture), cause: "no pcapng of the lab's, or cut short",
        mend: "it is not what the run has written there")
    }
    guard kept == nil || kept == seen.count else {
      throw Failure(
        stage: "read", object: files.shown(names.capture),
        cause: "\(seen.count) packets, and the run has kept \(kept ?? 0)",
        mend: "it is not what the run has written there")
    }
    result.observation?.packets = seen
    return result
  }

  /// What the run set out to do; nil in a folder of before there was a `run.json`.
  public func loadPlan() throws -> PlannedRun? {
    guard files.size(of: Self.plan) != nil else { return nil }
    let file = files.shown(Self.plan)
    let plan = try StoredFile(kind: .plan, name: file).decoded(
      PlannedRun.self, from: try files.read(Self.plan, limit: Self.limit))
    if let mistake = plan.mistake { throw Failure(stage: "read", object: file, cause: mistake) }
    return plan
  }

  /// What the run came to. Where it was ended before it could say so, or still runs, that is made of what is there,
  /// and ``Results/notJudged`` has the rest.
  public func loadResults() throws -> Results {
    let file = files.shown(Self.results)
    var saved: Results?
    if files.size(of: Self.results) != nil {
      let data = try files.read(Self.results, limit: Self.limit)
      var results = try StoredFile(kind: .results, name: file).decoded(Results.self, from: data)
      if let mistake = results.mistake { throw Failure(stage: "read", object: file, cause: mistake) }
      // What is counted is what is there.
      results.summary.count(results.cases)
      saved = results
    }
    guard let plan = try loadPlan() else {
      guard let saved else {
        throw Failure(stage: "read", object: file, cause: "not there", isUsage: true)
      }
      return saved
    }
    return try completed(saved, by: plan)
  }

  /// Saved results, and what has happened since.
  private func completed(_ saved: Results?, by plan: PlannedRun) throws -> Results {
    var known: [PlannedRun.Place: Results.Entry] = [:]
    for entry in saved?.cases ?? [] { known[entry.place] = entry }
    if let saved, plan.cases.allSatisfy({ known[$0] != nil }) { return saved }

    let (found, guests) = try recovered(plan, except: Set(known.keys))
    for result in found {
      known[result.place] = .init(result, on: plan.kernels[result.kernel])
    }
    let tests = plan.testsByID
    let why =
      user.map { "not judged yet: the run is going on\($0)" } ?? "not judged: the run was ended before it"
    let excuses = Dictionary(
      (saved?.notJudged ?? []).map { ($0.place, $0) }
    ) { first, _ in first }
    let missing = plan.cases.filter { known[$0] == nil }.compactMap { place -> Results.Entry? in
      if user == nil, let excuse = excuses[place] { return excuse }
      return tests[place.id].map {
        .init(
          CaseResult(
            test: $0, kernel: place.kernel, judgement: Judgement(verdict: .error, reason: why),
            observation: nil, seconds: 0, seed: place.seed), on: plan.kernels[place.kernel])
      }
    }
    var results = Results(
      [], kernels: plan.kernels, guests: guests.isEmpty ? saved?.guests ?? [] : guests, seconds: 0)
    // Of what is not in the plan, old results may speak all the same.
    let planned = Set(plan.cases)
    results.cases =
      plan.cases.compactMap { known[$0] }
      + (saved?.cases ?? []).filter { !planned.contains($0.place) }
    if let kernels = saved?.kernels { results.kernels.merge(kernels) { own, _ in own } }
    if let summary = saved?.summary {
      results.summary = summary
    } else {
      results.summary.seconds = max(0, written.timeIntervalSince(plan.began))
    }
    results.judgeOverSeeds()
    results.summary.count(results.cases)
    // Neither may be lost what shards that are not there would have judged.
    let others = (saved?.notJudged ?? []).filter { !planned.contains($0.place) }
    results.notJudged = missing.isEmpty && others.isEmpty ? nil : missing + others
    if let mistake = results.mistake {
      throw Failure(stage: "read", object: files.shown(Self.plan), cause: mistake)
    }
    return results
  }

  /// The cases of a plan that were judged, without their packets, and what guests have cost: by what was kept of
  /// each, and by `events.jsonl` for those of which nothing was seen. Half a line is none.
  public func recovered(
    _ plan: PlannedRun, except known: Set<PlannedRun.Place> = []
  ) throws -> (results: [CaseResult], guests: [GuestCost]) {
    var ended: [PlannedRun.Place: RunEvent] = [:]
    var guests: [GuestCost] = []
    if files.size(of: Self.events) != nil {
      let file = StoredFile(kind: .event, name: files.shown(Self.events))
      let data = try files.read(Self.events, limit: Self.limit)
      for line in data.split(separator: UInt8(ascii: "\n")) {
        // Half a line is none; a whole one of another format is said.
        guard let format = try? file.format(of: line) else { continue }
        try file.check(format)
        guard let event = try? file.decoded(RunEvent.self, from: line) else { continue }
        if let cost = event.cost { guests.append(cost) }
        guard event.event == "finished", let id = event.case else { continue }
        ended[.init(id: id, kernel: event.kernel, seed: event.seed)] = event
      }
    }
    let tests = plan.testsByID
    let results = try plan.cases.filter { !known.contains($0) }.compactMap { place -> CaseResult? in
      if files.size(of: try Self.files(place).observation) != nil { return try load(place, packets: false) }
      // Of what passed or failed there is evidence, or it was not kept and the case is to be run again.
      guard let event = ended[place], let verdict = event.verdict, [.skip, .error].contains(verdict),
        let test = tests[place.id]
      else { return nil }
      return CaseResult(
        test: test, kernel: place.kernel, judgement: Judgement(verdict: verdict, reason: event.reason ?? ""),
        observation: nil, seconds: max(0, event.seconds ?? 0), emulation: event.emulation, seed: place.seed)
    }
    return (results, guests)
  }

  /// A case of the folder as it was saved, to be run again: from the plan, or from what was seen of it; nil where
  /// neither has it.
  ///
  /// - Parameter planned: the plan's cases by id.
  public func savedTest(_ entry: Results.Entry, _ planned: [String: Case]) throws -> Case? {
    if let test = planned[entry.id] { return test }
    guard entry.observation != nil else { return nil }
    return try load(entry.place, packets: false).test
  }
}

extension Results {
  /// Why a run did not come to all of its cases.
  public enum Ending: Sendable {
    /// It was told to end, or was killed.
    case ended
    /// So many had failed.
    case maxFail(Int)
  }

  /// Notes the cases of a plan that these results do not have.
  public mutating func leaveOut(_ plan: PlannedRun, _ ending: Ending) {
    let known = Set(cases.map(\.place))
    let tests = plan.testsByID
    let judgement =
      switch ending {
      case .ended: Judgement(verdict: .error, reason: "not judged: the run was ended before it")
      case .maxFail(let count):
        Judgement(verdict: .skip, reason: "not judged: --max-fail \(count) was reached before it")
      }
    let missing = plan.cases.filter { !known.contains($0) }.compactMap { place in
      tests[place.id].map { test in
        Entry(
          CaseResult(
            test: test, kernel: place.kernel, judgement: judgement, observation: nil, seconds: 0,
            seed: place.seed),
          on: plan.kernels[place.kernel])
      }
    }
    notJudged = missing.isEmpty ? nil : missing
  }

  /// `unfinished: 3 of 10 cases were not judged`; nil where all were.
  public var unfinished: String? {
    guard let notJudged, !notJudged.isEmpty else { return nil }
    let reasons = Set(notJudged.map { $0.reason.replacing(#/^not judged( yet)?: /#, with: "") }).sorted()
    return "unfinished: \(notJudged.count) of \(cases.count + notJudged.count) cases were not judged"
      + (reasons.count == 1 ? " (\(reasons[0]))" : "")
  }

  /// With the cases that were not judged among the others, as errors, for whoever knows only verdicts: what is
  /// unfinished is never green.
  public var withNotJudged: Results {
    guard let notJudged, !notJudged.isEmpty else { return self }
    var all = self
    all.cases += notJudged
    all.notJudged = nil
    all.summary.count(all.cases)
    return all
  }
}
