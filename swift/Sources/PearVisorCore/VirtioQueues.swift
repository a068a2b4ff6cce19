import Foundation

/// A descriptor chain of a virtqueue, as a transport has it.
///
/// `read` comes first and `giveBack` last, each once.
public protocol DescriptorChain: AnyObject {
    /// Of the readable part, in bytes.
    var readableByteCount: Int { get }
    /// Of the writable part, in bytes.
    var writableByteCount: Int { get }

    /// Copies the first bytes of the readable part into private memory, looking at each only once:
    /// the guest can change them at any moment.
    func read(_ byteCount: Int) throws -> Data
    /// Writes to the beginning of the writable part.
    func write(_ bytes: Data) throws
    /// Puts the chain into the used ring, and interrupts the guest. Exactly once.
    func giveBack()
}

/// The two virtqueues of a device: requests out of descriptor chains, responses into them, and each
/// chain back to the guest exactly once, whatever happens.
///
/// All calls on one serial queue, on which chains are used, too. No call waits for the device.
public final class VirtioQueues {
    private let device: GraphicsDevice
    private let queue: DispatchQueue
    private var pending: [UInt64: DescriptorChain] = [:]
    private var lastNumber: UInt64 = 0

    public init(device: GraphicsDevice, queue: DispatchQueue) {
        self.device = device
        self.queue = queue
    }

    /// Chains that the guest waits for.
    public var pendingCount: Int { pending.count }

    /// Takes a chain that the guest has made available. It goes back when the device has answered.
    public func process(_ chain: DescriptorChain, from virtqueue: VirtioGPU.Queue) {
        let size = chain.readableByteCount
        // Longer requests only get an error, so no more of them is copied than that takes.
        let isTooLong = size > VirtioGPU.requestSizeMax
        let request = try? chain.read(isTooLong ? VirtioGPU.headerSize : size)
        guard let request, !isTooLong else {
            refuse(chain, request ?? Data())
            return
        }
        lastNumber += 1
        let number = lastNumber
        pending[number] = chain
        device.submit(
            request, queue: virtqueue, responseCapacity: chain.writableByteCount,
            completionQueue: queue
        ) { [weak self] response in
            // Gone when a reset or the end has given it back already.
            guard let chain = self?.pending.removeValue(forKey: number) else { return }
            if case .success(let bytes) = response, !bytes.isEmpty { try? chain.write(bytes) }
            chain.giveBack()
        }
    }

    private func refuse(_ chain: DescriptorChain, _ request: Data) {
        let response = VirtioGPU.errorResponse(to: request)
        if chain.writableByteCount >= response.count { try? chain.write(response) }
        chain.giveBack()
    }

    /// The guest resets the device: nothing is answered any more, and every chain goes back as it
    /// is, since a transport wants to have back what it has lent.
    public func reset() {
        device.reset()
        giveAllBack()
    }

    /// The machine ends: likewise, without a word to the device.
    public func giveAllBack() {
        let chains = pending.sorted { $0.key < $1.key }
        pending = [:]
        for (_, chain) in chains { chain.giveBack() }
    }
}
