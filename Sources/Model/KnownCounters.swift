/// The counters that some kernel from 3.10 to 7.2 has, as a lab file may name them: `TcpExt.PAWSTimewait`.
///
/// By net/ipv4/proc.c (`snmp4_net_list`, `snmp4_tcp_list`, `snmp4_ipstats_list`), net/ipv6/proc.c (`snmp6_ipstats_list`)
/// and net/netfilter/nf_conntrack_netlink.c (`ctnetlink_ct_stat_cpu_fill_info`). A probe takes whatever a kernel has; a
/// name in a lab file that is not here is one that no kernel has.
package enum KnownCounters {
  package static let all: Set<String> = Set(
    groups.flatMap { group, names in names.split(separator: " ").map { "\(group).\($0)" } })

  /// Those that a kernel has or lacks: what the rules of a case count is there wherever they are.
  package static let ofKernels: Set<String> = all.filter { counter in
    !["rule.", "netem.", "synproxy."].contains { counter.hasPrefix($0) }
  }

  private static let groups: [(group: String, names: String)] = [
    (
      "TcpExt",
      """
      ArpFilter BeyondWindow BusyPollRxPackets DelayedACKLocked DelayedACKLost DelayedACKs EmbryonicRsts \
      IPReversePathFilter ListenDrops ListenOverflows LockDroppedIcmps OfoPruned OutOfWindowIcmps \
      PAWSActive PAWSEstab PAWSOldAck PAWSPassive PAWSTimewait PFMemallocDrop PruneCalled RcvPruned \
      SyncookiesFailed SyncookiesRecv SyncookiesSent TCPACKSkippedChallenge TCPACKSkippedFinWait2 \
      TCPACKSkippedPAWS TCPACKSkippedSeq TCPACKSkippedSynRecv TCPACKSkippedTimeWait TCPAOBad \
      TCPAODroppedIcmps TCPAOGood TCPAOKeyNotFound TCPAORequired TCPAbortFailed TCPAbortOnClose \
      TCPAbortOnData TCPAbortOnLinger TCPAbortOnMemory TCPAbortOnTimeout TCPAckCompressed TCPAutoCorking \
      TCPBacklogCoalesce TCPBacklogDrop TCPChallengeACK TCPDSACKIgnoredDubious TCPDSACKIgnoredNoUndo \
      TCPDSACKIgnoredOld TCPDSACKOfoRecv TCPDSACKOfoSent TCPDSACKOldSent TCPDSACKRecv TCPDSACKRecvSegs \
      TCPDSACKUndo TCPDeferAcceptDrop TCPDelivered TCPDeliveredCE TCPDirectCopyFromBacklog \
      TCPDirectCopyFromPrequeue TCPFACKReorder TCPFastOpenActive TCPFastOpenActiveFail \
      TCPFastOpenBlackhole TCPFastOpenCookieReqd TCPFastOpenListenOverflow TCPFastOpenPassive \
      TCPFastOpenPassiveAltKey TCPFastOpenPassiveFail TCPFastRetrans TCPForwardRetrans \
      TCPFromZeroWindowAdv TCPFullUndo TCPHPAcks TCPHPHits TCPHPHitsToUser TCPHystartDelayCwnd \
      TCPHystartDelayDetect TCPHystartTrainCwnd TCPHystartTrainDetect TCPKeepAlive TCPLoss \
      TCPLossFailures TCPLossProbeRecovery TCPLossProbes TCPLossUndo TCPLostRetransmit TCPMD5Failure \
      TCPMD5NotFound TCPMD5Unexpected TCPMTUPFail TCPMTUPSuccess TCPMemoryPressures \
      TCPMemoryPressuresChrono TCPMigrateReqFailure TCPMigrateReqSuccess TCPMinTTLDrop TCPOFODrop \
      TCPOFOMerge TCPOFOQueue TCPOrigDataSent TCPPLBRehash TCPPartialUndo TCPPrequeueDropped \
      TCPPrequeued TCPPureAcks TCPRcvCoalesce TCPRcvCollapsed TCPRcvQDrop TCPRenoFailures \
      TCPRenoRecovery TCPRenoRecoveryFail TCPRenoReorder TCPReqQFullDoCookies TCPReqQFullDrop \
      TCPRetransFail TCPSACKDiscard TCPSACKReneging TCPSACKReorder TCPSYNChallenge TCPSackFailures \
      TCPSackMerged TCPSackRecovery TCPSackRecoveryFail TCPSackShiftFallback TCPSackShifted \
      TCPSchedulerFailed TCPSlowStartRetrans TCPSpuriousRTOs TCPSpuriousRtxHostQueues TCPSynRetrans \
      TCPTSReorder TCPTimeWaitOverflow TCPTimeouts TCPToZeroWindowAdv TCPWantZeroWindowAdv TCPWinProbe \
      TCPWqueueTooBig TCPZeroWindowDrop TSEcrRejected TW TWKilled TWRecycled TcpDuplicateDataRehash \
      TcpTimeoutRehash
      """
    ),
    (
      "Tcp",
      """
      ActiveOpens AttemptFails CurrEstab EstabResets InCsumErrors InErrs InSegs MaxConn OutRsts OutSegs \
      PassiveOpens RetransSegs RtoAlgorithm RtoMax RtoMin
      """
    ),
    (
      "Ip",
      """
      DefaultTTL ForwDatagrams Forwarding FragCreates FragFails FragOKs InAddrErrors InDelivers \
      InDiscards InHdrErrors InReceives InUnknownProtos OutDiscards OutNoRoutes OutRequests OutTransmits \
      ReasmFails ReasmOKs ReasmReqds ReasmTimeout
      """
    ),
    (
      "Ip6",
      """
      FragCreates FragFails FragOKs InAddrErrors InBcastOctets InCEPkts InDelivers InDiscards InECT0Pkts \
      InECT1Pkts InHdrErrors InMcastOctets InMcastPkts InNoECTPkts InNoRoutes InOctets InReceives \
      InTooBigErrors InTruncatedPkts InUnknownProtos OutBcastOctets OutDiscards OutForwDatagrams \
      OutMcastOctets OutMcastPkts OutNoRoutes OutOctets OutRequests ReasmFails ReasmOKs ReasmReqds \
      ReasmTimeout
      """
    ),
    // Of a node's own rules (``PacketRule``): packets that those in a chain have dropped or refused, whose timestamps
    // were taken out, that conntrack did not see, that SYNPROXY looked at, whose source was rewritten.
    ("rule", "FORWARD INPUT OUTPUT POSTROUTING notrack strip synproxy tsval tsecr"),
    // Of what happens on its links (``Impairment``).
    ("netem", "drops"),
    // net/netfilter/nf_synproxy_core.c, synproxy_cpu_seq_show.
    ("synproxy", "conn_reopened cookie_invalid cookie_retrans cookie_valid syn_received"),
    (
      "conntrack",
      """
      chain_toolong clash_resolve drop early_drop error found insert insert_failed invalid \
      search_restart
      """
    ),
  ]
}
