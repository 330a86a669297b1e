/// What comes from outside, and is read by the lab.
public enum Kind: String, Sendable, CaseIterable {
  /// Lab files: to cases, explanations, mutants and plans.
  case lab
  /// A saved run: to every format, and to differences.
  case results
  /// What one case gave: to its judgement, remarks, ladder and page.
  case observations
  /// What a worker says, and what a guest sends.
  case events
  /// Captures: to packets, segments and ladders, and back.
  case pcapng
  /// Captures of other programs: to an answer.
  case captures
  /// What sysctl, nstat and the like print: to an answer.
  case texts
  /// Kernel images.
  case images
  /// What a kernel's package unpacks to: archives, modules, their indexes.
  case packages
  /// What a kernel answers.
  case netlink
}

/// Makes inputs of a kind out of genuine ones.
public struct Generator: Sendable {
  public let kind: Kind
  /// What each input begins as.
  private let corpus: [[UInt8]]

  /// - Parameter corpus: genuine inputs, at least one.
  public init(_ kind: Kind, corpus: [[UInt8]]) {
    self.kind = kind
    self.corpus = corpus.isEmpty ? [[]] : corpus
  }

  /// The same for the same seed, index and corpus.
  public func input(seed: UInt64, index: Int) -> [UInt8] {
    var dice = Dice(seed: seed, kind: kind.rawValue, index: index)
    var bytes = dice.pick(corpus)
    // One change finds what checks a number, several find what trusts that another has been checked.
    let changes = dice.once(in: 2) ? 1 : 1 + dice.below(6)
    for _ in 0..<changes {
      switch kind {
      case .lab: YAMLMutator.change(&bytes, others: corpus, by: &dice)
      case .results, .observations, .events: JSONMutator.change(&bytes, by: &dice)
      case .pcapng: BinaryMutator.change(&bytes, BinaryMutator.capture(bytes), by: &dice)
      case .captures:
        let isBlocks = bytes.starts(with: [0x0a, 0x0d, 0x0d, 0x0a])
        BinaryMutator.change(
          &bytes, isBlocks ? BinaryMutator.capture(bytes) : BinaryMutator.savefile(bytes), by: &dice)
      case .texts: YAMLMutator.change(&bytes, others: corpus, by: &dice)
      case .images: BinaryMutator.change(&bytes, BinaryMutator.image(bytes), by: &dice)
      case .netlink: BinaryMutator.change(&bytes, BinaryMutator.netlink(bytes), by: &dice)
      case .packages:
        let isArchive = bytes.count > 262 && Array(bytes[257..<262]) == Array("ustar".utf8)
        let isELF = bytes.starts(with: [0x7f, 0x45, 0x4c, 0x46])
        BinaryMutator.change(
          &bytes, isArchive ? BinaryMutator.archive(bytes) : isELF ? BinaryMutator.image(bytes) : [],
          by: &dice)
        if isArchive { BinaryMutator.repair(archive: &bytes, by: &dice) }
      }
      // An input is a file, not a disk.
      if bytes.count > 1 << 20 { bytes.removeSubrange((1 << 20)...) }
    }
    return bytes
  }
}
