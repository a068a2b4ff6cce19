import CPearVisor

/// What a guest has done through the ring so far: a look at `struct pv_stats`, whose header
/// (`pearvisor/stats.h`) says more of each figure.
///
/// Figures may be some commands old, and two of them some commands apart.
public struct GPUStatistics: Sendable {
    /// What sort of work a command is. Every command is of one kind.
    public enum CommandKind: Int, CaseIterable, Sendable {
        /// Venus' own: rings, replies, nested streams.
        case venusProtocol
        case query, create, destroy, record, submit, wait, update
    }

    /// Figures of the time between two looks, from a histogram that knows powers of two only.
    public struct Rates: Equatable, Sendable {
        public let commandsPerSecond: Double
        public let streamBytesPerSecond: Double
        public let repliesPerSecond: Double
        /// The share of the time in which the ring had nothing to do, 0 to 1.
        public let ringIdleRatio: Double
        /// Half of the replies, 99 of 100, and all of them were ready in less than that.
        public let latencyP50Nanoseconds: UInt64
        public let latencyP99Nanoseconds: UInt64
        public let latencyMaxNanoseconds: UInt64
    }

    /// As the library tells it.
    let c: pv_stats

    init(of context: OpaquePointer) {
        var stats = pv_stats()
        stats.struct_size = UInt32(MemoryLayout<pv_stats>.size)
        pv_context_get_stats(context, &stats, nil)
        c = stats
    }

    /// Executed, of all kinds.
    public var commandsHandled: UInt64 { c.commands }
    /// Executed, of one kind.
    public func commands(of kind: CommandKind) -> UInt64 {
        // A C array is a tuple here.
        withUnsafeBytes(of: c.commands_by_kind) { $0.bindMemory(to: UInt64.self)[kind.rawValue] }
    }
    /// Of the guest: 1 once its context has ended by its fault.
    public var errors: UInt64 { c.faults }
    /// Of the guest's commands, nested streams included.
    public var streamBytes: UInt64 { c.stream_bytes }
    /// That were asked for and written.
    public var replies: UInt64 { c.replies }

    /// Of the guest's, now.
    public var objectsAlive: UInt64 { c.objects_alive }
    /// By the guest, since the beginning.
    public var objectsCreated: UInt64 { c.objects_created }

    /// Shared with the guest, now.
    public var mappedBytes: UInt64 { c.mapped_bytes }
    /// Allocated by the guest, now.
    public var deviceMemoryBytes: UInt64 { c.device_memory_bytes }

    /// Since the context was created.
    public var elapsedNanoseconds: UInt64 { c.elapsed_ns }

    /// What happened since an earlier look at the same guest; nil: since the beginning.
    public func rates(since earlier: GPUStatistics? = nil) -> Rates {
        var rates = pv_stats_rates()
        rates.struct_size = UInt32(MemoryLayout<pv_stats_rates>.size)
        withUnsafePointer(to: c) { after in
            if let earlier {
                withUnsafePointer(to: earlier.c) { pv_stats_between($0, after, &rates) }
            } else {
                pv_stats_between(nil, after, &rates)
            }
        }
        return Rates(
            commandsPerSecond: rates.commands_per_s, streamBytesPerSecond: rates.stream_bytes_per_s,
            repliesPerSecond: rates.replies_per_s, ringIdleRatio: rates.ring_idle_ratio,
            latencyP50Nanoseconds: rates.latency_p50_ns,
            latencyP99Nanoseconds: rates.latency_p99_ns,
            latencyMaxNanoseconds: rates.latency_max_ns)
    }
}
