import Foundation

/// Memory that a guest and the library share: zero-filled whole pages at a page's boundary.
///
/// Swift owns it: the pages go back to the system when the last reference goes. While the library
/// uses them it holds a reference, too, so they outlive whichever of the two lets go first.
///
/// Any thread. What the guest writes there can change at any moment: copy, then judge.
public final class SharedMemory: @unchecked Sendable {
    /// 4 MiB, which makes a ring with a buffer of 2 MiB.
    public static let defaultSize = 4 * 1024 * 1024

    /// The host's page: 4 KiB, or 16 KiB on Apple silicon.
    public static var pageSize: Int { Int(sysconf(Int32(_SC_PAGESIZE))) }

    /// The first byte. Valid as long as this object.
    public let baseAddress: UnsafeMutableRawPointer

    /// A multiple of the page size.
    public let sizeBytes: Int

    /// Rounds the size up to whole pages. Throws `.invalid` for a size below one byte, and
    /// `.noMemory` when the system has none.
    public init(sizeBytes: Int = SharedMemory.defaultSize) throws {
        let page = SharedMemory.pageSize
        guard sizeBytes > 0, sizeBytes <= Int.max - page else { throw PearVisorError.invalid }
        self.sizeBytes = (sizeBytes + page - 1) / page * page
        // Shared, so that a virtual machine monitor in a process of its own could map it, too.
        let address = mmap(
            nil, self.sizeBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        guard let address, address != MAP_FAILED else { throw PearVisorError.noMemory }
        baseAddress = address
    }

    deinit {
        munmap(baseAddress, sizeBytes)
    }

    /// All of its bytes. For the call only.
    public func withUnsafeBytes<R>(_ body: (UnsafeMutableRawBufferPointer) throws -> R) rethrows
        -> R
    {
        try body(UnsafeMutableRawBufferPointer(start: baseAddress, count: sizeBytes))
    }
}
