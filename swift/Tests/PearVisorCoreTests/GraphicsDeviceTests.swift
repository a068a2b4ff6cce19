import CPearVisor
import XCTest

@testable import PearVisorCore

/// The virtio-gpu device, as a Linux guest speaks to it.
final class GraphicsDeviceTests: XCTestCase {
    private func open(
        _ configuration: GPUIntegration.Configuration = .test, guestMemory: GuestMemory? = nil,
        window: BlobWindow? = nil
    ) throws -> (GPUIntegration, GraphicsDevice) {
        let integration = try GPUIntegration(
            configuration: configuration, guestMemory: guestMemory, window: window)
        return (integration, try integration.createGraphicsDevice())
    }

    func testDriverFindsWhatVenusNeeds() throws {
        let window = try AddressRangeWindow(sizeBytes: 1 << 26)
        let (integration, device) = try open(window: window)
        let description = device.description
        XCTAssertEqual(description.deviceID, 16)
        XCTAssertEqual(description.pciClassID, 3)
        XCTAssertEqual(description.pciSubclassID, 0x80)
        XCTAssertEqual(description.queueCount, 2)
        XCTAssertEqual(description.windowID, 1)
        XCTAssertEqual(description.windowBytes, 1 << 26)
        // VIRGL, EDID, RESOURCE_UUID, RESOURCE_BLOB, CONTEXT_INIT.
        XCTAssertEqual(description.featuresLow, 0b11111)
        XCTAssertEqual(description.featuresHigh, 0)
        // No events, one scanout, one capset.
        XCTAssertEqual(description.configuration, Bytes().u32(0, 0, 1, 1).data)
        XCTAssertEqual(try device.readConfiguration(), description.configuration)
        try integration.stop()
    }

    func testBlobAlignmentIsOfferedOnlyWhenAskedFor() throws {
        let (_, device) = try open(
            .test.with(\.blobAlignment, 16384), window: AddressRangeWindow(sizeBytes: 1 << 26))
        XCTAssertEqual(device.description.featuresLow & 1 << 5, 1 << 5)
        XCTAssertEqual(
            device.description.configuration, Bytes().u32(0, 0, 1, 1, 16384).data)
        let integration = try GPUIntegration(configuration: .test.with(\.blobAlignment, 100))
        assertThrows(.unsupported, try integration.createGraphicsDevice())
    }

    func testDisplayIs1920By1080() throws {
        let (integration, _) = try open()
        let response = integration.handleVirtioCommand(Request.getDisplayInfo)
        XCTAssertEqual(response.count, 24 + 16 * 24)
        XCTAssertEqual(
            response.prefix(48),
            Bytes().u32(0x1101, 0).u64(0, 0).u32(0, 0, 1920, 1080, 1, 0).data)
        XCTAssertEqual(response.dropFirst(48), Data(count: 15 * 24))
    }

    func testOnlyCapsetIsVenus() throws {
        let (integration, _) = try open()
        XCTAssertEqual(
            integration.handleVirtioCommand(Request.getCapsetInfo(0)),
            Bytes().u32(0x1102, 0).u64(0, 0).u32(4, 0, 160, 0).data)
        XCTAssertEqual(integration.handleVirtioCommand(Request.getCapsetInfo(1)).u32(0), 0x1205)
        let capset = integration.handleVirtioCommand(Request.getCapset(4))
        XCTAssertEqual(capset.prefix(24), Bytes().u32(0x1103, 0).u64(0, 0).data)
        var expected = [UInt8](repeating: 0, count: 160)
        pv_renderer_capset(nil, &expected)
        XCTAssertEqual(capset.dropFirst(24), Data(expected))
        XCTAssertEqual(integration.handleVirtioCommand(Request.getCapset(1)).u32(0), 0x1205)
    }

    func testGuestsPixelsAreShown() throws {
        let pixels = (0..<64 * 32 * 4).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        try pixels.withUnsafeBytes { bytes in
            let memory = MappedGuestMemory([.init(guestAddress: 0x10_0000, bytes: bytes)])
            let (integration, device) = try open(guestMemory: memory)
            XCTAssertNil(try device.image(ofScanout: 1))
            XCTAssertEqual(try device.image()?.pixels, Data())
            let shown = expectation(description: "the flush is told")
            shown.assertForOverFulfill = false  // the first picture and the flush look the same
            device.onDisplay { scanout, changed in
                if changed == .init(x: 0, y: 0, width: 64, height: 32), scanout == 0 {
                    shown.fulfill()
                }
            }
            for request in [
                Request.create2D(1, width: 64, height: 32),
                Request.attachBacking(1, address: 0x10_0000, size: UInt32(pixels.count)),
                Request.setScanout(1, width: 64, height: 32),
                Request.transfer(1, width: 64, height: 32),
                Request.flush(1, width: 64, height: 32),
            ] {
                let response = integration.handleVirtioCommand(request)
                XCTAssertEqual(response, Bytes().u32(Request.ok, 0).u64(0, 0).data, request.hex)
            }
            wait(for: [shown], timeout: 20)
            let image = try XCTUnwrap(try device.image())
            XCTAssertEqual([image.width, image.height, image.strideBytes], [64, 32, 64 * 4])
            XCTAssertEqual(image.pixels, Data(pixels))
            // Beyond the guest's memory.
            let beyond = Request.attachBacking(2, address: 0x20_0000, size: 8192)
            _ = integration.handleVirtioCommand(Request.create2D(2, width: 64, height: 32))
            XCTAssertNotEqual(integration.handleVirtioCommand(beyond).u32(0), 0)
            XCTAssertGreaterThanOrEqual(
                integration.handleVirtioCommand(Request.transfer(2, width: 64, height: 32)).u32(0),
                Request.unspecified)
            try integration.stop()
        }
    }

    func testBytesThatAreNoRequestGetAnError() throws {
        let (integration, _) = try open()
        let error = Bytes().u32(0x1200, 0).u64(0, 0).data
        for request in [
            Data(), Data([0]), Data(count: 23), Request.getDisplayInfo.dropLast(),
            Request.plain(0), Request.plain(0x99), Request.plain(0xffff_ffff),
            Request.plain(0x300, Bytes().with(Data(count: 32))),  // of the cursor's queue
            Request.create2D(1, width: 8, height: 8).dropLast(4),
            Request.getDisplayInfo + Data(count: VirtioGPU.requestSizeMax),
        ] {
            XCTAssertEqual(integration.handleVirtioCommand(request), error)
        }
        // No resource 7, no context 7.
        XCTAssertEqual(
            integration.handleVirtioCommand(Request.flush(7, width: 1, height: 1)).u32(0), 0x1203)
        XCTAssertEqual(
            integration.handleVirtioCommand(Request.plain(0x201, context: 7)).u32(0), 0x1204)
        XCTAssertEqual(integration.handleVirtioCommand(Request.getDisplayInfo).u32(0), 0x1101)
    }

    func testCompletionBringsTheSameResponse() throws {
        let (integration, device) = try open()
        let expected = integration.handleVirtioCommand(Request.getDisplayInfo)
        let told = expectation(description: "completions, in order")
        told.expectedFulfillmentCount = 3
        var order: [Int] = []  // on the callback queue
        integration.handleVirtioCommand(Request.getDisplayInfo) {
            XCTAssertEqual($0, .success(expected))
            order.append(1)
            told.fulfill()
        }
        // The cursor's queue: nothing is written into its chains.
        device.submit(
            Request.plain(0x301, Bytes().with(Data(count: 32))), queue: .cursor, responseCapacity: 0
        ) {
            XCTAssertEqual($0, .success(Data()))
            order.append(2)
            told.fulfill()
        }
        // A chain too short for the response.
        device.submit(Request.getDisplayInfo, queue: .control, responseCapacity: 24) {
            XCTAssertEqual($0, .success(Bytes().u32(0x1200, 0).u64(0, 0).data))
            order.append(3)
            told.fulfill()
        }
        wait(for: [told], timeout: 20)
        XCTAssertEqual(order, [1, 2, 3])
    }

    func testResizeIsToldToTheGuest() throws {
        let (integration, device) = try open()
        let told = expectation(description: "the configuration has changed")
        device.onConfigurationChange {
            XCTAssertEqual($0, Bytes().u32(1, 0, 1, 1).data)  // events_read: DISPLAY
            told.fulfill()
        }
        try device.resize(width: 800, height: 600)
        wait(for: [told], timeout: 20)
        XCTAssertEqual(
            integration.handleVirtioCommand(Request.getDisplayInfo).dropFirst(24).prefix(16),
            Bytes().u32(0, 0, 800, 600).data)
        device.writeConfiguration(offset: 4, bytes: Bytes().u32(1).data)
        XCTAssertEqual(try device.readConfiguration(), Bytes().u32(0, 0, 1, 1).data)
        assertThrows(.invalid, try device.resize(width: -1, height: 600))
    }

    func testTwoDevicesAtOnce() throws {
        let (first, one) = try open()
        let (second, other) = try open(.test.with(\.width, 640).with(\.height, 480))
        DispatchQueue.concurrentPerform(iterations: 8) { index in
            let size: (UInt32, UInt32) = index % 2 == 0 ? (1920, 1080) : (640, 480)
            let integration = index % 2 == 0 ? first : second
            let response = integration.handleVirtioCommand(Request.getDisplayInfo)
            XCTAssertEqual(response.u32(32), size.0)
            XCTAssertEqual(response.u32(36), size.1)
        }
        try first.stop()
        XCTAssertEqual(second.handleVirtioCommand(Request.getDisplayInfo).u32(0), 0x1101)
        assertThrows(.closed, try one.readConfiguration())
        assertThrows(.closed, try one.image())
        assertThrows(.closed, try one.resize(width: 1, height: 1))
        XCTAssertNoThrow(try other.readConfiguration())
    }

    // MARK: - answers that come later

    /// Maps nothing, and says so only when it is told to.
    private final class HesitantWindow: BlobWindow {
        let sizeBytes: UInt64 = 1 << 20
        let asked = DispatchSemaphore(value: 0)
        private let lock = NSLock()
        private var completion: ((Bool) -> Void)?

        func map(_ mapping: BlobMapping, completion: @escaping (Bool) -> Void) {
            lock.lock()
            self.completion = completion
            lock.unlock()
            asked.signal()
        }
        func unmap(offset: UInt64, sizeBytes: UInt64, completion: @escaping (Bool) -> Void) {
            completion(true)
        }
        func answer(_ done: Bool) {
            lock.lock()
            let completion = self.completion
            lock.unlock()
            completion?(done)
        }
    }

    private func prepareBlob(_ integration: GPUIntegration) {
        for request in [
            Request.createContext(1), Request.createBlob(5, context: 1, size: 4096),
        ] {
            XCTAssertEqual(integration.handleVirtioCommand(request).u32(0), Request.ok)
        }
    }

    func testResponseThatDoesNotComeIsAnErrorInTime() throws {
        let window = HesitantWindow()
        let (integration, _) = try open(window: window)
        prepareBlob(integration)
        let (hasty, _) = try open(.test.with(\.commandTimeout, 2), window: window)
        for request in [Request.createContext(1), Request.createBlob(5, context: 1, size: 4096)] {
            _ = hasty.handleVirtioCommand(request)
        }
        let fenced = Request.fenced(0x208, fence: 42, Bytes().u32(5, 0).u64(0))
        XCTAssertEqual(
            hasty.handleVirtioCommand(fenced), Bytes().u32(0x1200, 1).u64(42).u32(0, 0).data)
        // Others go on meanwhile, and the late answer is nobody's.
        XCTAssertEqual(hasty.handleVirtioCommand(Request.getDisplayInfo).u32(0), 0x1101)
        window.answer(true)
        XCTAssertEqual(hasty.handleVirtioCommand(Request.getDisplayInfo).u32(0), 0x1101)
        // One that comes in time.
        window.asked.wait()
        DispatchQueue.global().async {
            window.asked.wait()
            window.answer(true)
        }
        let response = integration.handleVirtioCommand(Request.mapBlob(5, offset: 0))
        XCTAssertEqual(response, Bytes().u32(0x1106, 0).u64(0, 0).u32(1, 0).data)
        try hasty.stop()
        try integration.stop()
    }

    func testResetAndEndCloseWhatWaits() throws {
        for stops in [false, true] {
            let window = HesitantWindow()
            let (integration, device) = try open(window: window)
            prepareBlob(integration)
            let closed = expectation(description: "what waits is closed")
            integration.handleVirtioCommand(Request.mapBlob(5, offset: 0)) {
                XCTAssertEqual($0, .failure(.closed))
                closed.fulfill()
            }
            window.asked.wait()
            if stops { try integration.stop() } else { device.reset() }
            wait(for: [closed], timeout: 20)
            window.answer(true)  // much too late
            if !stops {
                // The blob has gone with the reset.
                XCTAssertEqual(
                    integration.handleVirtioCommand(Request.mapBlob(5, offset: 0)).u32(0), 0x1203)
            }
        }
    }

    // MARK: - Vulkan through virtio

    /// A guest's first steps: a context, memory for replies, and a command whose answer is there.
    private func askForTheVersion(_ configuration: GPUIntegration.Configuration) throws {
        let window = try AddressRangeWindow(sizeBytes: 1 << 20)
        let (integration, device) = try open(configuration, window: window)
        prepareBlob(integration)
        XCTAssertEqual(
            integration.handleVirtioCommand(Request.mapBlob(5, offset: 65536)),
            Bytes().u32(0x1106, 0).u64(0, 0).u32(1, 0).data)
        let commands =
            Venus.setReply(resource: 5, sizeBytes: 4096) + Venus.enumerateInstanceVersion
        // Its fence retires when the context has executed it.
        XCTAssertEqual(
            integration.handleVirtioCommand(Request.submit(commands, context: 1, fence: 9)),
            Bytes().u32(Request.ok, 1).u64(9).u32(1, 0).data)
        let reply = Data(bytes: window.baseAddress + 65536, count: 20)
        XCTAssertEqual(reply.prefix(16), Bytes().u32(0x89, 0).u64(1).data)
        XCTAssertGreaterThanOrEqual(reply.u32(16), 1 << 22 | 1 << 12)
        XCTAssertEqual(integration.handleVirtioCommand(Request.unmapBlob(5)).u32(0), Request.ok)
        XCTAssertEqual(Data(bytes: window.baseAddress + 65536, count: 20), Data(count: 20))
        device.reset()
        XCTAssertEqual(integration.handleVirtioCommand(Request.unmapBlob(5)).u32(0), 0x1203)
        try integration.stop()
    }

    func testVulkanThroughVirtioInThisProcess() throws {
        try askForTheVersion(.test)
    }

    func testVulkanThroughVirtioInAWorker() throws {
        let driver = ProcessInfo.processInfo.environment["PV_TEST_DRIVER"]
        try askForTheVersion(
            .test.with(\.isolation, .workers(program: nil)).with(\.driver, driver))
    }

    func testWorkerProgramThatIsMissingIsAHostsFailure() throws {
        let integration = try GPUIntegration(
            configuration: .test.with(\.isolation, .workers(program: "/nonexistent/pearvisor")))
        assertThrows(.hostFailed, try integration.createGraphicsDevice())
    }
}
