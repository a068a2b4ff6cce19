import Foundation
import XCTest

@testable import PearVisorCore

// MARK: - bytes

/// Little-endian bytes, one field after the other.
struct Bytes {
    var data = Data()

    init() {}

    /// "8900 0000": pairs of hexadecimal digits, with spaces where one likes.
    init(hex: String) {
        let digits = hex.filter { !$0.isWhitespace }.compactMap(\.hexDigitValue)
        for index in stride(from: 0, to: digits.count, by: 2) {
            data.append(UInt8(digits[index] << 4 | digits[index + 1]))
        }
    }

    func u8(_ values: UInt8...) -> Bytes { with(Data(values)) }
    func u32(_ values: UInt32...) -> Bytes { values.reduce(self) { $0.with(bytes(of: $1)) } }
    func u64(_ values: UInt64...) -> Bytes { values.reduce(self) { $0.with(bytes(of: $1)) } }
    func with(_ more: Data) -> Bytes {
        var copy = self
        copy.data += more
        return copy
    }

    private func bytes<T: FixedWidthInteger>(of value: T) -> Data {
        withUnsafeBytes(of: value.littleEndian) { Data($0) }
    }
}

extension Data {
    func u32(_ offset: Int) -> UInt32 { load(UInt32.self, at: offset) }
    func u64(_ offset: Int) -> UInt64 { load(UInt64.self, at: offset) }
    var hex: String { map { String(format: "%02x", $0) }.joined() }
}

extension SharedMemory {
    func u32(_ offset: Int) -> UInt32 {
        UInt32(littleEndian: baseAddress.load(fromByteOffset: offset, as: UInt32.self))
    }

    func bytes(_ range: Range<Int>) -> Data {
        Data(bytes: baseAddress + range.lowerBound, count: range.count)
    }
}

// MARK: - the Venus protocol, as Mesa writes it

/// Commands in the bytes that Mesa's encoder makes of them.
enum Venus {
    static let replyID: UInt32 = 8

    /// Replies go to the memory with that number from now on, from its beginning.
    static func setReply(resource: UInt32 = replyID, sizeBytes: Int) -> Data {
        Bytes().u32(0xb2, 0).u64(1).u32(resource).u64(0, UInt64(sizeBytes)).data
    }

    static let enumerateInstanceVersion = Bytes(hex: "89000000 01000000 0100000000000000").data

    /// Of an application "ab" that wants Vulkan 1.1; the instance is number 1.
    static let createInstance = Bytes(
        hex: """
            00000000 01000000 0100000000000000 01000000 0000000000000000 00000000
            0100000000000000 00000000 0000000000000000 0300000000000000 61620000
            01000000 0000000000000000 00000000 00104000
            00000000 0000000000000000 00000000 0000000000000000
            0000000000000000 0100000000000000 0100000000000000
            """
    ).data

    /// How many there are (`ids` empty), or these many, by these numbers.
    static func enumeratePhysicalDevices(_ ids: [UInt64]) -> Data {
        let head = Bytes().u32(2, 1).u64(1, 1).u32(UInt32(ids.count)).u64(UInt64(ids.count))
        return ids.reduce(head) { $0.u64($1) }.data
    }

    static let destroyInstance = Bytes().u32(1, 0).u64(1, 0).data
}

/// A guest that writes into the ring of an integration, on the thread that notifies.
final class RingGuest {
    let integration: GPUIntegration
    let reply: SharedMemory
    private(set) var tail: UInt32 = 0

    /// Starts Venus on lavapipe, with memory for replies under `Venus.replyID`.
    init(_ integration: GPUIntegration) throws {
        self.integration = integration
        try integration.initializeVenus()
        reply = try SharedMemory(sizeBytes: 4096)
        try integration.attachMemory(reply, resourceID: Venus.replyID)
        write(Venus.setReply(sizeBytes: reply.sizeBytes))
    }

    /// Puts bytes behind the tail, around the end of the buffer where need be.
    func write(_ bytes: Data) {
        let memory = integration.sharedMemory.baseAddress
        let size = UInt32(integration.ringBufferSize)
        for byte in bytes {
            memory.storeBytes(of: byte, toByteOffset: 16 + Int(tail % size), as: UInt8.self)
            tail &+= 1
        }
        memory.storeBytes(of: tail.littleEndian, toByteOffset: 4, as: UInt32.self)
    }

    func run(_ commands: Data...) throws {
        for command in commands { write(command) }
        try integration.notify()
    }

    /// Creates an instance and asks for its devices; returns how many there are.
    func createInstanceAndDevices() throws -> Int {
        try run(Venus.setReply(sizeBytes: reply.sizeBytes), Venus.createInstance)
        XCTAssertEqual(reply.bytes(0..<24), Bytes().u32(0, 0).u64(1, 1).data)
        try run(Venus.enumeratePhysicalDevices([]))
        XCTAssertEqual(reply.bytes(24..<40), Bytes().u32(2, 0).u64(1).data)
        let count = Int(reply.u32(40))
        let ids = (0..<count).map { UInt64(16 + $0) }
        try run(Venus.enumeratePhysicalDevices(ids))
        let expected = ids.reduce(Bytes().u32(2, 0).u64(1).u32(UInt32(count)).u64(UInt64(count))) {
            $0.u64($1)
        }.data
        XCTAssertEqual(reply.bytes(52..<52 + expected.count), expected)
        return count
    }
}

// MARK: - virtio-gpu, as Linux writes it

enum Request {
    static let ok: UInt32 = 0x1100
    static let unspecified: UInt32 = 0x1200

    /// A request without a fence; `body` follows the header.
    static func plain(_ type: UInt32, context: UInt32 = 0, _ body: Bytes = Bytes()) -> Data {
        Bytes().u32(type, 0).u64(0).u32(context, 0).with(body.data).data
    }

    static func fenced(_ type: UInt32, fence: UInt64, context: UInt32 = 0, _ body: Bytes = Bytes())
        -> Data
    {
        Bytes().u32(type, 1).u64(fence).u32(context, 0).with(body.data).data
    }

    static let getDisplayInfo = plain(0x100)
    static func create2D(_ id: UInt32, width: UInt32, height: UInt32) -> Data {
        plain(0x101, Bytes().u32(id, 2, width, height))  // B8G8R8X8
    }
    static func setScanout(_ id: UInt32, width: UInt32, height: UInt32) -> Data {
        plain(0x103, Bytes().u32(0, 0, width, height, 0, id))
    }
    static func flush(_ id: UInt32, width: UInt32, height: UInt32) -> Data {
        plain(0x104, Bytes().u32(0, 0, width, height, id, 0))
    }
    static func transfer(_ id: UInt32, width: UInt32, height: UInt32) -> Data {
        plain(0x105, Bytes().u32(0, 0, width, height).u64(0).u32(id, 0))
    }
    static func attachBacking(_ id: UInt32, address: UInt64, size: UInt32) -> Data {
        plain(0x106, Bytes().u32(id, 1).u64(address).u32(size, 0))
    }
    static func getCapsetInfo(_ index: UInt32) -> Data { plain(0x108, Bytes().u32(index, 0)) }
    static func getCapset(_ id: UInt32) -> Data { plain(0x109, Bytes().u32(id, 0)) }

    static func createContext(_ context: UInt32) -> Data {
        plain(0x200, context: context, Bytes().u32(5, 4).with(Data("guest".utf8) + Data(count: 59)))
    }
    /// Memory that guest and host share, made by the host (blob id 0).
    static func createBlob(_ id: UInt32, context: UInt32, size: UInt64) -> Data {
        plain(0x10c, context: context, Bytes().u32(id, 2, 1, 0).u64(0, size))
    }
    static func mapBlob(_ id: UInt32, offset: UInt64) -> Data {
        plain(0x208, Bytes().u32(id, 0).u64(offset))
    }
    static func unmapBlob(_ id: UInt32) -> Data { plain(0x209, Bytes().u32(id, 0)) }
    static func submit(_ commands: Data, context: UInt32, fence: UInt64) -> Data {
        fenced(
            0x207, fence: fence, context: context,
            Bytes().u32(UInt32(commands.count), 0).with(commands))
    }
}

// MARK: - settings

extension GPUIntegration.Configuration {
    /// In this process, on the driver that `make swift-test` names.
    static var test: Self {
        var configuration = Self()
        configuration.isolation = .inThisProcess
        configuration.commandTimeout = 20
        configuration.log = { level, line in
            if ProcessInfo.processInfo.environment["PV_TEST_LOG"] != nil { print(level, line) }
        }
        return configuration
    }

    func with<T>(_ path: WritableKeyPath<Self, T>, _ value: T) -> Self {
        var copy = self
        copy[keyPath: path] = value
        return copy
    }
}

/// Fails unless the call throws exactly this.
func assertThrows<T>(
    _ expected: PearVisorError, _ body: @autoclosure () throws -> T, file: StaticString = #filePath,
    line: UInt = #line
) {
    XCTAssertThrowsError(try body(), file: file, line: line) {
        XCTAssertEqual($0 as? PearVisorError, expected, file: file, line: line)
    }
}
