import Foundation

/// A thread for one device: all calls of `pv_gpu` come from it.
///
/// A thread of its own rather than a dispatch queue, since the kernel ends the device's worker
/// processes together with the thread that has started them, and a queue's threads come and go.
final class DeviceThread: @unchecked Sendable {
    /// What the thread waits for besides work. Both are asked on the thread, before each wait.
    struct Source {
        let descriptor: Int32
        /// Until `dispatch` wants to be called in any case; -1: never.
        let timeoutMilliseconds: () -> Int32
        let dispatch: () -> Void
    }

    private let lock = NSLock()
    private var work: [() -> Void] = []  // under the lock
    private var isEnding = false  // likewise
    private let wakeRead: Int32
    private let wakeWrite: Int32
    private let ended = DispatchSemaphore(value: 0)
    private var identity: pthread_t?  // under the lock; nil: has not begun, or has ended

    /// `makeSource` and `finish` run on the thread: the first and the last that it does.
    init(name: String, makeSource: @escaping () -> Source?, finish: @escaping () -> Void) throws {
        var pipes: [Int32] = [-1, -1]
        guard pipe(&pipes) == 0 else { throw PearVisorError.hostFailed }
        wakeRead = pipes[0]
        wakeWrite = pipes[1]
        for descriptor in pipes {
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        }
        let thread = Thread { [self] in
            identify(pthread_self())
            run(makeSource())
            finish()
            identify(nil)
            ended.signal()
        }
        thread.name = name
        thread.start()
    }

    deinit {
        close(wakeRead)
        close(wakeWrite)
    }

    /// Hands work to the thread; false once it is ending, and then the work is dropped.
    @discardableResult
    func async(_ body: @escaping () -> Void) -> Bool {
        lock.lock()
        let taken = !isEnding
        if taken { work.append(body) }
        lock.unlock()
        if taken { wake() }
        return taken
    }

    /// Runs work on the thread and waits for it; nil once the thread is ending.
    func sync<T>(_ body: @escaping () -> T) -> T? {
        precondition(!isCurrent, "called from inside of a callback that may not")
        let done = DispatchSemaphore(value: 0)
        var result: T?
        guard
            async({
                result = body()
                done.signal()
            })
        else { return nil }
        done.wait()
        return result
    }

    /// Lets the thread do what it has been given, and waits until it has ended. From the thread
    /// itself: only asks it to.
    func end() {
        lock.lock()
        let first = !isEnding
        isEnding = true
        lock.unlock()
        guard first else { return }
        wake()
        if !isCurrent { ended.wait() }
    }

    private func identify(_ identity: pthread_t?) {
        lock.lock()
        self.identity = identity
        lock.unlock()
    }

    private var isCurrent: Bool {
        lock.lock()
        defer { lock.unlock() }
        return identity.map { pthread_equal($0, pthread_self()) != 0 } ?? false
    }

    private func wake() {
        var byte: UInt8 = 0
        _ = write(wakeWrite, &byte, 1)  // a full pipe wakes, too
    }

    private func run(_ source: Source?) {
        while true {
            lock.lock()
            let batch = work
            work = []
            let isLast = isEnding && batch.isEmpty
            lock.unlock()
            if isLast { return }
            for body in batch { body() }
            if batch.isEmpty { wait(source) }
        }
    }

    private func wait(_ source: Source?) {
        var sources = [pollfd(fd: wakeRead, events: Int16(POLLIN), revents: 0)]
        if let source {
            sources.append(pollfd(fd: source.descriptor, events: Int16(POLLIN), revents: 0))
        }
        let timeout = source?.timeoutMilliseconds() ?? -1
        let ready = poll(&sources, nfds_t(sources.count), timeout)
        if sources[0].revents != 0 {
            var bytes = [UInt8](repeating: 0, count: 64)
            while read(wakeRead, &bytes, bytes.count) == bytes.count {}
        }
        if let source, ready == 0 || (ready > 0 && sources[1].revents != 0) { source.dispatch() }
    }
}
