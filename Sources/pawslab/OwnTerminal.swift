import Foundation
import Lab
import Wire

/// The write end of the pipe that a signal handler, which may do almost nothing else, wakes the reader by.
nonisolated(unsafe) private var bell: Int32 = -1

/// Our own terminal, lent to a shell that runs elsewhere: what is typed goes there as it is, Ctrl-C too.
final class OwnTerminal: @unchecked Sendable {
  private let lock = NSLock()
  private var before: termios?

  /// How much fits on it now; a pipe is as large as a VT100.
  static var size: TerminalSize {
    var size = winsize()
    _ = ioctl(0, UInt(TIOCGWINSZ), &size)
    return TerminalSize(rows: Int(size.ws_row), columns: Int(size.ws_col))
  }

  /// Everything that is typed from now on, and each new size of the window. Where standard input ends, what ends a
  /// terminal's is typed (Ctrl-D).
  func lend() -> AsyncStream<(Frame.Kind, [UInt8])> {
    makeRaw()
    let (stream, continuation) = AsyncStream<(Frame.Kind, [UInt8])>.makeStream()
    let pipe = Pipe()
    bell = pipe.fileHandleForWriting.fileDescriptor
    // A handler and not a dispatch source: a signal that is ignored, as this one is, is thrown away.
    signal(SIGWINCH) { _ in
      var byte: UInt8 = 0
      _ = write(bell, &byte, 1)
    }
    Thread {
      let resized = pipe.fileHandleForReading.fileDescriptor
      var chunk = [UInt8](repeating: 0, count: 4096)
      while true {
        var ready = [
          pollfd(fd: 0, events: Int16(POLLIN), revents: 0),
          pollfd(fd: resized, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&ready, 2, -1) >= 0 || errno == EINTR else { break }
        if ready[1].revents != 0, read(resized, &chunk, chunk.count) > 0 {
          continuation.yield((.window, Self.size.bytes))
        }
        guard ready[0].revents != 0 else { continue }
        let count = read(0, &chunk, chunk.count)
        guard count > 0 else { break }
        continuation.yield((.input, Array(chunk[..<count])))
      }
      // Keeps both ends of the pipe open until here.
      withExtendedLifetime(pipe) { _ = continuation.yield((.input, [4])) }
      continuation.finish()
    }.start()
    return stream
  }

  private func makeRaw() {
    var now = termios()
    guard tcgetattr(0, &now) == 0 else { return }
    lock.withLock { before = now }
    cfmakeraw(&now)
    _ = tcsetattr(0, TCSADRAIN, &now)
  }

  /// As it was.
  func restore() {
    guard var before = lock.withLock({ before }) else { return }
    _ = tcsetattr(0, TCSADRAIN, &before)
  }
}
