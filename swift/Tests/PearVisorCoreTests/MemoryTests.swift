import CPearVisor
import XCTest

@testable import PearVisorCore

final class MemoryTests: XCTestCase {
    func testSharedMemoryIsWholeZeroedPages() throws {
        let page = SharedMemory.pageSize
        let memory = try SharedMemory(sizeBytes: page + 1)
        XCTAssertEqual(memory.sizeBytes, 2 * page)
        XCTAssertEqual(Int(bitPattern: memory.baseAddress) % page, 0)
        XCTAssertEqual(memory.bytes(0..<2 * page), Data(count: 2 * page))
        XCTAssertEqual(try SharedMemory().sizeBytes, 4 * 1024 * 1024)
        memory.withUnsafeBytes { $0[2 * page - 1] = 1 }
        XCTAssertEqual(memory.bytes(2 * page - 1..<2 * page), Data([1]))
    }

    func testSharedMemoryRefusesSizesWithoutSense() {
        assertThrows(.invalid, try SharedMemory(sizeBytes: 0))
        assertThrows(.invalid, try SharedMemory(sizeBytes: -4096))
        assertThrows(.invalid, try SharedMemory(sizeBytes: .max))
        assertThrows(.noMemory, try SharedMemory(sizeBytes: 1 << 60))
    }

    func testIntegrationRefusesMemoryThatNoRingFitsInto() throws {
        assertThrows(
            .invalid, try GPUIntegration(configuration: .test.with(\.sharedMemoryBytes, 4095)))
        XCTAssertNoThrow(
            try GPUIntegration(configuration: .test.with(\.sharedMemoryBytes, 4096)))
    }

    func testGuestMemoryIsReadWithinOneRegionOnly() {
        let low: [UInt8] = [1, 2, 3, 4]
        let high: [UInt8] = [5, 6, 7, 8]
        low.withUnsafeBytes { low in
            high.withUnsafeBytes { high in
                let memory = MappedGuestMemory([
                    .init(guestAddress: 0x1000, bytes: low),
                    .init(guestAddress: 0x2000, bytes: high),
                ])
                func read(_ address: UInt64, _ size: Int) -> [UInt8]? {
                    var bytes = [UInt8](repeating: 0, count: size)
                    return bytes.withUnsafeMutableBytes { memory.read(at: address, into: $0) }
                        ? bytes : nil
                }
                XCTAssertEqual(read(0x1001, 2), [2, 3])
                XCTAssertEqual(read(0x2000, 4), [5, 6, 7, 8])
                XCTAssertEqual(read(0x2004, 0), [])
                XCTAssertNil(read(0x1003, 2))
                XCTAssertNil(read(0xfff, 1))
                XCTAssertNil(read(0x2004, 1))
                XCTAssertNil(read(.max, 2))
            }
        }
    }

    func testEveryResultIsAnErrorOfItsOwn() throws {
        let errors: [(pv_result, PearVisorError)] = [
            (PV_GUEST_FAULT, .guestFault), (PV_HOST_FAILED, .hostFailed),
            (PV_NO_MEMORY, .noMemory), (PV_UNSUPPORTED, .unsupported), (PV_CLOSED, .closed),
            (PV_BUSY, .busy), (PV_INVALID, .invalid), (pv_result(rawValue: 99), .other(99)),
        ]
        XCTAssertNoThrow(try PearVisorError.check(PV_OK))
        for (result, error) in errors {
            assertThrows(error, try PearVisorError.check(result))
            XCTAssertEqual(error.result, result)
            XCTAssertEqual(error.description, String(cString: pv_result_name(result)))
            XCTAssertEqual(error.localizedDescription, error.description)
        }
        XCTAssertEqual(Set(errors.map(\.1.description)).count, errors.count)
    }

    func testErrorResponseTellsTheFenceAsDone() {
        let plain = Bytes().u32(0x1200, 0).u64(0, 0).data
        XCTAssertEqual(VirtioGPU.errorResponse(to: Data()), plain)
        XCTAssertEqual(VirtioGPU.errorResponse(to: Data(repeating: 0xff, count: 23)), plain)
        XCTAssertEqual(VirtioGPU.errorResponse(to: Request.plain(0x100, context: 3)), plain)
        XCTAssertEqual(
            VirtioGPU.errorResponse(to: Request.fenced(0x207, fence: 77, context: 3)),
            Bytes().u32(0x1200, 1).u64(77).u32(3, 0).data)
        let onRing = Bytes().u32(0x207, 7).u64(78).u32(3).u8(5, 1, 2, 3).data
        XCTAssertEqual(
            VirtioGPU.errorResponse(to: onRing),
            Bytes().u32(0x1200, 3).u64(78).u32(3).u8(5, 0, 0, 0).data)
        // A slice of other data begins at its own first byte.
        XCTAssertEqual(
            VirtioGPU.errorResponse(to: (Data(count: 5) + onRing).dropFirst(5)),
            VirtioGPU.errorResponse(to: onRing))
    }
}
