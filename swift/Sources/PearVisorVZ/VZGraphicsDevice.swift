#if canImport(Virtualization)
import Foundation
import PearVisorCore
import Virtualization

/// The delegate of a custom virtio device that is a GPU. It only translates: what can be decided
/// without the framework is in `PearVisorCore`, where it is tested.
///
/// The framework calls on `queue`, its device queue. Nothing there may wait for the device, whose
/// thread may be waiting for that queue to read guest memory. Completions and events of the
/// integration come on its callback queue, which is another one.
///
/// Made by `VZConfigurator.addGPU(to:)`; one for each machine.
@available(macOS 27.0, *)
public final class VZGraphicsDevice: NSObject {
    public let integration: GPUIntegration
    public let device: GraphicsDevice
    public let queue: DispatchQueue

    private let memory: VZGuestMemory
    private let window: PagedWindow
    private let queues: VirtioQueues
    private var region: VZRegion?
    private weak var virtioDevice: VZCustomVirtioDevice?

    init(settings: GPUIntegration.Configuration, windowBytes: UInt64) throws {
        queue = DispatchQueue(label: "pearvisor.vz", qos: .userInteractive)
        memory = VZGuestMemory(queue: queue)
        window = PagedWindow(sizeBytes: windowBytes)
        integration = try GPUIntegration(
            configuration: settings, guestMemory: memory, window: window)
        device = try integration.createGraphicsDevice()
        queues = VirtioQueues(device: device, queue: queue)
        super.init()
        device.onConfigurationChange { [weak self, queue] bytes in
            queue.async { [weak self] in self?.tell(bytes) }
        }
    }

    /// `events_read` and the like. Interrupting the guest is up to the framework.
    private func tell(_ configuration: Data) {
        virtioDevice?.updateDeviceSpecificConfiguration(
            VZVirtioDeviceSpecificConfiguration(configurationData: configuration)
        ) { _ in }
    }
}

@available(macOS 27.0, *)
extension VZGraphicsDevice: VZCustomVirtioDeviceConfigurationDelegate {
    public func customVirtioConfiguration(
        _ deviceConfiguration: VZCustomVirtioDeviceConfiguration,
        didCreateDevice virtioDevice: VZCustomVirtioDevice
    ) {
        self.virtioDevice = virtioDevice
        virtioDevice.delegate = self
        memory.connect(virtioDevice)
        let windowID = device.description.windowID
        region = virtioDevice.sharedMemoryRegions.first { $0.regionID == windowID }.map {
            VZRegion($0, queue: queue)
        }
        window.connect(region)
    }
}

@available(macOS 27.0, *)
extension VZGraphicsDevice: VZCustomVirtioDeviceDelegate {
    public func customVirtioDevice(
        _ device: VZCustomVirtioDevice, didReceiveNotificationFor queue: VZVirtioQueue
    ) {
        guard let which = VirtioGPU.Queue(rawValue: queue.queueIndex) else { return }
        while let element = queue.nextElement() {
            queues.process(VZChain(element), from: which)
        }
    }

    public func customVirtioDeviceWillReset(_ device: VZCustomVirtioDevice) {
        queues.reset()
    }

    public func customVirtioDeviceWillStop(_ device: VZCustomVirtioDevice) {
        memory.connect(nil)
        window.connect(nil)
        queues.giveAllBack()
        // Waits for the device's thread, which may be waiting for this queue.
        DispatchQueue.global().async { [integration] in try? integration.stop() }
    }
}

/// An element of a queue.
@available(macOS 27.0, *)
private final class VZChain: DescriptorChain {
    private let element: VZVirtioQueueElement

    init(_ element: VZVirtioQueueElement) { self.element = element }

    var readableByteCount: Int { Int(element.readBuffersAvailableByteCount) }
    var writableByteCount: Int { Int(element.writeBuffersAvailableByteCount) }
    func read(_ byteCount: Int) throws -> Data {
        byteCount == 0 ? Data() : try element.readBytes(withExactLength: byteCount)
    }
    func write(_ bytes: Data) throws { try element.write(bytes) }
    func giveBack() { element.returnToQueue() }
}

/// The shared memory region that blobs are mapped into.
@available(macOS 27.0, *)
private final class VZRegion: PageMapper {
    private let region: VZVirtioSharedMemoryRegion
    private let queue: DispatchQueue

    init(_ region: VZVirtioSharedMemoryRegion, queue: DispatchQueue) {
        self.region = region
        self.queue = queue
    }

    func map(
        _ memory: UnsafeMutableRawPointer, offset: UInt64, sizeBytes: UInt64,
        completion: @escaping (Bool) -> Void
    ) {
        let address = UInt(bitPattern: memory)  // a pointer may not go from queue to queue
        queue.async { [region] in
            let memory = UnsafeMutableRawPointer(bitPattern: address)!
            region.mapMemory(memory, atOffset: offset, size: sizeBytes) { completion($0 == nil) }
        }
    }

    func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void) {
        queue.async { [region] in
            region.unmapMemory(atOffset: offset, size: sizeBytes) { completion($0 == nil) }
        }
    }
}

/// The guest's memory, asked for piece by piece: a mapping must not outlive a reboot of the guest.
/// On the device's thread, so it asks on the framework's queue.
@available(macOS 27.0, *)
private final class VZGuestMemory: GuestMemory {
    private let queue: DispatchQueue
    private weak var device: VZCustomVirtioDevice?  // on the queue

    init(queue: DispatchQueue) { self.queue = queue }

    func connect(_ device: VZCustomVirtioDevice?) { self.device = device }

    func read(at guestAddress: UInt64, into bytes: UnsafeMutableRawBufferPointer) -> Bool {
        guard let target = bytes.baseAddress else { return true }
        return queue.sync {
            guard
                let mapping = device?.guestMemoryMapping(
                    atPhysicalAddress: guestAddress, length: bytes.count)
            else { return false }
            target.copyMemory(from: mapping.mutableBytes, byteCount: bytes.count)
            return true
        }
    }
}
#endif
