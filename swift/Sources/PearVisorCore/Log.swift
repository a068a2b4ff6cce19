import CPearVisor

/// How much a line of the log matters, the gravest first.
public enum LogLevel: Int, Comparable, Sendable {
    case error, warn, info, debug

    public static func < (left: LogLevel, right: LogLevel) -> Bool {
        left.rawValue < right.rawValue
    }

    init(_ level: pv_log_level) {
        switch level {
        case PV_LOG_ERROR: self = .error
        case PV_LOG_WARN: self = .warn
        case PV_LOG_INFO: self = .info
        default: self = .debug
        }
    }

    var c: pv_log_level {
        switch self {
        case .error: return PV_LOG_ERROR
        case .warn: return PV_LOG_WARN
        case .info: return PV_LOG_INFO
        case .debug: return PV_LOG_DEBUG
        }
    }
}

/// One line of text, without a newline. From any thread, several at once; it must not call back.
public typealias LogHandler = @Sendable (LogLevel, String) -> Void

/// What stands behind `log_user`. Whoever hands the pointer out keeps the object meanwhile.
final class LogSink {
    let handler: LogHandler
    let level: LogLevel

    init(level: LogLevel, handler: @escaping LogHandler) {
        self.level = level
        self.handler = handler
    }

    var pointer: UnsafeMutableRawPointer { Unmanaged.passUnretained(self).toOpaque() }

    static let write:
        @convention(c) (UnsafeMutableRawPointer?, pv_log_level, UnsafePointer<CChar>?) -> Void = {
            user, level, line in
            guard let user, let line else { return }
            let sink = Unmanaged<LogSink>.fromOpaque(user).takeUnretainedValue()
            sink.handler(LogLevel(level), String(cString: line))
        }
}
