import CLinux
import Glibc
import HTTP
import Primitives

/// Why a stream ends before it is done.
enum StreamEnd: Error {
    /// The connection is broken.
    case clientGone
    /// The client sent nothing, or took nothing, for the time that it has for that.
    case timedOut
    /// The framing of the client's body is wrong, or the body ends before it is whole.
    case malformed
    /// The node stops.
    case stopping
    /// The store cannot be read.
    case storeFailed
}

/// A client's connection outside of the workers' loops, with reads and writes that wait: for the one thread that serves
/// it. Whatever has been written is sent before anything is waited for, and nothing is read while the client does not
/// take what it is sent: so a slow client slows its own stream alone, and holds no more than two buffers.
///
/// Safety: handed to its thread by the worker, which does not touch it afterwards.
final class ClientStream: @unchecked Sendable {
    private let descriptor: Int32
    /// Nil: plain HTTP.
    private let session: TLSSession?
    private let streams: Streams
    private let timeouts: ConnectionTimeouts
    /// What was read and not taken apart.
    private var unread: [UInt8]
    private var body: StreamedBody
    private var isBodyRead = false
    private var isBodyWrong = false
    /// On its way as it stands; behind it what goes into the next chunk.
    private var unsent: [UInt8]
    private var chunk: [UInt8] = []
    /// Field lines behind the body (RFC 9112 7.1.2), each with its CRLF; HTTP/1.0 gets none.
    var trailer = ""
    private let isChunked: Bool
    private let isHead: Bool

    /// Before the body.
    private let head: [UInt8]

    /// - unsent: what the client is to get first, as it leaves: answers to earlier requests.
    init(
        _ descriptor: Int32, _ session: TLSSession?, _ streams: Streams, _ timeouts: ConnectionTimeouts,
        unsent: [UInt8], head: [UInt8], unread: [UInt8], _ body: StreamedBody, _ form: Response.Form
    ) {
        (self.descriptor, self.session, self.streams, self.timeouts) = (descriptor, session, streams, timeouts)
        (self.unsent, self.head, self.unread, self.body) = (unsent, head, unread, body)
        (isChunked, isHead) = (form.minorVersion > 0, form.isHead)
    }

    /// Serves it and closes the connection.
    func run(_ serve: (ClientStream) throws(StreamEnd) -> Void) {
        defer { close(descriptor) }
        // The worker's is not this thread's.
        session?.wire = TLSWire()
        put(head)
        do throws(StreamEnd) {
            if !isHead { try serve(self) }
            sendChunk()
            if isChunked, !isHead { put(Array("0\r\n\(trailer)\r\n".utf8)) }
            session?.sayEnd()
            try send()
        } catch {
            // A body without its end tells the client that it was cut, and so does TLS without its own.
            switch error {
            case .clientGone, .timedOut: return
            case .malformed, .stopping, .storeFailed: do { try flush() } catch { return }
            }
        }
        linger()
    }

    var isStopping: Bool { streams.isStopping }

    // MARK: To the client

    /// Sends it when so much has gathered, or something is waited for.
    func write(_ bytes: [UInt8]) throws(StreamEnd) {
        chunk += bytes
        if chunk.count >= StreamLimits.chunkBytes { try flush() }
    }

    func flush() throws(StreamEnd) {
        sendChunk()
        try send()
    }

    private func sendChunk() {
        guard !chunk.isEmpty else { return }
        put(isChunked ? Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [0x0d, 0x0a] : chunk)
        chunk.removeAll(keepingCapacity: true)
    }

    /// Behind what is unsent, as it leaves.
    private func put(_ bytes: [UInt8]) {
        guard let session else { return unsent += bytes }
        bytes.withUnsafeBytes { session.seal($0) }
    }

    private func send() throws(StreamEnd) {
        if let session {
            unsent += session.wire.output.bytes
            session.wire.output.clear()
        }
        var sent = 0
        while sent < unsent.count {
            let transfer = unsent.withUnsafeBytes { bytes in
                System.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[sent...]))
            }
            switch transfer {
            case .done(let count): sent += count
            case .notNow: try wait(for: Int16(POLLOUT), milliseconds: timeouts.writing / 1000, heedsStop: false)
            case .failed: throw .clientGone
            }
        }
        unsent.removeAll(keepingCapacity: true)
    }

    // MARK: From the client

    /// The next piece of the body, at most `StreamLimits.readBytes` of it; nil at its end. `beforeWaiting` is called if
    /// nothing has come, before the client is waited for: it may wait for an answer that is still to be written.
    func read(beforeWaiting: () throws(StreamEnd) -> Void = {}) throws(StreamEnd) -> [UInt8]? {
        while true {
            if isBodyRead { return nil }
            if isBodyWrong { throw .malformed }
            var content: [UInt8] = []
            let (consumed, outcome) = body.decode(unread.span.bytes, into: &content)
            unread.removeFirst(consumed)
            switch outcome {
            case .complete: isBodyRead = true
            // What stands before the fault is read.
            case .refused: isBodyWrong = true
            case .incomplete: break
            }
            if !content.isEmpty { return content }
            if !isBodyRead, !isBodyWrong { try receive(beforeWaiting) }
        }
    }

    private func receive(_ beforeWaiting: () throws(StreamEnd) -> Void) throws(StreamEnd) {
        let start = unread.count
        let room = StreamLimits.readBytes
        unread += [UInt8](repeating: 0, count: session == nil ? room : 2 * room + TLSLimits.recordBytes)
        var received = 0
        defer { unread.removeLast(unread.count - start - received) }
        while true {
            let transfer = unread.withUnsafeMutableBytes { bytes in
                System.read(descriptor, UnsafeMutableRawBufferPointer(rebasing: bytes[start...].suffix(room)))
            }
            switch transfer {
            case .done(let count) where count > 0:
                received = try opened(count, room, from: start)
                if received > 0 { return }
            case .done: throw .malformed
            case .failed: throw .clientGone
            case .notNow:
                try beforeWaiting()
                try flush()
                try wait(for: Int16(POLLIN), milliseconds: timeouts.body / 1000, heedsStop: true)
            }
        }
    }

    /// How many bytes stand at `start` of `unread`, after `count` came into its last `room`.
    private func opened(_ count: Int, _ room: Int, from start: Int) throws(StreamEnd) -> Int {
        guard let session else { return count }
        let opened = unread.withUnsafeMutableBytes { bytes in
            session.open(
                UnsafeRawBufferPointer(rebasing: bytes.suffix(room).prefix(count)),
                into: UnsafeMutableRawBufferPointer(rebasing: bytes[start...].dropLast(room)))
        }
        switch session.state {
        case .open: return opened
        case .ended where opened > 0: return opened
        case .ended: throw .malformed
        case .handshake, .failed: throw .clientGone
        }
    }

    /// Sends what was written and waits that long, less if the connection breaks or the node stops: for a stream that
    /// has nothing to tell at the moment. A client that closes is noticed when it is sent something: it may have ended its
    /// sending side alone, behind its body, and read on.
    func rest(milliseconds: Int64) throws(StreamEnd) { _ = try rest(heeding: 0, milliseconds) }

    /// As above, for a stream that would last for ever: false once the client has closed its connection or its sending
    /// side, and nobody can tell which (see `ClientEnd`). A client that still reads gets the end of the answer.
    func restUnlessEnded(milliseconds: Int64) throws(StreamEnd) -> Bool {
        // POLLRDHUP, which the Glibc module lacks and Linux gives the same bit.
        try rest(heeding: Int16(EPOLLRDHUP.rawValue), milliseconds)
    }

    /// False if one of the events came.
    private func rest(heeding events: Int16, _ milliseconds: Int64) throws(StreamEnd) -> Bool {
        try flush()
        let came: Int16
        do throws(StreamEnd) { came = try wait(for: events, milliseconds: milliseconds, heedsStop: true) } catch {
            if case .timedOut = error { return true }
            throw error
        }
        guard came & Int16(POLLERR | POLLHUP) == 0 else { throw .clientGone }
        return false
    }

    /// What came of the events, or of those that say that the connection is broken.
    @discardableResult
    private func wait(for events: Int16, milliseconds: Int64, heedsStop: Bool) throws(StreamEnd) -> Int16 {
        let deadline = System.monotonicMilliseconds() + milliseconds
        var descriptors = [
            pollfd(fd: descriptor, events: events, revents: 0),
            pollfd(fd: heedsStop ? streams.stop.descriptor : -1, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            let left = deadline - System.monotonicMilliseconds()
            guard left > 0 else { throw .timedOut }
            let count = poll(&descriptors, 2, Int32(min(left, Int64(Int32.max))))
            guard count > 0 else {
                precondition(count == 0 || errno == EINTR, "poll refused a descriptor")
                continue
            }
            if descriptors[1].revents != 0 { throw .stopping }
            return descriptors[0].revents
        }
    }

    /// Reads away what the client still sends, so that the end of the answer is not lost to a reset.
    private func linger() {
        System.shutdownWriting(descriptor)
        unread = [UInt8](repeating: 0, count: StreamLimits.readBytes)
        let deadline = System.monotonicMilliseconds() + ConnectionLimits.lingerMilliseconds
        while true {
            switch unread.withUnsafeMutableBytes({ System.read(descriptor, $0) }) {
            case .done(let count) where count > 0: if System.monotonicMilliseconds() >= deadline { return }
            case .done, .failed: return
            case .notNow:
                let left = deadline - System.monotonicMilliseconds()
                do { try wait(for: Int16(POLLIN), milliseconds: left, heedsStop: false) } catch { return }
            }
        }
    }
}
