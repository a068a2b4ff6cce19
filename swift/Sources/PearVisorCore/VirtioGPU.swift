import CPearVisor
import Foundation

/// The words of virtio-gpu that this package itself speaks (virtio 1.3, section 5.7). The library
/// knows the rest.
public enum VirtioGPU {
    /// Of `struct virtio_gpu_ctrl_hdr`, in bytes: the shortest request, and every error response.
    public static let headerSize = 24

    /// The longest request that the device takes, in bytes.
    public static let requestSizeMax = Int(PV_GPU_REQUEST_SIZE_MAX)

    /// The longest response that the device gives, in bytes.
    public static let responseSizeMax = Int(PV_GPU_RESPONSE_SIZE_MAX)

    /// The two virtqueues of the device, by their number.
    public enum Queue: UInt16, Sendable {
        case control = 0
        case cursor = 1

        var c: pv_gpu_queue { self == .control ? PV_GPU_QUEUE_CONTROL : PV_GPU_QUEUE_CURSOR }
    }

    /// `VIRTIO_GPU_RESP_ERR_UNSPEC`.
    static let unspecifiedError: UInt32 = 0x1200

    /// `VIRTIO_GPU_FLAG_FENCE`, `VIRTIO_GPU_FLAG_INFO_RING_IDX`.
    private static let fenceFlag: UInt32 = 1
    private static let ringFlag: UInt32 = 2

    /// The response that tells a guest that its request was not done, without a reason
    /// (`VIRTIO_GPU_RESP_ERR_UNSPEC`, 24 bytes).
    ///
    /// A fence that the request asked for is told as done: a Linux guest waits for it otherwise,
    /// for ever. `request` may be shorter than a header, or empty.
    public static func errorResponse(to request: Data) -> Data {
        var response = Data(count: headerSize)
        response.store(unspecifiedError, at: 0)
        guard request.count >= headerSize else { return response }
        let flags = request.load(UInt32.self, at: 4) & (fenceFlag | ringFlag)
        guard flags & fenceFlag != 0 else { return response }
        response.store(flags, at: 4)
        response.store(request.load(UInt64.self, at: 8), at: 8)
        response.store(request.load(UInt32.self, at: 16), at: 16)
        if flags & ringFlag != 0 {
            response.store(request.load(UInt8.self, at: 20), at: 20)
        }
        return response
    }
}

extension Data {
    /// The little-endian value at an offset from the first byte, aligned or not.
    func load<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T {
        withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: type)) }
    }

    mutating func store<T: FixedWidthInteger>(_ value: T, at offset: Int) {
        withUnsafeMutableBytes {
            $0.storeBytes(of: value.littleEndian, toByteOffset: offset, as: T.self)
        }
    }
}
