import CLibNL
import Glibc
import Linux
import SystemPackage

/// A netlink socket, bound for life to the namespace in which it was opened.
///
/// libnl builds the messages and keeps sequence numbers; answers are read here, because libnl 3.7 drops the
/// extended ack, which holds the kernel's own words.
final class Socket {
  /// A message that is ready to go, and what to call it if the kernel refuses it.
  struct Message {
    let pointer: OpaquePointer
    let name: String
  }

  let socket: OpaquePointer
  private let bus: String
  /// Room for a datagram, for as long as it is read: a thousand sockets would keep 64 MB of it.
  private static let room = 64 << 10

  /// - Parameter bus: what errors call the socket, e.g. `NETLINK_ROUTE`.
  init(protocol number: Int32, bus: String) throws {
    guard let socket = nl_socket_alloc() else {
      throw SystemError(stage: "nl_socket_alloc", object: bus, errno: .noMemory)
    }
    self.socket = socket
    self.bus = bus
    let result = nl_connect(socket, number)
    guard result >= 0 else {
      throw SystemError(
        stage: "nl_connect", object: bus, errno: Errno(rawValue: errno),
        detail: String(cString: nl_geterror(result)))
    }
    var one: Int32 = 1
    let descriptor = fileDescriptor
    // Older kernels know neither; their acks then carry the request and no text.
    setsockopt(descriptor, Self.level, Self.capAck, &one, 4)
    setsockopt(descriptor, Self.level, Self.extendedAck, &one, 4)
  }

  deinit { nl_socket_free(socket) }

  /// Readable when an answer or, after ``join(group:)``, a notification waits.
  var fileDescriptor: Int32 { nl_socket_get_fd(socket) }

  /// Subscribes to a multicast group's notifications.
  func join(group: Int32) throws {
    nl_socket_disable_seq_check(socket)
    let result = nl_socket_add_membership(socket, group)
    guard result >= 0 else {
      throw SystemError(
        stage: "join group \(group)", object: bus, errno: .current,
        detail: String(cString: nl_geterror(result)))
    }
  }

  /// Throws away the notifications that wait: one was enough to look again.
  func discardNotifications() {
    // What does not fit is thrown away with the rest.
    var byte: UInt8 = 0
    while recv(fileDescriptor, &byte, 1, Int32(MSG_DONTWAIT)) > 0 {}
  }

  private static let level: Int32 = 270  // SOL_NETLINK
  private static let capAck: Int32 = 10
  private static let extendedAck: Int32 = 11

  /// A message of a type, with a header of the protocol's.
  static func message<Header: BitwiseCopyable>(
    _ type: Int32, flags: Int32 = 0, header: Header, name: String
  ) throws -> Message {
    guard let pointer = nlmsg_alloc_simple(type, flags) else {
      throw SystemError(stage: "nlmsg_alloc", object: name, errno: .noMemory)
    }
    var header = header
    _ = withUnsafeMutableBytes(of: &header) { nlmsg_append(pointer, $0.baseAddress, $0.count, 4) }
    return Message(pointer: pointer, name: name)
  }

  /// Sends the messages as one datagram for every 64, waits for the ack of its last, and frees them.
  /// The error names the first that the kernel refused: a refusal comes whether an ack is asked for or not
  /// (`netlink_rcv_skb`), in the order of the messages.
  func commit(_ messages: [Message]) throws {
    defer { for message in messages { nlmsg_free(message.pointer) } }
    var refused: SystemError?
    // Refusals wait in our receive buffer, so there is an end to how many may be under way.
    for start in stride(from: 0, to: messages.count, by: 64) {
      var names: [UInt32: String] = [:]
      var bytes: [UInt8] = []
      let batch = messages[start..<min(start + 64, messages.count)]
      var last: UInt32?
      for (index, message) in zip(batch.indices, batch) {
        nl_complete_msg(socket, message.pointer)
        guard let header = nlmsg_hdr(message.pointer) else { continue }
        if index != batch.endIndex - 1 { header.pointee.nlmsg_flags &= ~UInt16(NLM_F_ACK) }
        last = header.pointee.nlmsg_seq
        names[header.pointee.nlmsg_seq] = message.name
        bytes += UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len))
        bytes += [UInt8](repeating: 0, count: -bytes.count & 3)
      }
      try send(&bytes, names.count == 1 ? names.first?.value ?? "" : "\(names.count) messages")
      while last != nil {
        try receive { message in
          guard message.type == NLMSG_ERROR, let name = names[message.sequence] else { return }
          if message.sequence == last { last = nil }
          if let error = message.error(named: name), refused == nil { refused = error }
        }
      }
    }
    if let refused { throw refused }
  }

  /// Sends a dump request and hands on every answer's payload.
  func dump(_ message: Message, _ body: (UnsafeRawBufferPointer) -> Void) throws {
    try request(message)
    var done = false
    while !done {
      var failed: SystemError?
      try receive { answer in
        switch answer.type {
        case NLMSG_DONE: done = true
        case NLMSG_ERROR:
          done = true
          failed = answer.error(named: message.name)
        default: body(answer.payload)
        }
      }
      if let failed { throw failed }
    }
  }

  /// Sends a request that one message answers, and hands on its payload.
  func get(_ message: Message, _ body: (UnsafeRawBufferPointer) -> Void) throws {
    try request(message)
    // With NLM_F_ACK, which libnl sets, the answer is followed by an ack, perhaps in a datagram of its own.
    var done = false
    var failed: SystemError?
    while !done {
      try receive { answer in
        if answer.type == NLMSG_ERROR {
          done = true
          failed = answer.error(named: message.name)
        } else {
          body(answer.payload)
        }
      }
    }
    if let failed { throw failed }
  }

  /// Sends one message and frees it. Its ack, or what else answers it, is for who reads next.
  func request(_ message: Message) throws {
    defer { nlmsg_free(message.pointer) }
    nl_complete_msg(socket, message.pointer)
    guard let header = nlmsg_hdr(message.pointer) else { return }
    var bytes = [UInt8](UnsafeRawBufferPointer(start: header, count: Int(header.pointee.nlmsg_len)))
    try send(&bytes, message.name)
  }

  private func send(_ bytes: inout [UInt8], _ what: String) throws {
    let result = nl_sendto(socket, &bytes, bytes.count)
    guard result >= 0 else {
      throw SystemError(
        stage: "send \(what)", object: bus, errno: .current, detail: String(cString: nl_geterror(result)))
    }
  }

  /// Hands on every message that waits, and waits for none.
  func drain(_ body: (NetlinkMessages.Message) -> Void) throws {
    var requests = [Poll.Request(descriptor: fileDescriptor, events: Poll.readable)]
    while try Poll.wait(&requests, timeout: 0) > 0 { try receive(body) }
  }

  /// One datagram, message by message.
  private func receive(_ body: (NetlinkMessages.Message) -> Void) throws {
    try withUnsafeTemporaryAllocation(byteCount: Self.room, alignment: 8) { buffer in
      var length = 0
      repeat {
        length = recv(fileDescriptor, buffer.baseAddress, buffer.count, 0)
      } while length < 0 && errno == EINTR
      guard length >= 0 else { throw SystemError(stage: "recv", object: bus, errno: .current) }
      for message in NetlinkMessages(UnsafeRawBufferPointer(rebasing: buffer[..<length])) { body(message) }
    }
  }
}

extension Errno {
  static var current: Errno { Errno(rawValue: errno) }
}
