import XCTest

@testable import PearVisorCore

/// What a transport leaves to this package: chains, and pages of a window.
final class TransportTests: XCTestCase {
    // MARK: - chains

    private final class Chain: DescriptorChain {
        struct Unreadable: Error {}

        let readable: Data
        let writableByteCount: Int
        var isReadable = true
        private(set) var readCounts: [Int] = []
        private(set) var written = Data()
        private(set) var givenBack = 0
        let isBack = DispatchSemaphore(value: 0)

        init(_ readable: Data, writable: Int = 2048) {
            self.readable = readable
            writableByteCount = writable
        }

        var readableByteCount: Int { readable.count }
        func read(_ byteCount: Int) throws -> Data {
            guard isReadable else { throw Unreadable() }
            readCounts.append(byteCount)
            return readable.prefix(byteCount)
        }
        func write(_ bytes: Data) throws { written += bytes }
        func giveBack() {
            givenBack += 1
            isBack.signal()
        }
    }

    private let queue = DispatchQueue(label: "transport")

    private func send(
        _ chain: Chain, to queues: VirtioQueues, _ which: VirtioGPU.Queue = .control
    ) {
        queue.sync { queues.process(chain, from: which) }
        XCTAssertEqual(chain.isBack.wait(timeout: .now() + 20), .success)
        queue.sync {
            XCTAssertEqual(chain.givenBack, 1)
            XCTAssertEqual(queues.pendingCount, 0)
        }
    }

    func testChainComesBackWithTheResponse() throws {
        let integration = try GPUIntegration(configuration: .test)
        let device = try integration.createGraphicsDevice()
        let queues = VirtioQueues(device: device, queue: queue)
        let info = Chain(Request.getDisplayInfo)
        send(info, to: queues)
        XCTAssertEqual(info.written, integration.handleVirtioCommand(Request.getDisplayInfo))
        XCTAssertEqual(info.readCounts, [24])

        let error = Bytes().u32(0x1200, 0).u64(0, 0).data
        for (request, writable, expected) in [
            (Data(), 2048, error), (Request.getDisplayInfo, 24, error),
            (Request.getDisplayInfo, 23, Data()), (Data(), 0, Data()),
        ] {
            let chain = Chain(request, writable: writable)
            send(chain, to: queues)
            XCTAssertEqual(chain.written, expected)
        }
        let cursor = Chain(Request.plain(0x301, Bytes().with(Data(count: 32))), writable: 0)
        send(cursor, to: queues, .cursor)
        XCTAssertEqual(cursor.written, Data())
    }

    func testChainThatIsTooLongIsRefusedWithoutACopy() throws {
        let integration = try GPUIntegration(configuration: .test)
        let queues = VirtioQueues(device: try integration.createGraphicsDevice(), queue: queue)
        let long = Chain(
            Request.fenced(0x207, fence: 6, context: 2) + Data(count: VirtioGPU.requestSizeMax))
        send(long, to: queues)
        XCTAssertEqual(long.readCounts, [24])
        XCTAssertEqual(long.written, Bytes().u32(0x1200, 1).u64(6).u32(2, 0).data)

        let unreadable = Chain(Request.getDisplayInfo)
        unreadable.isReadable = false
        send(unreadable, to: queues)
        XCTAssertEqual(unreadable.written, Bytes().u32(0x1200, 0).u64(0, 0).data)
    }

    func testResetGivesEveryChainBackOnceAndEmpty() throws {
        let mapper = Mapper()
        let window = PagedWindow(sizeBytes: 1 << 20)
        window.connect(mapper)
        let integration = try GPUIntegration(configuration: .test, window: window)
        let queues = VirtioQueues(device: try integration.createGraphicsDevice(), queue: queue)
        send(Chain(Request.createContext(1)), to: queues)
        send(Chain(Request.createBlob(5, context: 1, size: 4096)), to: queues)
        let waiting = Chain(Request.mapBlob(5, offset: 0))
        queue.sync { queues.process(waiting, from: .control) }
        mapper.waitForCall()
        queue.sync {
            XCTAssertEqual(queues.pendingCount, 1)
            queues.reset()
            XCTAssertEqual(queues.pendingCount, 0)
            XCTAssertEqual(waiting.givenBack, 1)
        }
        mapper.complete(true)
        send(Chain(Request.getDisplayInfo), to: queues)
        XCTAssertEqual(waiting.givenBack, 1)
        XCTAssertEqual(waiting.written, Data())
    }

    // MARK: - pages

    /// Notes what it is asked, and completes when it is told to.
    private final class Mapper: PageMapper {
        enum Call: Equatable {
            case map(UInt64, UInt64)
            case unmap(UInt64, UInt64)
        }
        private let lock = NSLock()
        private let called = DispatchSemaphore(value: 0)
        private var waiting: [(Bool) -> Void] = []
        private var noted: [Call] = []
        private(set) var memory: UnsafeMutableRawPointer?

        var calls: [Call] {
            lock.lock()
            defer { lock.unlock() }
            return noted
        }
        func map(
            _ memory: UnsafeMutableRawPointer, offset: UInt64, sizeBytes: UInt64,
            completion: @escaping (Bool) -> Void
        ) {
            self.memory = memory
            note(.map(offset, sizeBytes), completion)
        }
        func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void) {
            note(.unmap(offset, sizeBytes), completion)
        }
        private func note(_ call: Call, _ completion: @escaping (Bool) -> Void) {
            lock.lock()
            noted.append(call)
            waiting.append(completion)
            lock.unlock()
            called.signal()
        }
        func waitForCall() { XCTAssertEqual(called.wait(timeout: .now() + 20), .success) }
        func complete(_ done: Bool) {
            lock.lock()
            let completion = waiting.isEmpty ? nil : waiting.removeFirst()
            lock.unlock()
            completion?(done)
        }
    }

    private func blob(_ offset: UInt64, _ size: UInt64, file fileSize: Int? = nil) throws
        -> BlobMapping
    {
        var name = Array((NSTemporaryDirectory() + "/pearvisor-XXXXXX").utf8CString)
        let descriptor = mkstemp(&name)
        XCTAssertGreaterThanOrEqual(descriptor, 0)
        unlink(name)
        XCTAssertEqual(ftruncate(descriptor, off_t(fileSize ?? Int(size))), 0)
        return BlobMapping(
            offset: offset, sizeBytes: size, file: FileReference(taking: descriptor),
            caching: .cached)
    }

    func testWindowMapsWholePagesOfTheHost() throws {
        let mapper = Mapper()
        let window = PagedWindow(sizeBytes: 1 << 20, pageSize: 16384)
        window.connect(mapper)
        var results: [Bool] = []
        // 33 pages of 4 KiB are 9 of 16 KiB.
        let pages: UInt64 = 9 * 16384
        let ring = try blob(32768, 33 * 4096)
        window.map(ring) { results.append($0) }
        XCTAssertEqual(mapper.calls, [.map(32768, pages)])
        XCTAssertEqual(window.mapped, [:])
        let byte: [UInt8] = [0x5a]
        XCTAssertEqual(pwrite(ring.file.descriptor, byte, 1, 0), 1)
        XCTAssertEqual(mapper.memory?.load(as: UInt8.self), 0x5a)
        mapper.complete(true)
        XCTAssertEqual(results, [true])
        XCTAssertEqual(window.mapped, [32768: pages])
        window.unmap(offset: 32768, sizeBytes: 33 * 4096) { results.append($0) }
        XCTAssertEqual(mapper.calls.last, .unmap(32768, pages))
        mapper.complete(true)
        XCTAssertEqual(results, [true, true])
        XCTAssertEqual(window.mapped, [:])
    }

    func testWindowRefusesWhatNoPageFits() throws {
        let mapper = Mapper()
        let window = PagedWindow(sizeBytes: 1 << 20, pageSize: 16384)
        window.connect(mapper)
        for mapping in [
            try blob(4096, 4096),  // not the host's page
            try blob(0, 65536, file: 16384),  // less in the file than is to be mapped
            try blob(1 << 20, 16384),  // behind the window's end
            try blob((1 << 20) - 16384, 32768),
            BlobMapping(
                offset: 0, sizeBytes: .max - 4095, file: try blob(0, 4096).file, caching: .cached),
            BlobMapping(
                offset: 0, sizeBytes: 16384, file: FileReference(taking: -1), caching: .cached),
        ] {
            var result: Bool?
            window.map(mapping) { result = $0 }
            XCTAssertEqual(result, false)
        }
        XCTAssertEqual(mapper.calls, [])
        // Nothing is mapped there, which is no error.
        var result: Bool?
        window.unmap(offset: 4096, sizeBytes: 4096) { result = $0 }
        XCTAssertEqual(result, true)
        window.connect(nil)
        window.map(try blob(0, 16384)) { result = $0 }
        XCTAssertEqual(result, false)
    }

    func testWindowDoesOneThingAfterTheOther() throws {
        let mapper = Mapper()
        let window = PagedWindow(sizeBytes: 1 << 20, pageSize: 4096)
        window.connect(mapper)
        var results: [String] = []
        window.map(try blob(0, 4096)) { results.append("map \($0)") }
        window.unmap(offset: 0, sizeBytes: 4096) { results.append("unmap \($0)") }
        window.map(try blob(0, 8192)) { results.append("map again \($0)") }
        XCTAssertEqual(mapper.calls, [.map(0, 4096)])
        mapper.complete(true)
        XCTAssertEqual(mapper.calls, [.map(0, 4096), .unmap(0, 4096)])
        mapper.complete(true)
        XCTAssertEqual(mapper.calls, [.map(0, 4096), .unmap(0, 4096), .map(0, 8192)])
        mapper.complete(false)
        XCTAssertEqual(results, ["map true", "unmap true", "map again false"])
        XCTAssertEqual(window.mapped, [:])
        // What the guest may still see stays in the books.
        window.map(try blob(0, 4096)) { _ in }
        mapper.complete(true)
        window.unmap(offset: 0, sizeBytes: 4096) { results.append("unmap \($0)") }
        mapper.complete(false)
        XCTAssertEqual(results.last, "unmap false")
        XCTAssertEqual(window.mapped, [0: 4096])
    }
}
