import Linux
import Model

/// The right to make network namespaces: as root, else in a user namespace of one's own.
enum Privilege {
  /// The right, and the namespace that was made to see whether it is there: nobody has used it, and a testbed may take
  /// it for its first node instead of making one more.
  struct Gained: ~Copyable {
    let privilege: Kernel.Privilege
    var namespace: NetworkNamespace?
  }

  /// Must be called before the process has a second thread: `unshare(CLONE_NEWUSER)` demands it.
  ///
  /// - Throws: `Failure` with what the kernel refused and, where one of its settings says so, why.
  static func gain() throws -> Gained {
    // Before a user namespace without a map makes nobody of everybody.
    let root = System.userID == 0
    var refused: [String] = []
    do {
      let made = try NetworkNamespace.create()
      return Gained(privilege: UserNamespace.isInitial ? .root : .userNamespace, namespace: made)
    } catch let error as SystemError
      where [.invalidArgument, .noSuchFileOrDirectory].contains(error.errno)
    {
      throw Failure(
        stage: "privilege", object: "network namespaces", cause: "this kernel has none: \(error)",
        mend: "a kernel built with CONFIG_NET_NS=y")
    } catch let error as SystemError where error.errno == .noSpace {
      throw Failure(error, stage: "privilege", object: "network namespaces")
    } catch {
      refused.append("\(error)")
    }
    // In somebody's user namespace with the network of the host (a rootless container): there is no coming back to
    // that, so one of our own is the place to come back to.
    if (try? NetworkNamespace.enterNew()) != nil {
      do {
        return Gained(privilege: .userNamespace, namespace: try NetworkNamespace.create())
      } catch { refused.append("\(error)") }
    }
    do {
      try UserNamespace.enter()
      return Gained(privilege: .userNamespace, namespace: nil)
    } catch let error as SystemError where error.errno == .noSpace {
      throw Failure(error, stage: "privilege", object: "user namespaces")
    } catch {
      refused.append("\(error)")
      throw Failure(
        stage: "privilege", object: "network namespaces",
        cause: (root ? "without the rights of root, " : "not root, and ")
          + refused.joined(separator: ", and "),
        mend: mend(root))
    }
  }

  /// What would let a user namespace be made, by the switch that is set against it.
  private static func mend(_ root: Bool) -> String {
    let switches = [
      ("kernel.unprivileged_userns_clone", "0", "1"),
      ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
      ("user.max_user_namespaces", "0", "10000"),
    ]
    for (name, closed, open) in switches {
      let path = "/proc/sys/" + String(name.map { $0 == "." ? "/" : $0 })
      if System.words(of: path) == closed { return "as root: sysctl -w \(name)=\(open); or guests (QEMU)" }
    }
    return root
      ? "CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged); or guests (QEMU), which need no rights"
      : "run as root, or allow unshare(2) in the container's seccomp profile; or guests (QEMU)"
  }

  /// Gives up what this case needs no more once its network stands, and its captures and programs run.
  ///
  /// CAP_SYS_ADMIN stays, for setns(2) into the namespaces of the case, in which sockets are made as long as it runs;
  /// a thread in each would do without, at the price of 250 threads where there are as many clients. What else that
  /// capability opens (mounts, BPF programs, other namespaces) the system call filter refuses. Measured on the host:
  /// 0.1 ms to set up, 20 to 40 ns for each system call that it looks at the arguments of, nothing for the others
  /// (since 5.11 the kernel keeps a bitmap of those that are always allowed).
  static func drop(after test: Case, on kernel: Kernel) throws {
    do { try Confinement.keep(only: needed(by: test, on: kernel)) } catch {
      throw Failure(error, stage: "confinement", object: "worker")
    }
  }

  /// What workload and evidence of a case still use.
  static func needed(by test: Case, on kernel: Kernel) -> Set<Confinement.Right> {
    var rights: Set<Confinement.Right> = [.sysAdmin]
    // TCP_REPAIR pins sequence numbers and sets clocks; conntrack, IPVS and nft are asked and changed by netlink.
    if !test.network.trackingNodes.isEmpty || kernel.has(.socketClocks) || kernel.emulation != nil
      || test.network.clients.contains(where: { $0.isn != .natural })
    {
      rights.insert(.netAdmin)
    }
    for need in test.needs.rights {
      switch need {
      case .netAdmin: rights.insert(.netAdmin)
      case .netRaw: rights.insert(.netRaw)
      case .sysTime: rights.insert(.sysTime)
      }
    }
    if test.network.hosts.contains(where: { !$0.rules.isEmpty }) { rights.formUnion([.netAdmin, .netRaw]) }
    return rights
  }
}
