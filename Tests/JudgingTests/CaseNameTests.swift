import Model
import Testing

@Suite struct CaseNameTests {
  /// Names that dashboards and folders of other versions have: a change here is a break.
  static let golden: [(id: String, name: String)] = [
    ("direct/default", "direct.default"),
    ("time-wait-clash/rfc1337=1,clock=behind", "time-wait-clash.rfc1337_1.clock_behind"),
    ("tw-recycle-expiry/later=50,family=ipv4", "tw-recycle-expiry.later_50.family_ipv4"),
    (
      "lvs-tw-recycle/topology=ipvs-fullnat,tw_recycle=1", "lvs-tw-recycle.topology_ipvs-fullnat.tw_recycle_1"
    ),
    ("x/offset=-100", "x.offset_-100"),
    ("x/a=1", "x.a_1"),
    // What is not clean: what can be kept, and the hash of the whole.
    ("x/mode=a/b", "x.mode_a-b.0fa16ff54516d6c0"),
    ("x/mode=a_b", "x.mode_a_b.0efe8ff5448cabd0"),
    ("x/mode=a:b", "x.mode_a-b.0f60a1f544df94c1"),
    ("x/mode=a b", "x.mode_a-b.0faba1f5451f803b"),
    ("x/mode=a", "x.mode_a"),
    ("X/mode=A", "x.mode_a.e9505e37076190b9"),
    ("x/mode=", "x.mode_.d6d5e30603d7a342"),
    ("x/late=1.5", "x.late_1-5.726c763c45200f7f"),
    ("x/a.b=1", "x.a-b_1.4c3cc1e41bfd1b1d"),
    ("x/a=b=c", "x.a_b_c.ebd575670e3ba51c"),
    ("x/a=1,", "x.a_1.919a447f5b3d4c4f"),
    ("x/a=1,b=2,-", "x.a_1.b_2.e686670e080f8d4f"),
    ("x/default=", "x.default_.7958c9aaa2b94898"),
    ("x/sp\u{e4}ter=1", "x.sp--ter_1.11ad064d185b3425"),
    ("x/a=1\n2", "x.a_1-2.a5fb596808c6d3c1"),
    ("x/-a=1", "x.a_1.9471cd72b8fed8cc"),
    ("-x/a=1", "x.a_1.8475cc98de5369ae"),
    ("con.x/default", "con-x.default.aedecb6356ff5023"),
    ("x/<script>='; touch y; '", "x.script-_---touch-y---.97a3b30ba37750c4"),
    ("x", "x.af63f54c86021707"),
    ("", "case.cbf29ce484222325"),
    (".", "case.af63a34c86018bb1"),
    ("..", "case.07da1a07b4a03f2d"),
    ("/", "case.af63a24c860189fe"),
    ("---", "case.de7cc417de1b3246"),
    ("../../etc/passwd", "etc-passwd.2bef2c0bbbdefdfa"),
    ("x/" + String(repeating: "a", count: 196) + "=1", "x." + String(repeating: "a", count: 196) + "_1"),
    (
      "x/" + String(repeating: "a", count: 197) + "=1",
      "x." + String(repeating: "a", count: 181) + ".84c8358d37490de5"
    ),
  ]

  @Test(arguments: golden) func aNameStaysWhatItWas(id: String, name: String) {
    #expect(CaseName(id: id).description == name)
  }

  /// LAVA's rule, KCIDB's and the file systems' at once.
  static func isAccepted(_ name: CaseName) -> Bool {
    let text = name.description
    let segments = text.split(separator: ".", omittingEmptySubsequences: false)
    return text.utf8.count <= CaseName.limit && segments.count > 1
      && segments.map(String.init) == name.segments
      && segments.allSatisfy { segment in
        !segment.isEmpty && !segment.hasPrefix("-")
          && segment.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789_-".utf8.contains($0) }
      }
  }

  @Test(arguments: golden) func itIsWhatLAVAAndKCIDBAndFileSystemsTake(id: String, name: String) {
    #expect(Self.isAccepted(CaseName(id: id)), "\(name)")
  }

  /// What an id could be cut from, in every combination: no two have one name, and each is accepted.
  @Test func differentCasesNeverHaveOneName() {
    let pieces = ["", "a", "A", "_", "-", ".", "/", "=", ",", "1", "x/a=1", "default", "\u{e9}"]
    var ids: Set<String> = []
    for a in pieces { for b in pieces { for c in pieces { for d in pieces { ids.insert(a + b + c + d) } } } }
    // A clean name behaves as its own kind of id too.
    ids.formUnion(Self.golden.map(\.name))
    for head in ["x", "x/a=1"] {
      for tail in Self.golden.compactMap({ $0.name.split(separator: ".").last }) {
        ids.formUnion([head + "/" + tail, head + "," + tail, head + "." + tail, "\(head),\(tail)="])
      }
    }
    #expect(ids.count > 10_000)
    #expect(CaseName.collisions(among: ids).isEmpty)
    #expect(ids.allSatisfy { Self.isAccepted(CaseName(id: $0)) })
  }

  /// The two spellings of one letter are one text to Swift and two names here.
  @Test func theSameIdTwiceIsNoCollision() {
    #expect(CaseName.collisions(among: ["x/a=1", "x/a=1", "x/a=2"]).isEmpty)
    #expect(CaseName(id: "x/a=\u{e9}") != CaseName(id: "x/a=e\u{301}"))
  }
}
