import COpenSSL

/// Bytes of TLS connections on their way between sockets and OpenSSL: one for each thread that has some, and used for one
/// connection at a time. OpenSSL reads from `input` and writes behind `output`, so that a thread needs one system call
/// for all that has come, and one for all that leaves, whatever the records.
///
///     socket ──▶ input ──▶ OpenSSL ──▶ plain bytes
///     socket ◀── output ◀─ OpenSSL ◀── plain bytes
final class TLSWire {
    /// What came and OpenSSL has not read, in memory of the caller's.
    @exclusivity(unchecked) fileprivate(set) var input = UnsafeRawBufferPointer(start: nil, count: 0)
    /// What shall leave.
    @exclusivity(unchecked) var output = OutputBuffer()

    /// Has `body` read from `bytes`. What it leaves of them is lost: it reads all, or the connection has ended.
    func feed<Result>(_ bytes: UnsafeRawBufferPointer, _ body: () -> Result) -> Result {
        input = bytes
        defer { input = UnsafeRawBufferPointer(start: nil, count: 0) }
        return body()
    }

    // MARK: As OpenSSL has it

    /// An end for a connection's bytes, which `lead` leads to a wire.
    static func makeBIO() -> OpaquePointer {
        // What fails here is memory alone.
        let bio = BIO_new(method)!
        BIO_set_init(bio, 1)
        return bio
    }

    /// From now on the bytes of `bio` come and go here.
    func lead(_ bio: OpaquePointer) { BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque()) }

    /// Safety: made once, and not changed afterwards.
    private nonisolated(unsafe) static let method: OpaquePointer = {
        let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "edge wire")!
        BIO_meth_set_read(method) { bio, buffer, count in
            BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
            let wire = TLSWire.wire(of: bio)
            let taken = min(Int(count), wire.input.count)
            guard taken > 0 else {
                BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY)
                return -1
            }
            UnsafeMutableRawPointer(buffer!).copyMemory(from: wire.input.baseAddress!, byteCount: taken)
            wire.input = UnsafeRawBufferPointer(rebasing: wire.input[taken...])
            return Int32(taken)
        }
        BIO_meth_set_write(method) { bio, bytes, count in
            BIO_clear_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY)
            TLSWire.wire(of: bio).output.append(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }()

    @inline(__always)
    private static func wire(of bio: OpaquePointer?) -> TLSWire {
        Unmanaged<TLSWire>.fromOpaque(BIO_get_data(bio)).takeUnretainedValue()
    }
}
