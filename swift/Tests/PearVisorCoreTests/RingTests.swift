import XCTest

@testable import PearVisorCore

/// Real wire bytes through the ring, with lavapipe behind it.
final class RingTests: XCTestCase {
    func testVersionIsReadBackFromAReply() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        try guest.run(Venus.enumerateInstanceVersion)
        XCTAssertEqual(guest.reply.bytes(0..<16), Bytes().u32(0x89, 0).u64(1).data)
        XCTAssertGreaterThanOrEqual(guest.reply.u32(16), 1 << 22 | 1 << 12)  // Vulkan 1.1
        XCTAssertEqual(guest.reply.bytes(20..<4096), Data(count: 4096 - 20))
        XCTAssertEqual(integration.sharedMemory.u32(0), guest.tail)
        try integration.stop()
    }

    func testInstanceAndPhysicalDevicesAnswerInGoldenBytes() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        XCTAssertEqual(try guest.createInstanceAndDevices(), 1)  // lavapipe is the only one
        try guest.run(Venus.destroyInstance)
        try integration.stop()
    }

    func testCommandGoesAroundTheEndOfTheBuffer() throws {
        let integration = try GPUIntegration(
            configuration: .test.with(\.sharedMemoryBytes, 4096))
        let guest = try RingGuest(integration)
        XCTAssertEqual(integration.ringBufferSize, 2048)
        for _ in 0..<100 {
            try guest.run(
                Venus.setReply(sizeBytes: 4096), Venus.enumerateInstanceVersion)
        }
        XCTAssertGreaterThan(guest.tail, 2 * 2048)
        XCTAssertEqual(try integration.getStatistics().commandsHandled, 201)
    }

    func testStatisticsAccumulate() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        XCTAssertEqual(try integration.getStatistics().commandsHandled, 0)
        try integration.notify()
        XCTAssertEqual(try integration.getStatistics().commandsHandled, 1)
        for batch: UInt64 in 1...3 {
            for _ in 0..<5 { guest.write(Venus.enumerateInstanceVersion) }
            try integration.notify()
            XCTAssertEqual(try integration.getStatistics().commandsHandled, 1 + 5 * batch)
        }
        XCTAssertEqual(try integration.getStatistics().objectsCreated, 0)
        _ = try guest.createInstanceAndDevices()
        let statistics = try integration.getStatistics()
        XCTAssertEqual(statistics.commandsHandled, 20)
        XCTAssertEqual(statistics.objectsCreated, 2)
        XCTAssertEqual(statistics.errors, 0)
        XCTAssertEqual(statistics.replies, 18)
        XCTAssertEqual(statistics.objectsAlive, 2)
        XCTAssertEqual(statistics.mappedBytes, 4096)
        XCTAssertEqual(statistics.deviceMemoryBytes, 0)
        // Of the protocol: where replies go, twice. vkCreateInstance. All others ask.
        XCTAssertEqual(
            GPUStatistics.CommandKind.allCases.map(statistics.commands(of:)),
            [2, 17, 1, 0, 0, 0, 0, 0])
        try guest.run(Venus.destroyInstance)
        let later = try integration.getStatistics()
        XCTAssertEqual(later.objectsAlive, 0)
        XCTAssertEqual(later.objectsCreated, 2)
        XCTAssertEqual(later.commands(of: .destroy), 1)
        XCTAssertEqual(later.streamBytes - statistics.streamBytes, 24)
        let rates = later.rates(since: statistics)
        XCTAssertEqual(rates.repliesPerSecond, 0)
        XCTAssertGreaterThan(rates.commandsPerSecond, 0)
        XCTAssertGreaterThan(later.rates().latencyP50Nanoseconds, 0)
        XCTAssertEqual(statistics.rates(since: later).commandsPerSecond, 0)
    }

    func testUtilizationIsTheShareThatWaits() throws {
        let integration = try GPUIntegration(configuration: .test)
        XCTAssertEqual(integration.utilization, 0)
        let guest = try RingGuest(integration)
        XCTAssertEqual(integration.ringBufferSize, 2 * 1024 * 1024)
        XCTAssertEqual(integration.utilization, 36.0 / (2 * 1024 * 1024))
        guest.write(Venus.enumerateInstanceVersion)
        XCTAssertEqual(integration.utilization, 52.0 / (2 * 1024 * 1024))
        try integration.notify()
        XCTAssertEqual(integration.utilization, 0)
    }

    /// Every byte that means something, each made wrong once: of the 16 bytes, type, flags and the
    /// pointer's presence are looked at.
    func testWrongByteEndsItsGuestAndNoOther() throws {
        let bystander = try GPUIntegration(configuration: .test)
        let other = try RingGuest(bystander)
        for (index, value) in [(0, 0xfe), (1, 0x80), (5, 0x01), (8, 0x00), (12, 0x01)] {
            let integration = try GPUIntegration(configuration: .test)
            let guest = try RingGuest(integration)
            try integration.notify()
            var wrong = Venus.enumerateInstanceVersion
            wrong[index] = UInt8(value)
            assertThrows(.guestFault, try guest.run(wrong))
            assertThrows(.guestFault, try integration.notify())
            XCTAssertEqual(try integration.getStatistics().errors, 1, "byte \(index)")
            XCTAssertEqual(integration.sharedMemory.u32(8) & 2, 2, "status of byte \(index)")
            XCTAssertEqual(guest.reply.bytes(0..<20), Data(count: 20))
            try integration.stop()
        }
        try other.run(Venus.enumerateInstanceVersion)
        XCTAssertEqual(other.reply.u32(0), 0x89)
        XCTAssertEqual(try bystander.getStatistics().errors, 0)
    }

    func testReplyThatDoesNotFitEndsTheGuest() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        assertThrows(
            .guestFault,
            try guest.run(Venus.setReply(sizeBytes: 16), Venus.enumerateInstanceVersion))
        XCTAssertEqual(guest.reply.bytes(16..<20), Data(count: 4), "behind the place for replies")
    }

    func testTwoAtOnce() throws {
        let integrations = try (0..<2).map { _ in try GPUIntegration(configuration: .test) }
        let guests = try integrations.map { try RingGuest($0) }
        DispatchQueue.concurrentPerform(iterations: 2) { index in
            do {
                for _ in 0...index { try guests[index].run(Venus.enumerateInstanceVersion) }
            } catch {
                XCTFail("\(error)")
            }
        }
        XCTAssertEqual(
            try integrations.map { try $0.getStatistics().commandsHandled }, [2, 3])
    }

    func testCommandsWrittenBeforeTheStartRunAfterIt() throws {
        let integration = try GPUIntegration(configuration: .test)
        let memory = integration.sharedMemory.baseAddress
        // vkEnumerateInstanceVersion without asking for a reply.
        let command = Bytes(hex: "89000000 00000000 0100000000000000").data
        command.copyBytes(to: (memory + 16).assumingMemoryBound(to: UInt8.self), count: 16)
        memory.storeBytes(of: UInt32(16).littleEndian, toByteOffset: 4, as: UInt32.self)
        try integration.initializeVenus()
        try integration.notify()
        XCTAssertEqual(try integration.getStatistics().commandsHandled, 1)
    }
}
