import Evidence
import Linux
import Model

extension Exec: Performable {
  func perform(in workload: Workload, index: Int) throws {
    guard let target = workload.testbed.node(named: node) else {
      throw workload.lacks("exec", node, "no node of that name")
    }
    let filled = filled(with: workload.testbed.test.network.addressesInURLs)
    let began = workload.testbed.time.now
    workload.recorder.follow(name == nil ? nil : node)
    let program: Program
    do {
      func start() throws -> Program {
        try target.namespace.run {
          try Program(
            filled.command, environment: environment ?? [:], stdin: [UInt8]((filled.input ?? "").utf8),
            limit: 16 << 10, deadline: (within ?? 10) * 1000)
        }
      }
      program = try workload.keeper?.run(start) ?? start()
    } catch {
      var failure = Failure(error, stage: "exec", object: "\(node): \(command.first ?? "")")
      failure.mend = failure.mend ?? "a program that this machine, or the guest, has"
      throw failure
    }
    let ending = try run(program, in: workload, index)
    try workload.loop.drain()
    var ran = ProgramRun(
      step: index, node: node, command: command, began: began, ended: workload.testbed.time.now,
      expected: exit ?? 0)
    switch ending.exit {
    case .status(let status): ran.status = status
    case .signal(let signal): ran.signal = signal
    }
    ran.isOverdue = ending.isOverdue ? true : nil
    (ran.output, ran.errors) = (ending.stdout.text, ending.stderr.text)
    let left = ending.stdout.more + ending.stderr.more
    ran.notKept = left > 0 ? left : nil
    workload.recorder.add(ran)
    if let name { attempts(name, in: workload, index) }
    workload.recorder.follow(nil)
    try workload.settle()
  }

  private func run(_ program: Program, in workload: Workload, _ index: Int) throws -> Program.Ending {
    let loop = workload.loop
    var watched: [Int32] = []
    func proceed() throws {
      // A descriptor that the program closes may be somebody else's at once.
      for descriptor in watched { loop.forget(descriptor) }
      try program.proceed()
      watched = program.requests.map(\.descriptor)
      for request in program.requests { loop.watch(request.descriptor, request.events, proceed) }
    }
    defer { for descriptor in watched { loop.forget(descriptor) } }
    try proceed()
    loop.after(milliseconds: (within ?? 10) * 1000 + 1) { try proceed() }
    try loop.run(
      until: { program.ending != nil }, awaiting: "\(command.first ?? "the program") to end on \(node)",
      within: workload.test.limit(ofStep: index))
    guard let ending = program.ending else {
      throw Failure(stage: "exec", object: node, cause: "it has not ended")
    }
    return ending
  }

  /// What the node's links say of connections that it has opened meanwhile.
  private func attempts(_ label: String, in workload: Workload, _ index: Int) {
    for opening in workload.recorder.courses.openings {
      let id = workload.nextAttempt()
      let server = workload.servers.first { server in
        server.strangers.contains(opening.source.description)
      }
      workload.finish(
        Attempt(
          id: id, step: index, label: label, kind: .connect, client: node,
          local: opening.source.description, remote: opening.destination.description, isn: nil,
          began: opening.began, ended: opening.ended ?? workload.testbed.time.now, calls: 1,
          errno: opening.errno, server: server?.name, peer: server == nil ? nil : opening.source.description))
    }
  }
}

extension Network {
  /// The first address of every node, and those that have a name, as a URL has them.
  fileprivate var addressesInURLs: [String: String] {
    let all = hosts.map { ($0.name, addresses(of: $0.name).first) } + names.map { ($0.key, $0.value) }
    return Dictionary(
      all.compactMap { name, address in
        address.map { (name, $0.contains(":") ? "[\($0)]" : $0) }
      }
    ) { first, _ in first }
  }
}
