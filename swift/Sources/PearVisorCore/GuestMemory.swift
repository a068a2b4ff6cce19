import Foundation

/// The guest's memory, as the device reads it: pixels of 2D images, cursors, command lists.
///
/// Called on the device's own thread, from inside of a request: it must not call the device or the
/// `GPUIntegration`, and should not block.
public protocol GuestMemory: AnyObject {
    /// Copies guest memory into `bytes`, once. False when any of it is no memory of the guest's;
    /// the guest then gets an error.
    func read(at guestAddress: UInt64, into bytes: UnsafeMutableRawBufferPointer) -> Bool
}

/// Guest memory that lies in this process in one or several pieces, as a KVM-based monitor has it.
public final class MappedGuestMemory: GuestMemory {
    /// A piece of the guest's memory. The pages are the caller's, and must stay mapped.
    public struct Region {
        /// In the guest's physical address space.
        public let guestAddress: UInt64
        /// Where this process has it.
        public let bytes: UnsafeRawBufferPointer

        public init(guestAddress: UInt64, bytes: UnsafeRawBufferPointer) {
            self.guestAddress = guestAddress
            self.bytes = bytes
        }
    }

    private let regions: [Region]

    /// No two regions may overlap.
    public init(_ regions: [Region]) {
        self.regions = regions
    }

    /// A range may not cross from one region into another.
    public func read(at guestAddress: UInt64, into bytes: UnsafeMutableRawBufferPointer) -> Bool {
        for region in regions where guestAddress >= region.guestAddress {
            let offset = guestAddress - region.guestAddress
            let size = UInt64(region.bytes.count)
            guard offset <= size, UInt64(bytes.count) <= size - offset else { continue }
            let from = region.bytes[Int(offset)..<Int(offset) + bytes.count]
            bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: from))
            return true
        }
        return false
    }
}
