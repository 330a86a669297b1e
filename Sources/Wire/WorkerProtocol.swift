import Evidence
import Model

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// What the lab asks of a worker: one JSON line on standard input, which then stays open.
/// End of file on standard input means that the lab is gone; the worker ends at once.
public enum WorkerRequest: Codable, Sendable {
  /// Find out what this kernel can do.
  case probe
  /// Run one case on the kernel that was probed before.
  case run(Case, Kernel)
  /// Run one case as ``run(_:_:)`` does, beside `tcpdump` on every link and `nstat` on every node.
  case crossCheck(Case, Kernel)
  /// Run one case as ``run(_:_:)`` does, and count how often its steps have the kernel call these functions.
  case countCalls(Case, Kernel, functions: [String])
  /// Build a case's network, have its servers answer, and keep it until standard input ends, its steps to be asked for
  /// one by one. What comes on standard input is passed on to whoever asked (``WorkerEvent/asked(_:)``).
  ///
  /// - Parameter commands: programs that are written first, path to text; in a guest only, whose files are nobody's.
  case hold(Case, Kernel, commands: [String: String])
  /// Build a network so many times and report how long each part took.
  case benchmarkSetup(Case, Kernel, times: Int)
}

/// A node of a network that is kept.
public struct HeldNode: Codable, Sendable, Equatable {
  /// As in the lab file.
  public var name: String
  /// For `nsenter --net=`: a descriptor of the worker's below `/proc`.
  public var path: String

  /// Makes a node.
  public init(name: String, path: String) {
    self.name = name
    self.path = path
  }
}

/// Where a shell in a kept network asks for a step of the case: two pipes of the worker's below `/proc`. A line
/// `WHO step [N|all]` or `WHO steps` goes into the first; out of the second come `= WHO`, lines for whoever reads, and
/// `. WHO STATUS`.
public struct StepPipes: Codable, Sendable, Equatable {
  public var ask: String
  public var answer: String

  /// Makes the paths.
  public init(ask: String, answer: String) { (self.ask, self.answer) = (ask, answer) }
}

/// What was asked for in a kept network, and what has been done of it.
public struct Stepped: Codable, Sendable, Equatable {
  /// Who asked, as it was said.
  public var asker: String
  /// What was asked: `step`, `steps`, and what it was asked with.
  public var words: [String]
  /// Number of the first step that was done, counted from 0, and of the next; the same where none was.
  public var began: Int
  public var next: Int
  /// What broke.
  public var failure: Failure?

  /// Makes it.
  public init(asker: String, words: [String], began: Int, next: Int, failure: Failure?) {
    (self.asker, self.words, self.began, self.next, self.failure) = (asker, words, began, next, failure)
  }
}

/// What a worker says: JSON lines on standard output.
public enum WorkerEvent: Codable, Sendable {
  /// Entered a stage, e.g. `testbed`.
  case stage(String)
  /// Began the step with this index.
  case step(Int)
  /// An attempt ended.
  case attempt(Attempt)
  /// Packets that were captured since the last of these, the next piece of one ``Pcapng``.
  case packets(Data)
  /// The answer to ``WorkerRequest/probe``. Last.
  case kernel(Kernel)
  /// The answer to ``WorkerRequest/run(_:_:)``. Last.
  case observation(Observation)
  /// The answer to ``WorkerRequest/crossCheck(_:_:)``. Last.
  case crossChecked(Observation, SecondReading)
  /// The answer to ``WorkerRequest/countCalls(_:_:functions:)``. Last.
  case counted(Observation, FunctionReading)
  /// The network of ``WorkerRequest/hold(_:_:commands:)`` is there: each node, and where its namespace can be entered;
  /// where steps are asked for. What is started in the PID namespace of `keeper`, a process, ends with the worker.
  case held([HeldNode], keeper: Int32, steps: StepPipes)
  /// Somebody in a kept network has asked for something, and all that was told of it has been told. After the last step
  /// an observation comes before it.
  case asked(Stepped)
  /// The last round of a benchmark is over. Last.
  case done
  /// One round of ``WorkerRequest/benchmarkSetup(_:_:times:)``.
  case timings([Timing])
  /// What was seen until the lab broke, its packets told before as ever; the failure follows.
  case seen(Observation)
  /// The lab broke. Last.
  case failure(Failure)
}

/// How requests are written and read: which version, and in which words what cannot be read is told.
public enum WorkerProtocol {
  /// Rises with every change that the other side would not understand. In each request, and in a guest's hello.
  public static let version = 5

  private struct Envelope: Codable {
    var version: Int
    var request: WorkerRequest
  }
  private struct Version: Decodable { var version: Int }

  /// A request as one line.
  public static func line(_ request: WorkerRequest) throws -> [UInt8] {
    let encoder = JSONEncoder()
    // The same request is the same bytes: what a guest in virtual time sees is a function of them.
    encoder.outputFormatting = .sortedKeys
    return [UInt8](try encoder.encode(Envelope(version: version, request: request))) + [UInt8(ascii: "\n")]
  }

  /// The request that a line has.
  /// - Throws: `Failure` that says what is wrong with it: none, of another version, or the decoder's own words.
  public static func request(in line: Data) throws(Failure) -> WorkerRequest {
    guard !line.isEmpty else {
      throw Failure(
        stage: "worker", object: "standard input", cause: "no request",
        mend: "pawslab-worker is started by pawslab run; it is not meant to be called")
    }
    let decoder = JSONDecoder()
    do {
      let other = try decoder.decode(Version.self, from: line).version
      guard other == version else { throw mismatch(of: "the request", other) }
      return try decoder.decode(Envelope.self, from: line).request
    } catch let failure as Failure {
      throw failure
    } catch {
      throw Failure(
        stage: "worker", object: "standard input", cause: "not a request: \(words(error))", mend: oneBuild)
    }
  }

  /// What a side says to another of another version.
  public static func mismatch(of what: String, _ other: Int) -> Failure {
    Failure(
      stage: "worker", object: "protocol",
      cause: "\(what) is of version \(other), this is version \(version)",
      mend: oneBuild)
  }

  private static let oneBuild = "pawslab and pawslab-worker of one build ($PAWSLAB_WORKER names another?)"

  /// What a decoder found and where, on one line: `at run._0.id: no value of type String`.
  public static func words(_ error: any Error) -> String {
    func at(_ context: DecodingError.Context) -> String {
      let path = context.codingPath.map(\.stringValue).joined(separator: ".")
      return path.isEmpty ? "" : "at \(path): "
    }
    return switch error {
    case DecodingError.keyNotFound(let key, let context): at(context) + "no \(key.stringValue)"
    case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
      DecodingError.dataCorrupted(let context):
      at(context) + context.debugDescription
    default: "\(error)"
    }
  }
}
