import CPearVisor
import Foundation

/// What a call of the library can fail with: `enum pv_result` as a Swift error.
///
/// The word that describes it is the library's own (`pv_result_name`).
public enum PearVisorError: Error, Equatable, Sendable {
    /// The guest broke the protocol. Its context has ended; nothing else has.
    case guestFault
    /// The host's system or driver refused; a line of the log says what.
    case hostFailed
    /// Out of memory, or a quota was reached.
    case noMemory
    /// This host, this build or this version cannot do it.
    case unsupported
    /// It is not started, or has been stopped; or the guest has reset the device meanwhile.
    case closed
    /// It is in use, or is being called from inside of itself.
    case busy
    /// An argument that makes no sense.
    case invalid
    /// A result that this package does not know: the library is newer.
    case other(UInt32)

    init(_ result: pv_result) {
        switch result {
        case PV_GUEST_FAULT: self = .guestFault
        case PV_HOST_FAILED: self = .hostFailed
        case PV_NO_MEMORY: self = .noMemory
        case PV_UNSUPPORTED: self = .unsupported
        case PV_CLOSED: self = .closed
        case PV_BUSY: self = .busy
        case PV_INVALID: self = .invalid
        default: self = .other(UInt32(result.rawValue))
        }
    }

    /// The library's own value.
    var result: pv_result {
        switch self {
        case .guestFault: return PV_GUEST_FAULT
        case .hostFailed: return PV_HOST_FAILED
        case .noMemory: return PV_NO_MEMORY
        case .unsupported: return PV_UNSUPPORTED
        case .closed: return PV_CLOSED
        case .busy: return PV_BUSY
        case .invalid: return PV_INVALID
        case .other(let value): return pv_result(rawValue: .init(value))
        }
    }

    /// Throws unless the library said `PV_OK`.
    static func check(_ result: pv_result) throws {
        if result != PV_OK { throw PearVisorError(result) }
    }
}

extension PearVisorError: LocalizedError, CustomStringConvertible {
    public var description: String { String(cString: pv_result_name(result)) }
    public var errorDescription: String? { description }
}
