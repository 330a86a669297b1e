/// One step of a workload. Steps run in order; a step ends when everything it started has its outcome.
public enum Step: Codable, Sendable, Equatable {
  /// Clients of a group connect, exchange a byte each way, and close (or stay open).
  case connect(Connect)
  /// Data on the connections that a client left open.
  case send(Send)
  /// Many connections by many clients.
  case churn(Churn)
  /// Empties a table of a node: `conntrack -F`.
  case flush(Table)
  /// Writes a setting in the middle: `sysctl -w`.
  case set(node: String, setting: String, value: String)
  /// Takes a real server out of the director's table: `ipvsadm -d`. The server itself stays up.
  case remove(server: String)
  /// Sets the kernel's wall clock forward by so many seconds: `date -s`. In guests only.
  case advance(seconds: Int)
  /// Changes the clock of a client's group while its connections are open. Both must be offsets.
  case clock(client: String, to: Clock)

  /// Who sends the first FIN, and so keeps the TIME_WAIT socket.
  public enum Closer: String, Codable, Sendable, CaseIterable {
    case client, server
    /// The connection stays open for later `send` steps.
    case nobody
  }

  /// What `flush` can empty.
  public enum Table: String, Codable, Sendable, CaseIterable {
    /// The hop's connection tracking table: `conntrack -F`.
    case conntrack
    /// What the servers remember of other hosts: `ip tcp_metrics flush`.
    case tcpMetrics = "tcp_metrics"
  }

  /// Clients of a group connect.
  ///
  /// A group of one connects once to each of the server's ports; member `i` of a larger group
  /// connects to port `i` modulo the number of ports. All attempts of a step run at the same time.
  public struct Connect: Codable, Sendable, Equatable {
    /// The group of clients.
    public var client: String
    /// What expectations call the attempts; the group's name unless `as` says otherwise.
    public var label: String
    /// Who closes first.
    public var closes: Closer
    /// How often each attempt is made in this step, one after the other.
    public var times: Int
    /// Milliseconds for which `connect()` is called again after EADDRNOTAVAIL; 0 is once only.
    public var again: Int

    /// Makes a connect step.
    public init(client: String, label: String, closes: Closer, times: Int, again: Int) {
      self.client = client
      self.label = label
      self.closes = closes
      self.times = times
      self.again = again
    }
  }

  /// One byte on every connection that a group has open.
  public struct Send: Codable, Sendable, Equatable {
    /// Which end sends.
    public enum Sender: String, Codable, Sendable, CaseIterable {
      case client, server
    }
    /// The group of clients whose connections carry it.
    public var client: String
    /// What expectations call the attempts.
    public var label: String
    /// Which end sends.
    public var from: Sender

    /// Makes a send step.
    public init(client: String, label: String, from: Sender) {
      self.client = client
      self.label = label
      self.from = from
    }
  }

  /// Many connections, one after the other per client, all clients side by side.
  public struct Churn: Codable, Sendable, Equatable {
    /// The groups of clients.
    public var clients: [String]
    /// What expectations call the attempts.
    public var label: String
    /// Connections per client, 1 to 10,000.
    public var connections: Int
    /// Connections per second and client; nil is flat out.
    public var rate: Int?
    /// Who closes first.
    public var closes: Closer
    /// Emptied before every connection: either table; needs a rate of nil, and takes one client at a time.
    public var flush: Table?

    /// Makes a churn step.
    public init(
      clients: [String], label: String, connections: Int, rate: Int?, closes: Closer, flush: Table?
    ) {
      self.clients = clients
      self.label = label
      self.connections = connections
      self.rate = rate
      self.closes = closes
      self.flush = flush
    }
  }

  /// What expectations call this step's attempts; nil where a step makes none.
  public var label: String? {
    switch self {
    case .connect(let step): step.label
    case .send(let step): step.label
    case .churn(let step): step.label
    case .flush, .set, .remove, .advance, .clock: nil
    }
  }
}
