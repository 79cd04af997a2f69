import CLinux
import Glibc

/// Finds where answers end. For our own load on our own servers: it believes `Content-Length`, and knows nothing else.
package enum ResponseScanner {
    package struct Found: Equatable {
        package let status: Int
        /// Head and body.
        package let byteCount: Int
        package init(status: Int, byteCount: Int) { (self.status, self.byteCount) = (status, byteCount) }
    }

    /// The first answer of `bytes`; nil if it is not whole yet.
    package static func first(of bytes: UnsafeRawBufferPointer) -> Found? {
        guard let base = bytes.baseAddress, let end = memmem(base, bytes.count, "\r\n\r\n", 4) else { return nil }
        let headBytes = UnsafeRawPointer(end) + 4 - base
        var bodyBytes = 0
        if let field = memmem(base, headBytes, "\r\nContent-Length: ", 18) {
            var digit = UnsafeRawPointer(field) + 18
            while case let byte = digit.load(as: UInt8.self), byte != UInt8(ascii: "\r") {
                bodyBytes = bodyBytes * 10 + Int(byte & 0x0f)
                digit += 1
            }
        }
        guard bytes.count - headBytes >= bodyBytes, headBytes >= 16 else { return nil }
        let status = (9..<12).reduce(0) { $0 * 10 + Int(bytes[$1] & 0x0f) }
        return Found(status: status, byteCount: headBytes + bodyBytes)
    }
}
