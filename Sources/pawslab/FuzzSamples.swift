/// Small binaries of the kinds that kernels and their packages are made of, as the formats' own documents have them.
enum FuzzSamples {
  private static func little(_ number: Int, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }

  private static func put(_ bytes: [UInt8], at: Int, in image: inout [UInt8]) {
    image.replaceSubrange(at..<at + bytes.count, with: bytes)
  }

  /// Documentation/arch/x86/boot.rst, with a gzip's beginning as its payload and a version string.
  static let bzImage: [UInt8] = {
    var image = [UInt8](repeating: 0, count: 8192)
    put([4], at: 0x1f1, in: &image)
    put([0x55, 0xaa], at: 0x1fe, in: &image)
    put(Array("HdrS".utf8), at: 0x202, in: &image)
    put(little(0x20f, 2), at: 0x206, in: &image)
    put(little(0x400, 2), at: 0x20e, in: &image)
    put([1], at: 0x211, in: &image)
    put(little(3, 2), at: 0x236, in: &image)
    put(little(256, 4), at: 0x248, in: &image)
    put(little(2000, 4), at: 0x24c, in: &image)
    put(Array("6.1.0-18-cloud-amd64 (gcc) #1 SMP".utf8), at: 0x600, in: &image)
    put([0x1f, 0x8b, 8], at: 5 * 512 + 256, in: &image)
    return image
  }()

  /// elf(5): an x86-64 executable with a Xen note of type 18.
  static let elf: [UInt8] = {
    let note = little(4, 4) + little(8, 4) + little(18, 4) + Array("Xen\0".utf8) + little(0x100_0000, 8)
    var image = [0x7f] + Array("ELF".utf8) + [2, 1, 1] + [UInt8](repeating: 0, count: 9)
    image +=
      little(2, 2) + little(62, 2) + little(1, 4) + little(0x100_0000, 8) + little(64, 8) + little(0, 8)
    image +=
      little(0, 4) + little(64, 2) + little(56, 2) + little(2, 2) + little(64, 2) + little(0, 2)
      + little(0, 2)
    for (kind, at, size) in [(1, 0, 1024), (4, 176, note.count)] {
      image +=
        little(kind, 4) + little(4, 4) + little(at, 8) + little(0, 16) + little(size, 8) + little(size, 8)
        + little(4, 8)
    }
    image += note + Array("Linux version 6.1.0-18-amd64 (gcc)".utf8)
    return image + [UInt8](repeating: 0, count: 1024 - image.count)
  }()

  /// A relocatable object with `.modinfo` (Documentation/kbuild/modules.rst).
  static let module: [UInt8] = {
    let info = [
      "license=GPL", "depends=nf_conntrack,nf_defrag_ipv4", "softdep=pre: crc32c", "name=nf_nat",
      "vermagic=6.1.0 SMP",
    ]
    let content: [UInt8] = info.flatMap { Array($0.utf8) + [UInt8(0)] }
    let names = Array("\0.modinfo\0.shstrtab\0".utf8)
    var image = [0x7f] + Array("ELF".utf8) + [2, 1, 1] + [UInt8](repeating: 0, count: 9)
    let sections = 64 + content.count + names.count
    image += little(1, 2) + little(62, 2) + little(1, 4) + little(0, 16) + little(sections, 8)
    image += little(0, 4) + little(64, 2) + little(0, 4) + little(64, 2) + little(3, 2) + little(2, 2)
    image += content + names
    for (name, kind, at, size) in [
      (0, 0, 0, 0), (1, 1, 64, content.count), (10, 3, 64 + content.count, names.count),
    ] {
      image +=
        little(name, 4) + little(kind, 4) + little(0, 16) + little(at, 8) + little(size, 8) + little(0, 8)
        + little(1, 16)
    }
    return image
  }()

  /// tar(5): a folder, a file, a link, a long name, a pax record, the end.
  static let archive: [UInt8] = {
    func member(_ name: String, _ kind: Character, _ content: [UInt8], target: String = "") -> [UInt8] {
      var block = [UInt8](repeating: 0, count: 512)
      put(Array(name.utf8.prefix(99)), at: 0, in: &block)
      put(Array("0000644\0000000\0000000\0".utf8), at: 100, in: &block)
      let size = String(content.count, radix: 8)
      put(Array((String(repeating: "0", count: 11 - size.count) + size + "\0").utf8), at: 124, in: &block)
      put(Array("00000000000\0        ".utf8), at: 136, in: &block)
      put(Array(String(kind).utf8), at: 156, in: &block)
      put(Array(target.utf8), at: 157, in: &block)
      put(Array("ustar\u{0}00".utf8), at: 257, in: &block)
      let sum = String(block.reduce(0) { $0 + Int($1) }, radix: 8)
      put(Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8), at: 148, in: &block)
      return block + content + [UInt8](repeating: 0, count: -content.count & 511)
    }
    let modules = "./lib/modules/6.1.0/kernel/"
    return member("./boot/", "5", []) + member("./boot/vmlinuz-6.1.0", "0", Array(bzImage.prefix(700)))
      + member(modules + "veth.ko", "2", [], target: "../veth.ko")
      + member("././@LongLink", "L", Array((modules + "a.ko\0").utf8))
      + member("short", "0", Array(module.prefix(300)))
      + member("pax", "x", Array("18 path=boot/long\n".utf8))
      + member("./lib/modules/6.1.0/modules.dep", "0", indexes[0]) + [UInt8](repeating: 0, count: 1024)
  }()

  /// modules.dep(5), modules.softdep, modules.builtin, modules.alias.
  static let indexes: [[UInt8]] = [
    "kernel/net/netfilter/nf_nat.ko: kernel/net/netfilter/nf_conntrack.ko kernel/lib/libcrc32c.ko\nkernel/lib/libcrc32c.ko:\n",
    "# Soft dependencies\nsoftdep libcrc32c pre: crc32c\nsoftdep a post: b c pre: d\n",
    "kernel/net/ipv4/tunnel4.ko\nkernel/drivers/char/virtio_console.ko\n",
    "alias symbol:nf_nat nf_nat\nalias net-pf-16-proto-16-family-IPVS ip_vs\nalias crypto-crc32c* crc32c\n",
  ].map { Array($0.utf8) }

  /// An RPM package of one signature and four strings, a repository's summary and index, what pacman's database has.
  static let repositories: [[UInt8]] = {
    func big(_ number: Int) -> [UInt8] { little(number, 4).reversed() }
    func header(_ entries: [(tag: Int, type: Int, content: [UInt8])]) -> [UInt8] {
      var (index, store): ([UInt8], [UInt8]) = ([], [])
      for entry in entries {
        index +=
          big(entry.tag) + big(entry.type) + big(store.count) + big(entry.type == 7 ? entry.content.count : 1)
        store += entry.content
      }
      return [0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0] + big(entries.count) + big(store.count) + index + store
    }
    let strings = [(1000, "kernel"), (1001, "3.10.0"), (1002, "1160.el7"), (1022, "x86_64")]
    let package =
      [0xed, 0xab, 0xee, 0xdb, 3, 0] + [UInt8](repeating: 0, count: 90)
      + header([(268, 7, [UInt8](repeating: 0x89, count: 16))])
      + header(strings.map { ($0.0, 6, Array(($0.1 + "\0").utf8)) }) + Array("content".utf8)
    let digest = String(repeating: "ab", count: 32)
    return [
      package,
      Array(
        """
        <?xml version="1.0"?><repomd><data type="primary"><checksum type="sha256">\(digest)</checksum>
        <location href="repodata/primary.xml.gz"/><size>12</size></data></repomd>
        """.utf8),
      Array(
        """
        <metadata packages="1"><!-- one --><package type="rpm"><name>kernel</name><arch>x86_64</arch>
        <version epoch="0" ver="3.10.0" rel='1160.el7'/><checksum type="sha256">\(digest)</checksum>
        <description>a &lt;kernel&#62;</description><size package="12"/><location href="Packages/kernel.rpm"/>
        </package></metadata>
        """.utf8),
      Array(
        "%FILENAME%\nlinux.pkg.tar.zst\n\n%NAME%\nlinux\n\n%VERSION%\n6.1\n\n%CSIZE%\n12\n\n%SHA256SUM%\n\(digest)\n"
          .utf8),
    ]
  }()

  /// netlink(7): an ack, an error with text, the end, generic and socket answers.
  static let netlink: [[UInt8]] = {
    func attribute(_ type: Int, _ value: [UInt8]) -> [UInt8] {
      little(4 + value.count, 2) + little(type, 2) + value + [UInt8](repeating: 0, count: -value.count & 3)
    }
    func message(_ type: Int, _ flags: Int, _ payload: [UInt8]) -> [UInt8] {
      little(16 + payload.count, 4) + little(type, 2) + little(flags, 2) + little(1, 4) + little(2, 4)
        + payload
        + [UInt8](repeating: 0, count: -payload.count & 3)
    }
    let ack = message(2, 0x100, little(0, 4) + little(36, 4) + little(20, 2) + little(5, 2) + little(1, 8))
    let error = message(
      2, 0x300,
      little(-22, 4) + little(36, 4) + little(20, 2) + little(5, 2) + little(1, 8)
        + attribute(1, Array("no such\0".utf8)))
    let done = message(3, 2, little(0, 4))
    let stamp = message(
      0x1c, 2,
      [1, 1, 0, 0] + attribute(1, [198, 18, 0, 2]) + attribute(11, [198, 19, 0, 1])
        + attribute(4, little(77, 4)) + attribute(5, little(3, 4)))
    let statistics = message(
      0x102, 2, [0, 0, 0, 0] + [2, 4, 9, 10].flatMap { attribute($0, [0, 0, 0, 7]) })
    let socket = message(
      20, 2, [2, 6, 0, 0] + little(8000, 4) + [UInt8](repeating: 1, count: 64) + attribute(8, [1]))
    let link = message(
      16, 0, [UInt8](repeating: 0, count: 16) + attribute(16, [6]) + attribute(6, Array("noqueue\0".utf8)))
    let route = message(24, 0, [2, 32, 0, 0, 255, 2, 0, 2, 0, 0, 0, 0] + attribute(1, [198, 18, 0, 1]))
    return [
      ack + stamp, error, stamp + stamp + done, statistics + done, socket + socket + done, link + ack, route,
    ]
  }()

  /// What each of the programs prints that diagnose reads, a few lines of each.
  static let texts: [[UInt8]] = [
    """
    net.ipv4.tcp_tw_recycle = 1
    net.ipv4.tcp_timestamps = 1
    net.ipv4.conf.all.rp_filter = 0
    net.netfilter.nf_conntrack_max = 65536
    net.ipv4.ip_local_port_range = 32768	60999
    """,
    """
    Ip:
        Forwarding: 1
        35161 total packets received
    Tcp:
        12 connection resets received
    TcpExt:
        43 passive connections rejected because of time stamp
        4 times the listen queue of a socket overflowed
        Quick ack mode was activated 5 times
        TCPSYNChallenge: 2
    """,
    """
    #kernel
    IpInReceives                    35161              0.0
    TcpExtPAWSEstab                 12                 0.0
    TcpExtListenOverflows           4                  0.0
    TcpExtPAWSPassive               7                  0.0
    """,
    """
    TcpExt: SyncookiesSent PAWSEstab PAWSTimewait ListenOverflows
    TcpExt: 0 12 3 4
    IpExt: InNoRoutes InOctets
    IpExt: 0 9223372036854775807
    """,
    """
    # Generated by iptables-save v1.8.9
    *nat
    :POSTROUTING ACCEPT [0:0]
    -A POSTROUTING -o wan -p tcp -j SNAT --to-source 198.19.0.1:40000-40003
    COMMIT
    *filter
    :FORWARD DROP [12:720]
    [3:180] -A FORWARD -m conntrack --ctstate INVALID -j DROP
    COMMIT
    """,
    """
    Chain FORWARD (policy DROP 12 packets, 720 bytes)
     pkts bytes target     prot opt in     out     source               destination
        3   180 DROP       6    --  *      *       0.0.0.0/0            0.0.0.0/0            tcp flags:0x12/0x12
      12K  720K            tcp  --  !eth0  *       10.0.0.0/8           0.0.0.0/0            tcp dpt:!80 /* a */

    Chain mine (1 references)
     pkts bytes target     prot opt in     out     source               destination
        0     0 SNAT       0    --  *      eth1    ::/0                 ::/0                 to:198.19.0.1:40000-40003
    """,
    """
    table ip filter {
      chain INPUT {
        type filter hook input priority filter; policy accept;
        tcp dport 9000 counter packets 0 bytes 0 drop comment "a } in it"
      }
    }
    table ip nat {
      chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        ip protocol tcp snat to 198.19.0.1:40000-40003
      }
    }
    """,
    """
    -A -t 198.19.255.1:8000 -s wlc
    -a -t 198.19.255.1:8000 -r 198.19.0.2:8000 -m -w 0
    -a -t 198.19.255.1:8000 -r 198.19.0.3:8000 -m -w 1
    """,
    """
    cpu=0   \tfound=0 invalid=3 insert=0 insert_failed=2 drop=2 early_drop=0 error=0 search_restart=0
    cpu=1   \tfound=0 invalid=0 insert=0 insert_failed=0 drop=5 early_drop=0 error=0 search_restart=0
    """,
    """
    State    Recv-Q Send-Q Local Address:Port  Peer Address:Port Process
    LISTEN   2      1          127.0.0.1:8000       0.0.0.0:*
    TIME-WAIT 0     0          127.0.0.1:50792    127.0.0.1:8000
    """,
    "Linux version 4.9.115 (builder@host) (gcc version 6.3.0) #1 SMP Debian\n",
    """
    - sysctl: {name: net.ipv4.tcp_tw_recycle, value: 1}
    sysctl_config:
      net.ipv4.tcp_rfc1337: 1
      - name: net.core.somaxconn
        value: "64"
    RUN echo 0 > /proc/sys/net/ipv4/tcp_syncookies && sysctl -w net.ipv4.tcp_timestamps=0
    default['sysctl']['params']['net']['ipv4']['tcp_max_tw_buckets'] = 5
    """,
    """
    IP Virtual Server version 1.2.1 (size=4096)
    TCP  C613FF01:1F40 rr
      -> C6130002:1F40      Masq    0      0          1
    """,
  ].map { Array($0.utf8) }
}
