/// What one guest's life came to.
public struct GuestCost: Sendable, Codable, Equatable {
  /// Name of the kernel.
  public var kernel: String
  /// Cases that it ran.
  public var cases: Int
  /// Processor seconds of QEMU; nil where they are not known.
  public var processorSeconds: Double?
  /// Milliseconds by phase of its boot.
  public var boot: [Timing]
  /// `kvm` or `tcg`.
  public var accelerator: String
  /// Whether each case had a guest of its own, which went on from a saved one; nil is not.
  public var isSaved: Bool?

  /// Makes a cost.
  public init(kernel: String, cases: Int, processorSeconds: Double?, boot: [Timing], accelerator: String) {
    self.kernel = kernel
    self.cases = cases
    self.processorSeconds = processorSeconds
    self.boot = boot
    self.accelerator = accelerator
  }
}
