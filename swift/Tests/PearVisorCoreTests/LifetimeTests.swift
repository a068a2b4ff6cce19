import XCTest

@testable import PearVisorCore

/// Who owns what until when, and what every call says before the beginning and after the end.
final class LifetimeTests: XCTestCase {
    func testCallsBeforeTheBeginningAndAfterTheEndAreClosed() throws {
        let integration = try GPUIntegration(configuration: .test)
        func assertClosed() throws {
            assertThrows(.closed, try integration.notify())
            assertThrows(.closed, try integration.getStatistics())
            assertThrows(.closed, try integration.detachMemory(resourceID: 1))
            let memory = try SharedMemory(sizeBytes: 4096)
            assertThrows(.closed, try integration.attachMemory(memory, resourceID: 1))
            XCTAssertEqual(integration.utilization, 0)
            XCTAssertEqual(integration.ringBufferSize, 0)
            XCTAssertNil(integration.graphicsDevice)
            XCTAssertEqual(
                integration.handleVirtioCommand(Request.getDisplayInfo).u32(0), Request.unspecified)
        }
        try assertClosed()
        try integration.stop()
        try integration.initializeVenus()
        try integration.createGraphicsDevice()
        assertThrows(.busy, try integration.initializeVenus())
        assertThrows(.busy, try integration.createGraphicsDevice())
        try integration.notify()
        try integration.stop()
        try assertClosed()
        try integration.stop()
    }

    func testNextGuestFindsAnEmptyRing() throws {
        let integration = try GPUIntegration(configuration: .test)
        let first = try RingGuest(integration)
        first.write(Venus.createInstance)  // and never run
        try integration.stop()
        XCTAssertEqual(integration.sharedMemory.bytes(0..<16), Data(count: 16))
        let second = try RingGuest(integration)
        try second.run(Venus.enumerateInstanceVersion)
        XCTAssertEqual(try integration.getStatistics().commandsHandled, 2)
        XCTAssertEqual(try integration.getStatistics().objectsCreated, 0)
    }

    func testDriverThatIsMissingIsAHostsFailure() throws {
        let integration = try GPUIntegration(
            configuration: .test.with(\.vulkanLibrary, "/nonexistent/libvulkan.so"))
        assertThrows(.hostFailed, try integration.initializeVenus())
        assertThrows(.hostFailed, try integration.createGraphicsDevice())
        assertThrows(.closed, try integration.notify())
        XCTAssertNil(integration.graphicsDevice)
    }

    func testMemoryOfTheRingGoesWithTheIntegration() throws {
        weak var memory: SharedMemory?
        weak var gone: GPUIntegration?
        do {
            let integration = try GPUIntegration(configuration: .test)
            memory = integration.sharedMemory
            gone = integration
            let guest = try RingGuest(integration)
            try guest.run(Venus.enumerateInstanceVersion)
            XCTAssertNotNil(memory)
        }
        XCTAssertNil(gone)
        XCTAssertNil(memory)
    }

    func testAttachedMemoryIsFreedAfterTheLibraryHasLetGoAndNotBefore() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        weak var attached: SharedMemory?
        var copy = try SharedMemory(sizeBytes: 4096) as SharedMemory?
        attached = copy
        let address = copy!.baseAddress
        try integration.attachMemory(copy!, resourceID: 9)
        copy = nil
        XCTAssertNotNil(attached, "the library still has it")
        // The guest's replies go there, so the number may go and the memory must stay.
        try guest.run(Venus.setReply(resource: 9, sizeBytes: 4096))
        try integration.detachMemory(resourceID: 9)
        XCTAssertNotNil(attached, "a stream still writes there")
        try guest.run(Venus.enumerateInstanceVersion)
        XCTAssertEqual(address.load(as: UInt32.self), 0x89)
        assertThrows(.invalid, try integration.detachMemory(resourceID: 9))
        // Elsewhere from now on: nothing refers to it any more.
        try guest.run(Venus.setReply(sizeBytes: 4096))
        XCTAssertNil(attached)
    }

    func testAttachedMemoryIsFreedByTheEnd() throws {
        let integration = try GPUIntegration(configuration: .test)
        weak var attached: SharedMemory?
        do {
            let guest = try RingGuest(integration)
            attached = guest.reply
            try guest.run(Venus.enumerateInstanceVersion)
        }
        XCTAssertNotNil(attached)
        try integration.stop()
        XCTAssertNil(attached)
    }

    func testMemoryThatCouldNotBeAttachedIsNotKept() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        weak var refused: SharedMemory?
        do {
            let memory = try SharedMemory(sizeBytes: 4096)
            refused = memory
            XCTAssertThrowsError(try integration.attachMemory(memory, resourceID: Venus.replyID))
            XCTAssertThrowsError(try integration.attachMemory(memory, resourceID: 0))
        }
        XCTAssertNil(refused)
        try guest.run(Venus.enumerateInstanceVersion)
    }

    func testStopWaitsForWhoIsInsideOfNotify() throws {
        let integration = try GPUIntegration(configuration: .test)
        let guest = try RingGuest(integration)
        let started = DispatchSemaphore(value: 0)
        let ended = expectation(description: "the notifying threads have ended")
        ended.expectedFulfillmentCount = 2
        for _ in 0..<2 {
            Thread.detachNewThread {
                var calls = 0
                do {
                    while true {
                        try integration.notify()
                        calls += 1
                        if calls == 100 { started.signal() }
                    }
                } catch {
                    XCTAssertEqual(error as? PearVisorError, .closed)
                }
                ended.fulfill()
            }
        }
        started.wait()
        started.wait()
        try integration.stop()
        wait(for: [ended], timeout: 20)
        XCTAssertNotNil(guest)
    }
}
