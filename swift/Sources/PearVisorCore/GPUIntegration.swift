import CPearVisor
import Foundation

/// A GPU for one guest: a ring in shared memory whose Vulkan commands run in this process, a whole
/// virtio-gpu device, or both.
///
///     let integration = try GPUIntegration()
///     let device = try integration.createGraphicsDevice()      // virtio-gpu, 1920 × 1080
///     let response = integration.handleVirtioCommand(request)  // what the guest's driver sends
///     …
///     try integration.stop()
///
///     try integration.initializeVenus()     // Vulkan through `sharedMemory`, without virtio
///     … a guest writes commands there …
///     try integration.notify()              // runs them, on this thread
///
/// The two do not know of each other: a guest of the device brings rings of its own, which the
/// device's contexts serve by themselves; `sharedMemory` is for a guest that you have given it to.
///
/// *Ownership.* The integration owns its shared memory and frees it only after the library has let
/// go of it; the same holds for memory that it has attached.
///
/// *Threads.* All calls may come from any thread, several at once. `GuestMemory`, `BlobWindow` and
/// the log are called from threads of the library's and must not call back in here; completions
/// and events come on `Configuration.callbackQueue` and may.
///
/// *A guest is hostile.* It can make itself fail, and nothing else.
public final class GPUIntegration: @unchecked Sendable {
    /// The memory of the ring: 16 bytes of control words (head, tail, status, unused), then the
    /// buffer, in which a guest writes commands of the Venus protocol. To be mapped into a guest.
    public let sharedMemory: SharedMemory

    private let configuration: Configuration
    private let guestMemory: GuestMemory?
    private let window: BlobWindow?
    private let lock = NSLock()
    private var device: GraphicsDevice?  // under the lock
    private var session: VenusSession?  // likewise

    /// Allocates the shared memory; nothing is loaded or started yet.
    ///
    /// Without `guestMemory` the guest's 2D images stay black and requests with memory of its own
    /// fail; without `window` there are no host-visible blobs, and so no Vulkan through virtio.
    /// Both are kept until the device is gone.
    public init(
        configuration: Configuration = Configuration(), guestMemory: GuestMemory? = nil,
        window: BlobWindow? = nil
    ) throws {
        guard configuration.sharedMemoryBytes >= Int(PV_VENUS_RING_SIZE_MIN) else {
            throw PearVisorError.invalid
        }
        self.configuration = configuration
        self.guestMemory = guestMemory
        self.window = window
        sharedMemory = try SharedMemory(sizeBytes: configuration.sharedMemoryBytes)
    }

    deinit {
        try? stop()
    }

    // MARK: - virtio-gpu

    /// Creates the virtio-gpu device, with a scanout of the configured size.
    ///
    /// Throws `.busy` when there is one already, `.hostFailed` without a worker program or a
    /// driver, `.unsupported` when the configuration makes no sense.
    @discardableResult
    public func createGraphicsDevice() throws -> GraphicsDevice {
        lock.lock()
        defer { lock.unlock() }
        guard device == nil else { throw PearVisorError.busy }
        let created = try GraphicsDevice(configuration, guestMemory: guestMemory, window: window)
        device = created
        return created
    }

    /// The device, if there is one.
    public var graphicsDevice: GraphicsDevice? {
        lock.lock()
        defer { lock.unlock() }
        return device
    }

    /// One request of the control queue in, its response out, both as virtio-gpu has them, from the
    /// header on.
    ///
    /// The device may answer later than at once: a blob waits for the guest's context, a fenced
    /// request for the GPU. This call waits for it, and no other request does: several threads may
    /// be in here. What has not been answered after `Configuration.commandTimeout`, what the guest
    /// drops by a reset, and what comes while there is no device gets
    /// `VirtioGPU.errorResponse(to:)`. So there is a response in any case, also to bytes that are
    /// no request: an error response, of 24 bytes.
    ///
    /// Do not call it on a queue that the window or the guest memory needs to get on, such as the
    /// device queue of Apple's Virtualization framework: use the form with a completion there.
    public func handleVirtioCommand(_ command: Data) -> Data {
        guard let device = graphicsDevice else { return VirtioGPU.errorResponse(to: command) }
        return device.handle(command, timeout: configuration.commandTimeout)
    }

    /// Likewise, without waiting: the response comes on `Configuration.callbackQueue`, whenever it
    /// does. `.closed` when the guest has reset the device, when it was stopped, or when there is
    /// none.
    public func handleVirtioCommand(
        _ command: Data, completion: @escaping (Result<Data, PearVisorError>) -> Void
    ) {
        guard let device = graphicsDevice else {
            configuration.callbackQueue.async { completion(.failure(.closed)) }
            return
        }
        device.submit(
            command, queue: .control, responseCapacity: VirtioGPU.responseSizeMax,
            completion: completion)
    }

    // MARK: - Venus in shared memory

    /// Loads Vulkan, lays a ring into `sharedMemory` and starts it. Takes as long as the driver
    /// takes to load, tens to hundreds of milliseconds.
    ///
    /// Throws `.busy` when it runs already, `.hostFailed` without a Vulkan loader or a driver that
    /// works. After `stop()` it may be called again: with a new context, and an empty ring.
    public func initializeVenus() throws {
        lock.lock()
        defer { lock.unlock() }
        guard session == nil else { throw PearVisorError.busy }
        session = try VenusSession(configuration, memory: sharedMemory)
    }

    private func running() throws -> VenusSession {
        lock.lock()
        defer { lock.unlock() }
        guard let session else { throw PearVisorError.closed }
        return session
    }

    /// Executes what the guest has written into the ring, on this thread, until it is done. With
    /// nothing to do it costs a few loads: poll as often as an answer may be late.
    ///
    /// Throws `.guestFault` when the guest has broken the protocol, now or earlier; `.closed` when
    /// the ring is not started, or is stopped meanwhile.
    public func notify() throws {
        try running().notify()
    }

    /// The share of the ring's buffer that is written and not yet executed, 0 to 1; 0 when Venus is
    /// not running.
    public var utilization: Double {
        (try? running().utilization()) ?? 0
    }

    /// Of the ring's buffer, in bytes: the largest power of two that fits behind the control words.
    /// 0 when Venus is not running.
    public var ringBufferSize: Int {
        (try? running().bufferSize()) ?? 0
    }

    /// Makes memory known to the guest's commands by a number that is not 0 and not in use: for the
    /// replies to its commands (`vkSetReplyCommandStreamMESA`), among others.
    ///
    /// The library keeps the memory alive as long as anything of it refers to it.
    public func attachMemory(_ memory: SharedMemory, resourceID: UInt32) throws {
        try running().attach(memory, resourceID: resourceID)
    }

    /// Forgets that number. Streams and rings that use the memory keep it until they end. Throws
    /// `.invalid` when there is no such number.
    public func detachMemory(resourceID: UInt32) throws {
        try running().detach(resourceID: resourceID)
    }

    /// What the guest has done so far. Throws `.closed` when Venus is not running.
    public func getStatistics() throws -> GPUStatistics {
        try running().statistics()
    }

    // MARK: - end

    /// Ends the device and Venus, in that order, and waits for what is under way: a `notify` ends
    /// at the guest's next command, requests get an error. Afterwards the library refers to nothing
    /// of this process any more. Twice is once; both can be made anew.
    ///
    /// Throws `.busy`, and then Venus goes on, when called from inside of `notify` (by the log).
    public func stop() throws {
        lock.lock()
        let device = self.device
        let session = self.session
        self.device = nil
        lock.unlock()
        device?.close()
        try session?.end()
        lock.lock()
        if session != nil, self.session === session {
            self.session = nil
            // What this guest has left must not run for the next one.
            sharedMemory.baseAddress.initializeMemory(as: UInt8.self, repeating: 0, count: 16)
        }
        lock.unlock()
    }
}
