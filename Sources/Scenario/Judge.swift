/// Holds what was seen against what was expected. Pure: the same values give the same judgement.
public func judge(_ test: Case, on kernel: Kernel, seen: Observation) -> Judgement {
  Judgement(verdict: .error, reason: "nothing is judged yet")
}
