import Foundation

/// Numbers in a file that somebody else made: little-endian, nil beyond its end, never a trap.
struct Bytes {
  let data: Data

  init(_ data: Data) { self.data = data }

  var count: Int { data.count }

  /// An unsigned number of up to eight bytes.
  func number(_ offset: UInt64, _ size: Int) -> UInt64? {
    guard let range = range(offset, UInt64(size)) else { return nil }
    return data[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  /// The bytes from an offset on; nil where they are not all there.
  func slice(_ offset: UInt64, _ size: UInt64) -> Data? { range(offset, size).map { data[$0] } }

  private func range(_ offset: UInt64, _ size: UInt64) -> Range<Int>? {
    let (end, overflow) = offset.addingReportingOverflow(size)
    guard !overflow, end <= UInt64(data.count) else { return nil }
    return data.startIndex + Int(offset)..<data.startIndex + Int(end)
  }
}
