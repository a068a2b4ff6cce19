import CPearVisor
import Foundation

/// A started ring and its context, and who is inside of a call on them.
///
/// `notify`, `utilization` and the statistics may come from several threads at once, also while the
/// session ends; the library wants nobody inside when it destroys a ring. So calls are counted.
final class VenusSession: @unchecked Sendable {
    private let memory: SharedMemory
    private let log: LogSink?
    private let context: OpaquePointer
    private let ring: OpaquePointer
    private let condition = NSCondition()
    private var callers = 0  // under the condition
    private var isEnding = false  // likewise
    private var hasEnded = false  // likewise

    init(_ configuration: GPUIntegration.Configuration, memory: SharedMemory) throws {
        let log = configuration.log.map { LogSink(level: configuration.logLevel, handler: $0) }
        var context: OpaquePointer?
        var ring: OpaquePointer?
        do {
            try configuration.withRendererParameters(log) {
                try PearVisorError.check(pv_venus_init($0, &context))
            }
            try PearVisorError.check(
                pv_venus_ring_create_from_memory(memory.baseAddress, memory.sizeBytes, &ring))
            try PearVisorError.check(pv_venus_integration_start(ring, context))
        } catch {
            pv_venus_ring_destroy(ring)
            pv_venus_cleanup(context)
            throw error
        }
        self.memory = memory
        self.log = log
        self.context = context!
        self.ring = ring!
    }

    deinit {
        try? end()
    }

    /// Runs a call unless the session ends or has ended: then it throws `.closed`.
    private func call<R>(
        _ body: (_ ring: OpaquePointer, _ context: OpaquePointer) throws -> R
    ) throws -> R {
        condition.lock()
        guard !isEnding else {
            condition.unlock()
            throw PearVisorError.closed
        }
        callers += 1
        condition.unlock()
        defer {
            condition.lock()
            callers -= 1
            condition.broadcast()
            condition.unlock()
        }
        return try body(ring, context)
    }

    func notify() throws {
        try call { ring, _ in try PearVisorError.check(pv_venus_ring_notify(ring)) }
    }

    func utilization() throws -> Double {
        try call { ring, _ in pv_venus_ring_utilization(ring) }
    }

    func bufferSize() throws -> Int {
        try call { ring, _ in pv_venus_ring_buffer_size(ring) }
    }

    func statistics() throws -> GPUStatistics {
        try call { _, context in GPUStatistics(of: context) }
    }

    func attach(_ memory: SharedMemory, resourceID: UInt32) throws {
        try call { _, context in
            // The library's reference; `released` gives it back.
            let held = Unmanaged.passRetained(memory)
            let result = pv_context_attach_memory(
                context, resourceID, memory.baseAddress, UInt64(memory.sizeBytes),
                { Unmanaged<SharedMemory>.fromOpaque($0!).release() }, held.toOpaque())
            if result != PV_OK {
                held.release()
                throw PearVisorError(result)
            }
        }
    }

    func detach(resourceID: UInt32) throws {
        try call { _, context in
            guard pv_context_unref_resource(context, resourceID) else {
                throw PearVisorError.invalid
            }
        }
    }

    /// Stops the ring, waits for who is inside of a call, destroys ring and context. Twice is once.
    /// Throws `.busy`, and then goes on as before, if called from inside of `notify` (by the log).
    func end() throws {
        condition.lock()
        while isEnding && !hasEnded { condition.wait() }
        guard !hasEnded else {
            condition.unlock()
            return
        }
        isEnding = true
        condition.unlock()

        let result = pv_venus_integration_stop(ring)
        guard result != PV_BUSY else {
            setEnding(false)
            throw PearVisorError.busy
        }
        condition.lock()
        while callers > 0 { condition.wait() }
        condition.unlock()
        pv_venus_ring_destroy(ring)
        pv_venus_cleanup(context)
        condition.lock()
        hasEnded = true
        condition.broadcast()
        condition.unlock()
    }

    private func setEnding(_ isEnding: Bool) {
        condition.lock()
        self.isEnding = isEnding
        condition.broadcast()
        condition.unlock()
    }
}
