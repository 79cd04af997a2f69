import Glibc

/// Why the access log cannot be opened.
struct AccessLogError: Error, CustomStringConvertible {
    let path: String
    let code: Int32
    var description: String { "access_log = \(path): \(String(cString: strerror(code)))" }
}

/// What the access log is written to.
///
/// Safety: a descriptor is a number; closing is left to `deinit`.
final class AccessLogSink: Sendable {
    enum Progress: Equatable {
        case written(Int)
        /// It takes nothing now.
        case blocked
        case failed(Int32)
    }

    /// What a pipe that can be written to takes at once, for certain (POSIX PIPE_BUF).
    private static let pipeBytes = 4096

    private let descriptor: Int32
    private let isFile: Bool

    /// Nil for `off`. Never waits: a pipe is opened whether or not anybody reads it.
    static func open(_ target: Configuration.AccessLogTarget) throws(AccessLogError) -> AccessLogSink? {
        switch target {
        case .off: return nil
        case .standardOutput:
            let copy = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
            guard copy >= 0 else { throw AccessLogError(path: "stdout", code: errno) }
            return AccessLogSink(copy)
        case .file(let path):
            var status = stat()
            let isPipe = stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO
            let access = isPipe ? O_RDWR : O_WRONLY | O_APPEND | O_CREAT
            let file = Glibc.open(path, access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0o640)
            guard file >= 0 else { throw AccessLogError(path: path, code: errno) }
            return AccessLogSink(file)
        }
    }

    private init(_ descriptor: Int32) {
        var status = stat()
        self.descriptor = descriptor
        isFile = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    deinit { close(descriptor) }

    /// Writes some of `bytes`. Only a file's disk is waited for.
    func write(_ bytes: UnsafeRawBufferPointer) -> Progress {
        if !isFile {
            var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&readiness, 1, 0) > 0 else { return .blocked }
        }
        let count = Glibc.write(descriptor, bytes.baseAddress, isFile ? bytes.count : min(bytes.count, Self.pipeBytes))
        if count >= 0 { return .written(count) }
        return errno == EAGAIN || errno == EINTR ? .blocked : .failed(errno)
    }
}
