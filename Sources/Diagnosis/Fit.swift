/// A cause that may explain a life, how well, and by what.
struct Fit {
  var cause: Cause
  var certainty: Certainty
  var evidence: [String] = []
  var against: [String] = []

  /// The same, no surer than that.
  func at(most: Certainty) -> Fit {
    var fit = self
    fit.certainty = min(certainty, most)
    return fit
  }
}

/// What is read out of one troubled life.
struct Reading {
  var symptom: Symptom
  var life: Life
  /// Which of the captures it was seen in.
  var capture = 0
  /// Best first; empty where it is told by another life, its translation.
  var fits: [Fit]
}

/// What the rest of a capture says, and where it was made.
struct Surroundings {
  let traffic: Traffic
  let view: View
  let facts: Facts

  /// The same for all addresses that a listener may have.
  func listener(_ life: Life) -> (mute: Int, talked: Int, halfOpen: Int) {
    traffic.tallies.filter { $0.key.port == life.server.port }.values.reduce(into: (0, 0, 0)) {
      $0 = ($0.0 + $1.mute, $0.1 + $1.talked, $0.2 + $1.halfOpen)
    }
  }

  /// What became of all attempts on its port, at any address.
  func port(_ life: Life) -> (answered: Int, silent: Int) {
    traffic.tallies.filter { $0.key.port == life.server.port }.values.reduce(into: (0, 0)) {
      $0 = ($0.0 + $1.answered, $0.1 + $1.silent)
    }
  }

  /// Whether the server of a life answered others meanwhile, or ever.
  func tally(_ life: Life) -> Traffic.Tally { traffic.tallies[life.server] ?? Traffic.Tally() }

  func answersMeanwhile(_ life: Life) -> Bool {
    let tally = tally(life)
    return tally.answered > 0 && tally.lastAnswer >= life.began
  }

  /// The address that an ARP or neighbour request named again and again, and nobody has.
  func isAbsent(_ address: Address) -> Bool {
    (traffic.asked[address] ?? 0) >= 2 && !traffic.present.contains(address)
  }
}
