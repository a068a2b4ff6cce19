import CPearVisor
import Foundation

/// The C device and what its callbacks need. All of it belongs to the device's thread, which keeps
/// this object until the C device is gone: so the pointer that the callbacks get is always good.
final class DeviceCore: @unchecked Sendable {
    let callbackQueue: DispatchQueue
    weak var thread: DeviceThread?
    var displayHandler: ((Int, GraphicsDevice.Rectangle) -> Void)?
    var configurationHandler: ((Data) -> Void)?

    private let configuration: GPUIntegration.Configuration
    private let guestMemory: GuestMemory?
    private let window: BlobWindow?
    private let log: LogSink?
    private var renderer: OpaquePointer?
    private var gpu: OpaquePointer?
    private var completions: [UInt64: (Result<Data, PearVisorError>) -> Void] = [:]
    private var lastToken: UInt64 = 0

    init(
        _ configuration: GPUIntegration.Configuration, guestMemory: GuestMemory?,
        window: BlobWindow?
    ) {
        self.configuration = configuration
        self.guestMemory = guestMemory
        self.window = window
        callbackQueue = configuration.callbackQueue
        log = configuration.log.map { LogSink(level: configuration.logLevel, handler: $0) }
    }

    // MARK: - beginning and end

    func create() -> Result<VirtioDeviceDescription, PearVisorError> {
        do {
            if configuration.isolation == .inThisProcess {
                try configuration.withRendererParameters(log) {
                    try PearVisorError.check(pv_renderer_create($0, &renderer))
                }
            }
            try withParameters { try PearVisorError.check(pv_gpu_create($0, &gpu)) }
        } catch {
            destroy()
            return .failure(error as? PearVisorError ?? .hostFailed)
        }
        return .success(describe())
    }

    func destroy() {
        pv_gpu_destroy(gpu)
        gpu = nil
        pv_renderer_destroy(renderer)
        renderer = nil
        failAll()
        displayHandler = nil
        configurationHandler = nil
    }

    var source: DeviceThread.Source? {
        guard let gpu else { return nil }
        return DeviceThread.Source(
            descriptor: pv_gpu_poll_fd(gpu),
            timeoutMilliseconds: { pv_gpu_timeout_ms(gpu) },
            dispatch: { pv_gpu_dispatch(gpu) })
    }

    private func describe() -> VirtioDeviceDescription {
        VirtioDeviceDescription(
            deviceID: UInt16(PV_GPU_DEVICE_ID), pciClassID: 0x03, pciSubclassID: 0x80,
            queueCount: UInt16(PV_GPU_QUEUE_COUNT), queueSize: UInt16(PV_GPU_QUEUE_SIZE),
            features: pv_gpu_features(gpu), configuration: readConfiguration(),
            windowID: UInt8(PV_GPU_WINDOW_ID), windowBytes: window?.sizeBytes ?? 0)
    }

    private func withParameters<R>(_ body: (UnsafePointer<pv_gpu_params>) throws -> R) rethrows -> R
    {
        var callbacks = pv_gpu_callbacks()
        callbacks.respond = DeviceCore.respond
        callbacks.read_memory = DeviceCore.readMemory
        if window != nil {
            callbacks.map = DeviceCore.map
            callbacks.unmap = DeviceCore.unmap
        }
        callbacks.display = DeviceCore.display
        callbacks.config_changed = DeviceCore.configurationChanged

        var parameters = pv_gpu_params()
        parameters.struct_size = UInt32(MemoryLayout<pv_gpu_params>.size)
        parameters.renderer = renderer
        parameters.window_bytes = window?.sizeBytes ?? 0
        parameters.scanouts = UInt32(clamping: configuration.scanouts)
        parameters.width = UInt32(clamping: configuration.width)
        parameters.height = UInt32(clamping: configuration.height)
        parameters.blob_alignment = configuration.blobAlignment
        parameters.user = Unmanaged.passUnretained(self).toOpaque()
        if let log {
            parameters.log = LogSink.write
            parameters.log_user = log.pointer
            parameters.log_level = log.level.c
        }
        var program: String?
        if case .workers(let path) = configuration.isolation { program = path }
        return try program.withOptionalCString { program in
            try configuration.gpu.withOptionalCString { gpu in
                try configuration.driver.withOptionalCString { driver in
                    try withUnsafePointer(to: callbacks) { callbacks in
                        parameters.program = program
                        parameters.gpu = gpu
                        parameters.driver = driver
                        parameters.callbacks = callbacks
                        return try body(&parameters)
                    }
                }
            }
        }
    }

    // MARK: - calls

    func request(
        _ request: Data, queue: VirtioGPU.Queue, capacity: Int,
        completion: @escaping (Result<Data, PearVisorError>) -> Void
    ) {
        guard let gpu else {
            completion(.failure(.closed))
            return
        }
        lastToken += 1
        completions[lastToken] = completion
        request.withUnsafeBytes { bytes in
            pv_gpu_request(
                gpu, queue.c, lastToken, bytes.baseAddress, bytes.count, max(0, capacity))
        }
    }

    func reset() {
        guard let gpu else { return }
        pv_gpu_reset(gpu)
        failAll()
    }

    private func failAll() {
        let dropped = completions.sorted { $0.key < $1.key }
        completions = [:]
        for (_, completion) in dropped { completion(.failure(.closed)) }
    }

    func readConfiguration() -> Data {
        var bytes = Data(count: Int(pv_gpu_config_size(gpu)))
        bytes.withUnsafeMutableBytes { pv_gpu_read_config(gpu, 0, $0.baseAddress, $0.count) }
        return bytes
    }

    func writeConfiguration(_ offset: UInt32, _ bytes: Data) {
        bytes.withUnsafeBytes { pv_gpu_write_config(gpu, offset, $0.baseAddress, $0.count) }
    }

    func image(_ scanout: UInt32) -> ScanoutImage? {
        var image = pv_gpu_image()
        image.struct_size = UInt32(MemoryLayout<pv_gpu_image>.size)
        guard pv_gpu_scanout(gpu, scanout, &image) else { return nil }
        let size = Int(image.stride_bytes) * Int(image.height)
        return ScanoutImage(
            width: Int(image.width), height: Int(image.height),
            strideBytes: Int(image.stride_bytes),
            pixels: image.pixels.map { Data(bytes: $0, count: size) } ?? Data())
    }

    func resize(_ scanout: UInt32, _ width: UInt32, _ height: UInt32) {
        pv_gpu_resize(gpu, scanout, width, height)
    }

    // MARK: - callbacks

    private static func of(_ user: UnsafeMutableRawPointer?) -> DeviceCore {
        Unmanaged<DeviceCore>.fromOpaque(user!).takeUnretainedValue()
    }

    private static let respond:
        @convention(c) (UnsafeMutableRawPointer?, UInt64, UnsafeRawPointer?, Int) -> Void = {
            user, token, bytes, size in
            let response = bytes.map { Data(bytes: $0, count: size) } ?? Data()
            DeviceCore.of(user).completions.removeValue(forKey: token)?(.success(response))
        }

    private static let readMemory:
        @convention(c) (UnsafeMutableRawPointer?, UInt64, UnsafeMutableRawPointer?, Int) -> Bool =
        { user, address, bytes, size in
            let target = UnsafeMutableRawBufferPointer(start: bytes, count: size)
            return DeviceCore.of(user).guestMemory?.read(at: address, into: target) ?? false
        }

    private static let map:
        @convention(c) (UnsafeMutableRawPointer?, UInt64, UnsafePointer<pv_gpu_mapping>?) -> Void =
        { user, token, mapping in
            let core = DeviceCore.of(user)
            guard let window = core.window, let mapping = mapping?.pointee,
                let file = FileReference(duplicating: mapping.fd)
            else {
                core.finishMap(token, false)
                return
            }
            let caching = BlobMapping.Caching(rawValue: UInt32(mapping.caching.rawValue))
            window.map(
                BlobMapping(
                    offset: mapping.offset, sizeBytes: mapping.size_bytes, file: file,
                    caching: caching ?? .cached)
            ) { core.finishMap(token, $0) }
        }

    private static let unmap:
        @convention(c) (UnsafeMutableRawPointer?, UInt64, UInt64, UInt64) -> Void = {
            user, token, offset, size in
            let core = DeviceCore.of(user)
            core.window?.unmap(offset: offset, sizeBytes: size) { core.finishMap(token, $0) }
        }

    /// From any thread: the device's own does it. A token of 0 belongs to nobody who waits.
    private func finishMap(_ token: UInt64, _ done: Bool) {
        guard token != 0 else { return }
        thread?.async { [self] in
            if let gpu { pv_gpu_finish_map(gpu, token, done) }
        }
    }

    private static let display:
        @convention(c) (UnsafeMutableRawPointer?, UInt32, UnsafePointer<pv_gpu_rect>?) -> Void = {
            user, scanout, changed in
            let core = DeviceCore.of(user)
            guard let handler = core.displayHandler, let changed = changed?.pointee else { return }
            let rectangle = GraphicsDevice.Rectangle(
                x: Int(changed.x), y: Int(changed.y), width: Int(changed.width),
                height: Int(changed.height))
            core.callbackQueue.async { handler(Int(scanout), rectangle) }
        }

    private static let configurationChanged: @convention(c) (UnsafeMutableRawPointer?) -> Void = {
        user in
        let core = DeviceCore.of(user)
        // Later, since a callback may not ask the device.
        core.thread?.async {
            guard core.gpu != nil, let handler = core.configurationHandler else { return }
            let bytes = core.readConfiguration()
            core.callbackQueue.async { handler(bytes) }
        }
    }
}
