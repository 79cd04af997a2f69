import CLinux
import Glibc
import Primitives
import Synchronization

/// Puts slow storage under a file: a file system of its own (FUSE) with that one file, mounted over it, whose reads each
/// take so long. The kernel caches its pages and faults them into maps as it does those of a disk. Writes go through to
/// the file at once. Needs root.
///
/// One thread serves it. Reads that wait are in a list with the instants at which they are due, so as many as are asked
/// for take their time at once, as on a disk far away. The whole protocol is in <linux/fuse.h> and fuse(4).
///
/// Safety: the state is behind a mutex; descriptors and the memory for requests do not change, and the latter belongs to
/// the thread.
package final class SlowFile: @unchecked Sendable {
    private struct Read {
        let unique: UInt64
        let offset: Int
        let count: Int
        /// Monotonic nanoseconds.
        let due: UInt64
    }

    private struct State {
        var waiting: [Read] = []
        var isHeld = false
        var readCount = 0
        var isEnding = false
    }

    private static let headerBytes = 40
    private static let answerHeaderBytes = 16
    private static let requestBytes = 1 << 18
    private static let writeBytes: UInt32 = 1 << 17

    package let path: String
    private let file: Int32
    private let device: Int32
    private let control = eventfd(0, Int32(EFD_NONBLOCK | EFD_CLOEXEC))
    private let nanoseconds: UInt64
    private let readsAhead: Bool
    private let state = Mutex(State())
    private let request = UnsafeMutableRawBufferPointer.allocate(byteCount: requestBytes, alignment: 8)
    private var thread: SystemThread?

    /// The file at `path` is there, and nobody has it open. Each read takes `readMilliseconds`.
    /// `readsAhead`: false if the kernel shall read no page but those that are asked for.
    package init(_ path: String, readMilliseconds: Double, readsAhead: Bool = true) throws {
        (self.path, self.readsAhead) = (path, readsAhead)
        nanoseconds = UInt64(readMilliseconds * 1e6)
        file = open(path, O_RDWR | O_CLOEXEC)
        guard file >= 0 else { throw LabError("\(path): \(String(cString: strerror(errno)))") }
        device = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        guard device >= 0 else {
            close(file)
            throw LabError("no slow storage here: /dev/fuse: \(String(cString: strerror(errno)))")
        }
        let options = "fd=\(device),rootmode=100000,user_id=0,group_id=0,allow_other"
        let code = options.withCString { mount("edge-slow", path, "fuse", UInt(6), $0) }  // MS_NOSUID | MS_NODEV
        guard code == 0 else {
            let reason = String(cString: strerror(errno))
            close(file)
            close(device)
            throw LabError("no slow storage here: mounting it needs root: \(reason)")
        }
        Interruption.note(.mount(path))
        thread = SystemThread("slow-file") { [self] in serve() }
    }

    deinit {
        close(device)
        close(file)
        close(control)
        request.deallocate()
    }

    /// Reads that were asked for so far.
    package var readCount: Int { state.withLock { $0.readCount } }

    /// Reads that wait now.
    package var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Reads wait from now on until `release`.
    package func hold() { state.withLock { $0.isHeld = true } }

    package func release() {
        state.withLock { $0.isHeld = false }
        wake()
    }

    /// Takes all pages out of memory, whoever maps them.
    package func forgetPages() {
        // struct fuse_out_header of a notification, and struct fuse_notify_inval_inode_out: all of inode 1.
        var message = Message()
        message.append(UInt32(40))
        message.append(Int32(2))
        message.append(UInt64(0))
        for value: UInt64 in [1, 0, 0] { message.append(value) }
        message.send(to: device)
    }

    /// Unmounts it. Nobody may have the file open any more.
    package func end() {
        release()
        umount2(path, Int32(MNT_DETACH))
        Interruption.forget(.mount(path))
        state.withLock { $0.isEnding = true }
        wake()
        thread?.join()
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(control, &one, 8)
    }

    // MARK: The thread

    private func serve() {
        while true {
            var descriptors = [
                pollfd(fd: device, events: Int16(POLLIN), revents: 0),
                pollfd(fd: control, events: Int16(POLLIN), revents: 0),
            ]
            guard let pause = answerDueReads() else { return }
            poll(&descriptors, 2, pause)
            var count: UInt64 = 0
            if descriptors[1].revents != 0 { _ = read(control, &count, 8) }
            guard descriptors[0].revents != 0 else { continue }
            let bytes = read(device, request.baseAddress, request.count)
            if bytes >= Self.headerBytes {
                answer(UnsafeRawBufferPointer(rebasing: request[..<bytes]))
            } else if bytes < 0, errno != EINTR, errno != EAGAIN, errno != ENOENT {
                return  // It is unmounted.
            }
        }
    }

    /// Milliseconds until another is due, -1 if none is; nil at the end.
    private func answerDueReads() -> Int32? {
        let now = MonotonicClock.nanoseconds
        let (due, pause) = state.withLock { state -> ([Read], Int32?) in
            guard !state.isEnding else { return (state.waiting, nil) }
            guard !state.isHeld else { return ([], -1) }
            let due = state.waiting.filter { $0.due <= now }
            state.waiting.removeAll { $0.due <= now }
            guard let next = state.waiting.map(\.due).min() else { return (due, -1) }
            return (due, Int32((next - now + 999_999) / 1_000_000))
        }
        for read in due {
            var message = Message()
            var bytes = [UInt8](repeating: 0, count: read.count)
            let count = pread(file, &bytes, read.count, off_t(read.offset))
            message.append(UInt32(Self.answerHeaderBytes + max(0, count)))
            message.append(count < 0 ? -errno : 0)
            message.append(read.unique)
            if count > 0 { message.bytes += bytes[..<count] }
            message.send(to: device)
        }
        return pause
    }

    /// A request: length, operation, its number, and 24 bytes that do not matter here; then what belongs to the operation.
    private func answer(_ bytes: UnsafeRawBufferPointer) {
        let operation = bytes.load(fromByteOffset: 4, as: UInt32.self)
        let unique = bytes.load(fromByteOffset: 8, as: UInt64.self)
        let body = UnsafeRawBufferPointer(rebasing: bytes[Self.headerBytes...])
        switch operation {
        case 2, 42: break  // FORGET, BATCH_FORGET: no answer
        case 3: reply(unique, attributes())  // GETATTR
        case 4: reply(unique, setAttributes(body))  // SETATTR
        case 14: reply(unique, Message(words: [0, 2]))  // OPEN, with FOPEN_KEEP_CACHE
        case 15: beginRead(unique, body)  // READ
        case 16: reply(unique, writeThrough(body))  // WRITE
        case 17: reply(unique, space())  // STATFS
        case 18, 25, 38: reply(unique, Message())  // RELEASE, FLUSH, DESTROY
        case 20: reply(unique, fdatasync(file) == 0 ? Message() : nil)  // FSYNC
        case 26: reply(unique, start(body))  // INIT
        case 36: interrupt(body.load(as: UInt64.self))
        case 43:  // FALLOCATE
            let (offset, length) = (
                body.load(fromByteOffset: 8, as: Int.self), body.load(fromByteOffset: 16, as: Int.self)
            )
            reply(unique, posix_fallocate(file, off_t(offset), off_t(length)) == 0 ? Message() : nil)
        default:
            errno = ENOSYS
            reply(unique, nil)
        }
    }

    /// nil: `errno` says why not.
    private func reply(_ unique: UInt64, _ body: Message?) {
        let code = body == nil ? -errno : 0
        var message = Message()
        message.append(UInt32(Self.answerHeaderBytes + (body?.bytes.count ?? 0)))
        message.append(code)
        message.append(unique)
        message.bytes += body?.bytes ?? []
        message.send(to: device)
    }

    /// struct fuse_init_out: version 7.31, the most that is read ahead, asynchronous reads, big writes, and
    /// pages that stay until they are forgotten.
    private func start(_ body: UnsafeRawBufferPointer) -> Message {
        let flags: UInt32 = (1 | 1 << 5 | 1 << 25) & body.load(fromByteOffset: 12, as: UInt32.self)
        var message = Message()
        let readAheadBytes = readsAhead ? body.load(fromByteOffset: 8, as: UInt32.self) : 0
        for word in [7, 31, readAheadBytes, flags] { message.append(word) }
        message.append(UInt32(64 | 48 << 16))  // Background requests, and when they count as many.
        message.append(Self.writeBytes)
        message.append(UInt32(1))  // Nanoseconds of times.
        message.bytes += [UInt8](repeating: 0, count: 64 - message.bytes.count)
        return message
    }

    private func beginRead(_ unique: UInt64, _ body: UnsafeRawBufferPointer) {
        let read = Read(
            unique: unique, offset: body.load(fromByteOffset: 8, as: Int.self),
            count: Int(body.load(fromByteOffset: 16, as: UInt32.self)), due: MonotonicClock.nanoseconds + nanoseconds)
        state.withLock {
            $0.readCount += 1
            $0.waiting.append(read)
        }
    }

    /// Whoever asked for it is being killed.
    private func interrupt(_ unique: UInt64) {
        let isWaiting = state.withLock { state in
            let count = state.waiting.count
            state.waiting.removeAll { $0.unique == unique }
            return state.waiting.count < count
        }
        guard isWaiting else { return }
        errno = EINTR
        reply(unique, nil)
    }

    private func writeThrough(_ body: UnsafeRawBufferPointer) -> Message? {
        let (offset, count) = (
            body.load(fromByteOffset: 8, as: Int.self), body.load(fromByteOffset: 16, as: UInt32.self)
        )
        let written = pwrite(file, body.baseAddress! + 40, Int(count), off_t(offset))
        return written < 0 ? nil : Message(words: [UInt64(written)])
    }

    private func setAttributes(_ body: UnsafeRawBufferPointer) -> Message? {
        let isSize = body.load(as: UInt32.self) & 1 << 3 != 0  // FATTR_SIZE
        if isSize, ftruncate(file, off_t(body.load(fromByteOffset: 16, as: Int.self))) != 0 { return nil }
        return attributes()
    }

    /// struct fuse_attr_out, good for no time at all.
    private func attributes() -> Message? {
        var status = stat()
        guard fstat(file, &status) == 0 else { return nil }
        var message = Message(words: [0, 0, 1, UInt64(status.st_size), UInt64(status.st_blocks)])
        for time in [status.st_atim, status.st_mtim, status.st_ctim] { message.append(UInt64(time.tv_sec)) }
        for time in [status.st_atim, status.st_mtim, status.st_ctim] { message.append(UInt32(time.tv_nsec)) }
        for word in [status.st_mode, 1, status.st_uid, status.st_gid, 0, 4096, 0] { message.append(word) }
        return message
    }

    /// struct fuse_statfs_out.
    private func space() -> Message? {
        var status = statvfs()
        guard fstatvfs(file, &status) == 0 else { return nil }
        var message = Message(
            words: [
                UInt64(status.f_blocks), UInt64(status.f_bfree), UInt64(status.f_bavail), UInt64(status.f_files),
                UInt64(status.f_ffree),
            ])
        for word in [UInt32(status.f_bsize), UInt32(status.f_namemax), UInt32(status.f_frsize)] { message.append(word) }
        message.bytes += [UInt8](repeating: 0, count: 28)
        return message
    }
}

/// A message to the kernel as it grows, in the machine's byte order.
private struct Message {
    var bytes: [UInt8] = []

    init(words: [UInt64] = []) { for word in words { append(word) } }

    mutating func append(_ word: some FixedWidthInteger) { withUnsafeBytes(of: word) { bytes += $0 } }

    /// Fails for a request that was given up, which does not matter.
    func send(to device: Int32) { _ = Glibc.write(device, bytes, bytes.count) }
}
