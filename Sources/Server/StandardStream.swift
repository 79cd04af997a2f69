import Glibc

/// What a command prints: its result on standard output, what it has to say on standard error.
package enum StandardStream: Int32, Sendable {
    case output = 1
    case error = 2

    /// Writes all of `text`; false if nobody reads it any more, or it cannot be written.
    @discardableResult
    package func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    /// Writes all of `bytes`; false if nobody reads them any more, or they cannot be written.
    @discardableResult
    package func write(_ bytes: [UInt8]) -> Bool {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { Glibc.write(rawValue, $0.baseAddress! + written, $0.count - written) }
            if count >= 0 {
                written += count
            } else if errno == EAGAIN {
                var readiness = pollfd(fd: rawValue, events: Int16(POLLOUT), revents: 0)
                poll(&readiness, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }

    /// A reader that goes away is an error of `write`, not the end of the process; and descriptors 0 to 2 are taken
    /// even if the process was started without them, so that no file of the store ever gets one of these numbers and
    /// log lines with it. Once, at start.
    package static func secure() {
        signal(SIGPIPE, SIG_IGN)
        // A limit on a file's size is an error of the write, too.
        signal(SIGXFSZ, SIG_IGN)
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 {
            let opened = open("/dev/null", O_RDWR)
            precondition(opened == descriptor, "/dev/null must open")
        }
    }
}
