import CPearVisor
import Foundation

extension GPUIntegration {
    /// Where the graphics device executes what its guests send.
    public enum Isolation: Equatable, Sendable {
        /// Each context of the guest in a process of its own, with a sandbox around it. `program`
        /// is the path of the program `pearvisor`; nil: where the library was installed with it.
        case workers(program: String?)
        /// All in this process. A fault of the driver is a fault of this process: for guests that
        /// you trust, and for hosts where workers cannot run.
        case inThisProcess
    }

    /// What an integration is made with. The defaults do for a first picture.
    public struct Configuration {
        /// Of the memory for the ring, in bytes; rounded up to whole pages, at least 4096.
        public var sharedMemoryBytes = SharedMemory.defaultSize

        /// Of each scanout, in pixels.
        public var width = 1920
        public var height = 1080
        /// How many there are, 1 to 16.
        public var scanouts = 1

        /// Offer the guest this alignment for its blobs (a power of two from 4096 on); 0: do not.
        /// For hosts whose pages are larger than the guest's. Stock Mesa does not round its sizes
        /// up to it, so it takes a guest that does.
        public var blobAlignment: UInt32 = 0

        /// Of the graphics device. `initializeVenus()` always executes in this process, on the
        /// thread that notifies.
        public var isolation = Isolation.workers(program: nil)

        /// Offer only this GPU: a part of its name, or its number in the driver's order from 0 on.
        /// Nil: all.
        public var gpu: String?

        /// A Vulkan driver's manifest (JSON), for workers. Nil: all that the host has.
        public var driver: String?

        /// The Vulkan loader, for what runs in this process: a path or a name for `dlopen`. Nil:
        /// the platform's usual one.
        public var vulkanLibrary: String?

        /// How long `handleVirtioCommand(_:)` waits for a response, in seconds.
        public var commandTimeout: TimeInterval = 5

        /// A serial queue on which completions and events of the graphics device come.
        public var callbackQueue = DispatchQueue(label: "pearvisor.callbacks")

        /// Nil: silence. From any thread.
        public var log: LogHandler?
        /// Lines beyond it are dropped.
        public var logLevel = LogLevel.warn

        public init() {}

        /// For the duration of the call. `log` must live as long as what is made with them.
        func withRendererParameters<R>(
            _ log: LogSink?, _ body: (UnsafePointer<pv_renderer_params>) throws -> R
        ) rethrows -> R {
            var parameters = pv_renderer_params()
            parameters.struct_size = UInt32(MemoryLayout<pv_renderer_params>.size)
            if let log {
                parameters.log = LogSink.write
                parameters.log_user = log.pointer
                parameters.log_level = log.level.c
            }
            return try vulkanLibrary.withOptionalCString { library in
                try gpu.withOptionalCString { gpu in
                    parameters.library = library
                    parameters.gpu = gpu
                    return try body(&parameters)
                }
            }
        }
    }
}

extension Optional where Wrapped == String {
    /// Nil stays NULL.
    func withOptionalCString<R>(_ body: (UnsafePointer<CChar>?) throws -> R) rethrows -> R {
        guard let self else { return try body(nil) }
        return try self.withCString { try body($0) }
    }
}
