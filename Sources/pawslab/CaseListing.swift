import Lab
import Model
import Report

/// The cases for other programs: `list --format json`, `run --list --format json`.
struct CaseListing: Encodable {
  /// Of this format; another number is another meaning of a key.
  var version = 1
  var cases: [Entry]

  /// One case.
  struct Entry: Encodable {
    var id: String
    /// ``CaseName``
    var name: String
    var scenario: String
    var title: String
    /// In the order of the lab file.
    var axes: [AxisValue]
    /// Node to setting to value: what differs from the baseline.
    var settings: [String: [String: String]]
    /// What a kernel must have (`a|b`: one of them; `guest`: a kernel of its own).
    var needs: [String]
    /// The lab file, as it was named.
    var source: Place?
    /// The kernels that it would run on, where `--kernel` or `--host-only` says so.
    var kernels: [String]?
  }

  /// - Parameter kernels: on which a case would run; nil where nothing says that.
  init(_ cases: [Case], kernels: (Case) -> [String]? = { _ in nil }) {
    self.cases = cases.map { test in
      Entry(
        id: test.id, name: CaseName(test).description, scenario: test.scenario, title: test.title,
        axes: test.axes,
        settings: test.settings.filter { !$0.value.isEmpty }, needs: test.needs.names,
        source: test.source,
        kernels: kernels(test))
    }
  }
}
