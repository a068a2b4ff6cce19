import CPearVisor
import Foundation

/// A blob that a guest wants to see in its window.
public struct BlobMapping {
    /// How a guest must map the memory.
    public enum Caching: UInt32, Sendable {
        case cached = 1
        case uncached = 2
        case writeCombined = 3
    }

    /// Of the first byte, from the window's beginning; a multiple of 4096, maybe not of the host's
    /// page.
    public let offset: UInt64
    /// Likewise a multiple of 4096. It lies in the window, and overlaps no other mapping.
    public let sizeBytes: UInt64
    /// What to map, from its byte 0 on.
    public let file: FileReference
    public let caching: Caching
}

/// A descriptor that is closed when the last reference to this object goes.
public final class FileReference: @unchecked Sendable {
    /// Valid as long as this object.
    public let descriptor: Int32

    /// Takes over the descriptor.
    public init(taking descriptor: Int32) { self.descriptor = descriptor }

    /// Nil where there are no descriptors left, or `descriptor` is none.
    public init?(duplicating descriptor: Int32) {
        self.descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        if self.descriptor < 0 { return nil }
    }

    deinit { close(descriptor) }
}

/// The shared memory region of the device (number `VirtioDeviceDescription.windowID`) that a guest
/// sees blobs in: rings, replies, and the memory of buffers and images.
///
/// Both calls come on the device's own thread, in the order in which they must take effect, and
/// must not block. Each calls its completion exactly once, from any thread, at once or later; the
/// guest is answered then. They must not call the device or the `GPUIntegration`.
public protocol BlobWindow: AnyObject {
    /// Of the whole region, in bytes; a multiple of 4096; constant.
    var sizeBytes: UInt64 { get }

    /// Makes the blob visible to the guest.
    func map(_ mapping: BlobMapping, completion: @escaping (Bool) -> Void)

    /// Takes an earlier mapping away, whole; afterwards the guest may no longer see the pages. It
    /// can come before its map has completed. One whose map has failed is nothing to take away:
    /// that is no error.
    func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void)
}

/// A window that is a range of this process' address space: blobs are mapped to where they belong
/// in it. For monitors that give a guest one range of addresses for ever, as KVM's memory slots do,
/// and for tests.
///
/// A guest that touches a place without a blob must not end the monitor, so such places are plain
/// zero-filled memory, of which nothing is kept.
public final class AddressRangeWindow: BlobWindow {
    public let sizeBytes: UInt64

    /// Where the window begins. Valid as long as this object.
    public let baseAddress: UnsafeMutableRawPointer

    private let lock = NSLock()
    private var mapped: [UInt64: UInt64] = [:]  // offset → size

    /// `.invalid` for a size that is no multiple of the host's page, `.noMemory` for one that the
    /// address space has no room for. It costs address space only.
    public init(sizeBytes: UInt64) throws {
        guard sizeBytes > 0, sizeBytes % UInt64(SharedMemory.pageSize) == 0,
            let size = Int(exactly: sizeBytes)
        else { throw PearVisorError.invalid }
        let address = mmap(
            nil, size, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE), -1, 0)
        guard let address, address != MAP_FAILED else { throw PearVisorError.noMemory }
        self.sizeBytes = sizeBytes
        baseAddress = address
    }

    deinit {
        munmap(baseAddress, Int(sizeBytes))
    }

    public func map(_ mapping: BlobMapping, completion: @escaping (Bool) -> Void) {
        lock.lock()
        let done =
            isInside(mapping.offset, mapping.sizeBytes)
            && place(
                mapping.offset, mapping.sizeBytes, MAP_SHARED, mapping.file.descriptor)
        if done { mapped[mapping.offset] = mapping.sizeBytes }
        lock.unlock()
        completion(done)
    }

    public func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void) {
        lock.lock()
        var done = true
        if let size = mapped.removeValue(forKey: offset) {
            done = place(offset, size, MAP_PRIVATE | MAP_ANONYMOUS | Int32(MAP_NORESERVE), -1)
        }
        lock.unlock()
        completion(done)
    }

    private func isInside(_ offset: UInt64, _ size: UInt64) -> Bool {
        offset <= sizeBytes && size <= sizeBytes - offset
            && offset % UInt64(SharedMemory.pageSize) == 0
    }

    private func place(_ offset: UInt64, _ size: UInt64, _ flags: Int32, _ descriptor: Int32)
        -> Bool
    {
        mmap(
            baseAddress + Int(offset), Int(size), PROT_READ | PROT_WRITE, flags | MAP_FIXED,
            descriptor, 0) != MAP_FAILED
    }
}
