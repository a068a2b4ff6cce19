import Foundation

/// What maps host memory into a guest, piece by piece, and answers later: the shared memory region
/// of a device in Apple's Virtualization framework (`VZVirtioSharedMemoryRegion`), and whatever is
/// like it. Completions may come on any thread.
public protocol PageMapper: AnyObject {
    func map(
        _ memory: UnsafeMutableRawPointer, offset: UInt64, sizeBytes: UInt64,
        completion: @escaping (Bool) -> Void)
    func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void)
}

/// A window on top of a `PageMapper`: maps a blob into this process, then into the guest, and keeps
/// the books.
///
/// *One at a time.* A guest that has freed a place in its window uses it again at once. So no
/// operation begins before the one before it has completed.
///
/// *Whole pages of the host.* A host whose pages are 16 KiB can map nothing at an offset that is
/// only a multiple of 4 KiB: such a blob is refused, and its guest gets an error. A size is rounded
/// up: the end of the last page belongs to the same blob, and no other mapping can begin in it.
/// Guests of 4 KiB pages choose fitting offsets when the device offers blob alignment
/// (`GPUIntegration.Configuration.blobAlignment`).
public final class PagedWindow: BlobWindow, @unchecked Sendable {
    public let sizeBytes: UInt64

    private let pageSize: UInt64
    private let lock = NSLock()
    // All below: under the lock.
    private weak var mapper: PageMapper?
    private var waiting: [() -> Void] = []
    private var isBusy = false
    private var mappings: [UInt64: Pages] = [:]  // by their offset

    private struct Pages {
        let memory: UnsafeMutableRawPointer
        let sizeBytes: UInt64
    }

    /// `pageSize` is the host's, except in tests. `sizeBytes` is a multiple of it.
    public init(sizeBytes: UInt64, pageSize: Int = SharedMemory.pageSize) {
        self.sizeBytes = sizeBytes
        self.pageSize = UInt64(pageSize)
    }

    deinit {
        for pages in mappings.values { munmap(pages.memory, Int(pages.sizeBytes)) }
    }

    /// Says what maps, once there is one; it is not kept alive. Without one, every map fails, and
    /// so do those that wait for their turn when it goes.
    public func connect(_ mapper: PageMapper?) {
        lock.lock()
        self.mapper = mapper
        lock.unlock()
    }

    /// The pages that the guest sees, by their offset in the window, each with its size in bytes.
    public var mapped: [UInt64: UInt64] {
        lock.lock()
        defer { lock.unlock() }
        return mappings.mapValues(\.sizeBytes)
    }

    public func map(_ mapping: BlobMapping, completion: @escaping (Bool) -> Void) {
        enqueue { [self] in
            guard let pages = open(mapping), let mapper = currentMapper else {
                finish { completion(false) }
                return
            }
            mapper.map(pages.memory, offset: mapping.offset, sizeBytes: pages.sizeBytes) { done in
                if done {
                    self.keep(pages, at: mapping.offset)
                } else {
                    munmap(pages.memory, Int(pages.sizeBytes))
                }
                self.finish { completion(done) }
            }
        }
    }

    public func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void) {
        enqueue { [self] in
            guard let pages = take(offset) else {
                finish { completion(true) }
                return
            }
            guard let mapper = currentMapper else {
                // The machine has gone, and with it every way of the guest to these pages.
                munmap(pages.memory, Int(pages.sizeBytes))
                finish { completion(true) }
                return
            }
            mapper.unmap(offset: offset, sizeBytes: pages.sizeBytes) { done in
                if done {
                    munmap(pages.memory, Int(pages.sizeBytes))
                } else {
                    self.keep(pages, at: offset)  // the guest may see them still
                }
                self.finish { completion(done) }
            }
        }
    }

    // MARK: - one at a time

    private func enqueue(_ operation: @escaping () -> Void) {
        lock.lock()
        waiting.append(operation)
        lock.unlock()
        advance()
    }

    private func advance() {
        lock.lock()
        guard !isBusy, !waiting.isEmpty else {
            lock.unlock()
            return
        }
        isBusy = true
        let operation = waiting.removeFirst()
        lock.unlock()
        operation()
    }

    private func finish(_ tell: () -> Void) {
        tell()
        lock.lock()
        isBusy = false
        lock.unlock()
        advance()
    }

    // MARK: - books

    private var currentMapper: PageMapper? {
        lock.lock()
        defer { lock.unlock() }
        return mapper
    }

    private func keep(_ pages: Pages, at offset: UInt64) {
        lock.lock()
        mappings[offset] = pages
        lock.unlock()
    }

    private func take(_ offset: UInt64) -> Pages? {
        lock.lock()
        defer { lock.unlock() }
        return mappings.removeValue(forKey: offset)
    }

    /// Maps the blob into this process, if the guest's offset and the file allow whole pages.
    private func open(_ mapping: BlobMapping) -> Pages? {
        let (end, overflow) = mapping.sizeBytes.addingReportingOverflow(pageSize - 1)
        let rounded = end / pageSize * pageSize
        guard !overflow, rounded > 0, mapping.offset % pageSize == 0, mapping.offset <= sizeBytes,
            rounded <= sizeBytes - mapping.offset,
            let size = Int(exactly: rounded)
        else { return nil }
        // Beyond the file's last page there is nothing: whoever touches it gets a SIGBUS.
        var status = stat()
        guard fstat(mapping.file.descriptor, &status) == 0,
            UInt64(status.st_size) + pageSize - 1 >= rounded
        else { return nil }
        let memory = mmap(
            nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, mapping.file.descriptor, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        return Pages(memory: memory, sizeBytes: rounded)
    }
}
