import Foundation
import Model

/// How much of a stranger's kernel is taken. Counted while it is read and unpacked; what is beyond is refused, with the
/// bound in words. Debian's generic flavour, the largest that is fetched, needs about a tenth of each.
enum Bounds {
  /// Bytes that a package gives when it is unpacked, and members that it has.
  static let package = 4 << 30
  static let members = 100_000
  /// Bytes of it that are written: images, modules, their indexes.
  static let kept = 2 << 30
  /// Bytes of an image; an ELF kernel may have its debugging information. One in a package is packed.
  static let image = 1 << 30
  static let packedImage = 256 << 20
  /// Bytes of the kernel inside a bzImage.
  static let unpackedKernel = 256 << 20
  /// Bytes of one module, unpacked.
  static let module = 64 << 20
  /// Modules that are taken into the store, and their bytes together: a guest has 512 MiB for everything.
  static let modules = 400
  static let allModules = 128 << 20
  /// Modules that need each other in a row.
  static let chain = 64
  /// Files in a folder of modules.
  static let tree = 20_000
  /// Bytes of `modules.alias` and its like, and of a manifest or a saved probe.
  static let index = 32 << 20
  static let record = 4 << 20
  /// Bytes of what says which index a repository has, of its signature, of that index as it is fetched and unpacked; and
  /// packages of a name in it.
  static let repositorySummary = 4 << 20
  static let signature = 64 << 10
  static let packedRepositoryIndex = 256 << 20
  static let repositoryIndex = 2 << 30
  static let packagesOfAName = 10_000
  /// Bytes of a package as it is fetched, and of an RPM package's header; of a file with keys.
  static let packageFile = 512 << 20
  static let packageHeader = 64 << 20
  static let keyring = 16 << 20
  /// Seconds that a program may take to unpack something.
  static let seconds = 300

  /// What is said of whatever is beyond.
  static func exceeded(_ stage: String, _ object: String, _ what: String) -> Failure {
    Failure(
      stage: stage, object: object, cause: "it has more than \(what)",
      mend: "no kernel of a distribution does; is it what it says it is?")
  }

  /// `256 MiB`
  static func text(_ bytes: Int) -> String { bytes >= 1 << 30 ? "\(bytes >> 30) GiB" : "\(bytes >> 20) MiB" }
}

/// Small things with files.
enum Files {
  /// An error as the system says it: `No such file or directory`, and not Foundation's sentence about it.
  static func words(_ error: any Error) -> String {
    if let failure = error as? Failure { return failure.cause }
    let error = error as NSError
    if let underlying = error.userInfo[NSUnderlyingErrorKey] as? NSError,
      underlying.domain == NSPOSIXErrorDomain
    {
      return words(errno: Int32(underlying.code))
    }
    if error.domain == NSPOSIXErrorDomain { return words(errno: Int32(error.code)) }
    return error.localizedDescription
  }

  static func words(errno: Int32) -> String { String(cString: strerror(errno)) }

  /// A regular file's content, not copied where the file system can map it.
  /// - Throws: `Failure` in the system's words; for folders, devices and pipes too, and for what is too large.
  static func read(_ path: String, stage: String, atMost limit: Int, mend: String? = nil) throws(Failure)
    -> Data
  {
    guard !path.isEmpty else {
      throw Failure(stage: stage, object: "\"\"", cause: "the name is empty", mend: mend)
    }
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw Failure(stage: stage, object: printable(path), cause: words(errno: errno), mend: mend)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw Failure(
        stage: stage, object: printable(path),
        cause: status.st_mode & S_IFMT == S_IFDIR ? words(errno: EISDIR) : "it is no regular file", mend: mend
      )
    }
    guard status.st_size <= limit else { throw Bounds.exceeded(stage, printable(path), Bounds.text(limit)) }
    do { return try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) } catch {
      throw Failure(stage: stage, object: printable(path), cause: words(error), mend: mend)
    }
  }

  /// A name out of a stranger's file, or off the command line, as it can be printed and kept: no control characters, and
  /// not without end.
  static func printable(_ text: String) -> String {
    let scalars = text.unicodeScalars.prefix(200).map { scalar in
      scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
        || scalar.properties.generalCategory == .lineSeparator
        || scalar.properties.generalCategory == .paragraphSeparator
        ? scalar.escaped(asASCII: true) : String(scalar)
    }
    return scalars.joined() + (text.unicodeScalars.count > 200 ? "..." : "")
  }
}
