import CPearVisor
import Foundation

/// What a transport must say to a guest about the device: everything that a driver reads before it
/// sends its first request.
public struct VirtioDeviceDescription: Equatable, Sendable {
    /// Of a GPU, in virtio's list of devices.
    public let deviceID: UInt16
    /// PCI: a display controller, of no particular kind.
    public let pciClassID: UInt8
    public let pciSubclassID: UInt8
    public let queueCount: UInt16
    /// Advised for both queues.
    public let queueSize: UInt16
    /// The device's own features, bits 0 to 23. `VIRTIO_F_VERSION_1` and what else belongs to the
    /// transport is the transport's to add.
    public let features: UInt64
    /// The device-specific configuration as a guest reads it at first.
    public let configuration: Data
    /// Of the shared memory region that blobs are mapped into.
    public let windowID: UInt8
    /// Of that region; 0: there is none.
    public let windowBytes: UInt64

    /// Feature bits 0 to 31, as transports with two words for them have it.
    public var featuresLow: UInt32 { UInt32(truncatingIfNeeded: features) }
    /// Feature bits 32 to 63.
    public var featuresHigh: UInt32 { UInt32(truncatingIfNeeded: features >> 32) }
}

/// What a scanout shows.
public struct ScanoutImage: Equatable, Sendable {
    public let width: Int
    public let height: Int
    public let strideBytes: Int
    /// Blue, green, red and an unused byte for each pixel; empty where nothing is shown.
    public let pixels: Data
}

/// A virtio-gpu device: `pv_gpu` on a thread of its own.
///
/// Made by `GPUIntegration.createGraphicsDevice()`. All calls may come from any thread, except from
/// inside of a `GuestMemory` or a `BlobWindow`. After `GPUIntegration.stop()` they throw `.closed`
/// or answer nothing.
public final class GraphicsDevice: @unchecked Sendable {
    /// Pixels of a scanout, counted from its left upper corner.
    public struct Rectangle: Equatable, Sendable {
        public let x, y, width, height: Int
    }

    /// What the device is to a guest's driver.
    public let description: VirtioDeviceDescription

    private let core: DeviceCore
    private let thread: DeviceThread

    init(
        _ configuration: GPUIntegration.Configuration, guestMemory: GuestMemory?,
        window: BlobWindow?
    ) throws {
        let core = DeviceCore(configuration, guestMemory: guestMemory, window: window)
        var created: Result<VirtioDeviceDescription, PearVisorError> = .failure(.hostFailed)
        let isCreated = DispatchSemaphore(value: 0)
        let thread = try DeviceThread(name: "pearvisor-gpu") {
            created = core.create()
            let source = core.source
            isCreated.signal()
            return source
        } finish: {
            core.destroy()
        }
        core.thread = thread
        isCreated.wait()
        self.core = core
        self.thread = thread
        do {
            description = try created.get()
        } catch {
            thread.end()
            throw error
        }
    }

    deinit {
        thread.end()
    }

    /// Ends contexts and workers; requests that wait fail with `.closed`. Twice is once.
    func close() {
        thread.end()
    }

    // MARK: - requests

    /// One request and its response. See `GPUIntegration.handleVirtioCommand(_:)`.
    func handle(_ request: Data, timeout: TimeInterval) -> Data {
        let answered = DispatchSemaphore(value: 0)
        let box = ResponseBox()
        let capacity = VirtioGPU.responseSizeMax
        let isTaken = thread.async { [core] in
            core.request(request, queue: .control, capacity: capacity) {
                box.set($0)
                answered.signal()
            }
        }
        guard isTaken, answered.wait(timeout: .now() + timeout) == .success,
            case .success(let response)? = box.get()
        else { return VirtioGPU.errorResponse(to: request) }
        return response
    }

    /// One request of either queue, from a descriptor chain: its readable bytes, and the size of
    /// its writable part, which the response fits into.
    ///
    /// The completion comes exactly once, on `completionQueue` (a serial one; nil: the
    /// configuration's callback queue), in the order in which the device answers: with the response
    /// (which may be empty), or with `.closed` when the guest has reset the device or it has been
    /// stopped meanwhile. This call does not wait.
    public func submit(
        _ request: Data, queue: VirtioGPU.Queue, responseCapacity: Int,
        completionQueue: DispatchQueue? = nil,
        completion: @escaping (Result<Data, PearVisorError>) -> Void
    ) {
        let completionQueue = completionQueue ?? core.callbackQueue
        let tell: (Result<Data, PearVisorError>) -> Void = { response in
            completionQueue.async { completion(response) }
        }
        let isTaken = thread.async { [core] in
            core.request(request, queue: queue, capacity: responseCapacity, completion: tell)
        }
        if !isTaken { tell(.failure(.closed)) }
    }

    /// The guest has reset the device, or reboots: contexts end, resources go, what waits for a
    /// response gets `.closed`, and the window is emptied. Before any later request, but this call
    /// does not wait for it.
    public func reset() {
        thread.async { [core] in core.reset() }
    }

    // MARK: - configuration space

    /// The device-specific configuration as it is now.
    public func readConfiguration() throws -> Data {
        guard let bytes = thread.sync({ [core] in core.readConfiguration() }) else {
            throw PearVisorError.closed
        }
        return bytes
    }

    /// The guest writes into the configuration; all but `events_clear` (offset 4) is ignored.
    public func writeConfiguration(offset: Int, bytes: Data) {
        guard let offset = UInt32(exactly: offset) else { return }
        _ = thread.sync { [core] in core.writeConfiguration(offset, bytes) }
    }

    // MARK: - screen

    /// Told, on the callback queue, that a guest has changed these pixels of a scanout, or shows
    /// something else there.
    public func onDisplay(_ handler: ((_ scanout: Int, _ changed: Rectangle) -> Void)?) {
        _ = thread.sync { [core] in core.displayHandler = handler }
    }

    /// Told, on the callback queue, what the configuration is now: interrupt the guest.
    public func onConfigurationChange(_ handler: ((Data) -> Void)?) {
        _ = thread.sync { [core] in core.configurationHandler = handler }
    }

    /// A copy of what a scanout shows, without the guest's pointer. Nil when there is no such
    /// scanout. A scanout that is off has a width of 0.
    public func image(ofScanout scanout: Int = 0) throws -> ScanoutImage? {
        guard let scanout = UInt32(exactly: scanout) else { return nil }
        guard let image = thread.sync({ [core] in core.image(scanout) }) else {
            throw PearVisorError.closed
        }
        return image
    }

    /// The monitor of a scanout has another size now, or none (0 × 0): the guest is told.
    public func resize(scanout: Int = 0, width: Int, height: Int) throws {
        guard let scanout = UInt32(exactly: scanout), let width = UInt32(exactly: width),
            let height = UInt32(exactly: height)
        else { throw PearVisorError.invalid }
        guard thread.sync({ [core] in core.resize(scanout, width, height) }) != nil else {
            throw PearVisorError.closed
        }
    }
}

/// A response on its way from one thread to another.
private final class ResponseBox: @unchecked Sendable {
    private let lock = NSLock()
    private var response: Result<Data, PearVisorError>?

    func set(_ response: Result<Data, PearVisorError>) {
        lock.lock()
        self.response = response
        lock.unlock()
    }

    func get() -> Result<Data, PearVisorError>? {
        lock.lock()
        defer { lock.unlock() }
        return response
    }
}
