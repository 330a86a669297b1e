import Model

/// What a run's exit status says, in the words of who asked: `--exit`.
public enum ExitStyle: String, Sendable, CaseIterable {
  /// 0 all as expected; 1 a case is not, one that is required was not judged, or none was judged; 2 usage; 3 the lab
  /// broke.
  case pawslab
  /// KSFT_PASS 0, KSFT_FAIL 1, KSFT_XFAIL 2 (nothing but known failures), KSFT_SKIP 4
  /// (tools/testing/selftests/kselftest.h).
  case kselftest
  /// 0 pass, 77 skipped, where the test's restrictions say `skippable`, anything else failed (autopkgtest,
  /// README.package-tests; the number is Automake's).
  case autopkgtest
  /// Bits: TPASS 0, TFAIL 1, TBROK 2, TCONF 32 where nothing passed (include/tst_res_flags.h; `do_exit`,
  /// lib/tst_test.c).
  case ltp
  /// 0 good, 1 bad, 125 for what can be said of neither; more than 127 ends the search (git-bisect(1)).
  case gitBisect = "git-bisect"

  /// The status of a run that came to its end.
  public func status(of results: Results) -> Int32 {
    let failed = results.count(.failed) > 0
    let broken = results.count(.broken) > 0
    let nothing = results.nothingWasJudged
    switch self {
    case .pawslab: return broken ? 3 : failed || nothing ? 1 : 0
    case .kselftest:
      if broken || failed { return 1 }
      if nothing { return 4 }
      return results.count(.passed) == 0 && results.count(.known) > 0 ? 2 : 0
    case .autopkgtest: return broken ? 3 : failed ? 1 : nothing ? 77 : 0
    case .ltp: return (failed ? 1 : 0) | (broken ? 2 : 0) | (nothing && !failed ? 32 : 0)
    case .gitBisect: return broken || nothing && !failed ? 125 : failed ? 1 : 0
    }
  }

  /// The status where nothing came of it: bad usage, a bad lab file, a lab that broke. What another harness would
  /// take for something else than a failure (2 is KSFT_XFAIL) is one of its failures.
  public func status(ofFailure isUsage: Bool) -> Int32 {
    switch self {
    case .pawslab, .autopkgtest: isUsage ? 2 : 3
    case .kselftest: 1
    case .ltp: 2
    case .gitBisect: isUsage ? 128 : 125
    }
  }

  /// What a command line asks for, also one that cannot be parsed. A step of git bisect is for nobody else.
  public init(commandLine: some Sequence<String>) {
    self = .pawslab
    var isNext = false
    var isBisect = false
    for (index, word) in commandLine.enumerated() {
      if word == "--" { return }
      if index == 0 { isBisect = word == "bisect" }
      if isBisect, word == "--kernel" || word.hasPrefix("--kernel=") { self = .gitBisect }
      let value = isNext ? word : word.hasPrefix("--exit=") ? String(word.dropFirst(7)) : nil
      if let style = value.flatMap(ExitStyle.init) { self = style }
      isNext = word == "--exit"
    }
  }
}
