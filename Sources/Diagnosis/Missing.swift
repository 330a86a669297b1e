/// What was not brought and would tell more.
struct Missing {
  private(set) var all: [Answer.Missing] = []

  init(_ incident: Incident, _ suspects: [Answer.Suspect], _ verdict: Answer.Verdict) {
    guard verdict != .nothingWrong else { return }
    let facts = incident.facts
    let open = suspects.filter { $0.certainty < .shown }
    let names = Set(open.map(\.name))
    let views = Set(incident.captures.map(\.view))
    func add(_ what: String, _ command: String) {
      let missing = Answer.Missing(what: what, command: command)
      if !all.contains(missing) { all.append(missing) }
    }
    let atServer: Set = [
      "listen-overflow", "syn-queue", "recycle", "tw-paws", "tw-seq", "challenge-ack", "rp-filter",
    ]
    if !names.isDisjoint(with: atServer), facts.counters.isEmpty || !facts.isDifference {
      add(
        "the server's counters, before and after an attempt that fails",
        "nstat -az > before; ...; nstat -az > after")
    }
    let port = incident.captures.first?.traffic.troubled.first?.server.port
    let filter = port.map { "'tcp port \($0) or icmp'" } ?? "'tcp or icmp'"
    if !views.isEmpty, !views.contains(.server),
      !names.isDisjoint(with: atServer.union(["hop", "nat-race", "conntrack-full", "ipvs", "lost-answer"]))
    {
      add("the same at the server", "tcpdump -ni any -s 96 -w server.pcap \(filter)")
    }
    if !views.isEmpty, !views.contains(.client), names.contains("ts-echo") {
      add("the same at the client, before any box", "tcpdump -ni any -s 96 -w client.pcap \(filter)")
    }
    if !views.isEmpty, !views.contains(.hop),
      !names.isDisjoint(with: ["hop", "nat-race", "conntrack-full", "ipvs", "conntrack-invalid"])
    {
      add(
        "the same at the NAT or director, both sides at once", "tcpdump -ni any -s 96 -w hop.pcap \(filter)")
    }
    if incident.captures.contains(where: { $0.traffic.view.isOneSided && $0.traffic.segments > 0 }),
      open.count == suspects.count
    {
      add(
        "the other direction too: no -Q, no filter on one address",
        "tcpdump -ni any -s 96 -w both.pcap \(filter)")
    }
    if !names.isDisjoint(with: ["hop", "nat-race", "conntrack-full", "conntrack-invalid"]),
      facts.conntrack.isEmpty
    {
      add("the NAT's conntrack counters", "conntrack -S")
    }
    if !names.isDisjoint(with: ["hop", "nat-race", "nothing-answers", "filtered", "conntrack-invalid"]),
      !facts.hasRules
    {
      add("the rules of the boxes on the way", "iptables-save; nft list ruleset")
    }
    if !names.isDisjoint(with: ["ipvs", "ipvs-quiesced"]), facts.services.isEmpty {
      add("the director's table", "ipvsadm -Sn; ipvsadm -Lnc")
    }
    if !names.isDisjoint(with: ["tw-paws", "tw-seq", "challenge-ack", "fin-wait-2", "listen-overflow"]),
      facts.socketStates.isEmpty
    {
      add("the server's sockets just before", "ss -tan")
    }
    if !names.isDisjoint(with: ["recycle", "rp-filter", "syn-queue", "tw-paws"]), facts.settings.isEmpty {
      add("the server's settings and kernel", "sysctl -a; uname -a")
    }
  }
}
