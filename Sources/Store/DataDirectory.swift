import Glibc

/// The directory of a store, held by one process at a time for as long as this value lives.
final class DataDirectory: Sendable {
    let path: String
    private let descriptor: Int32
    private static let (lockTries, lockPauseMicroseconds): (Int, UInt32) = (20, 5000)

    var storePath: String { path + "/" + StoreFile.name }
    var identityPath: String { path + "/identity" }

    /// Makes the directory (mode 0700) if there is none.
    init(_ path: String) throws(StoreError) {
        self.path = path
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .directory(path: path, reason: systemReason()) }
        let opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { throw .directory(path: path, reason: systemReason()) }
        // A child of its last holder that has not become another program yet may hold it for a moment.
        var tries = 1
        while flock(opened, LOCK_EX | LOCK_NB) != 0 {
            let (code, reason) = (errno, systemReason())
            if code == EWOULDBLOCK, tries < Self.lockTries {
                tries += 1
                usleep(Self.lockPauseMicroseconds)
                continue
            }
            close(opened)
            throw code == EWOULDBLOCK ? .inUse(directory: path) : .directory(path: path, reason: reason)
        }
        // Once it is set, `deinit` closes it, even if this threw.
        descriptor = opened
    }

    deinit { close(descriptor) }

    /// Makes a rename in the directory durable.
    func sync() throws(StoreError) {
        guard fsync(descriptor) == 0 else { throw .directory(path: path, reason: systemReason()) }
    }

    /// Makes the directory's own name durable: until its parent is synced, all that is in it may vanish with it.
    func syncName() throws(StoreError) {
        let parent = open(path + "/..", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard parent >= 0 else {
            // A parent may be passable and not readable.
            guard errno == EACCES else { throw .directory(path: path, reason: systemReason()) }
            return Glibc.sync()
        }
        defer { close(parent) }
        guard fsync(parent) == 0 else { throw .directory(path: path, reason: systemReason()) }
    }

    /// Replaces a file at once and for good: afterwards, and after a power loss, it holds the old bytes or the new.
    func replace(_ path: String, with bytes: [UInt8]) throws(LMDBError) {
        let temporary = path + ".new"
        let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw LMDBError(code: errno) }
        let written = write(file, bytes, bytes.count)
        let isWhole = written == bytes.count && fsync(file) == 0 && rename(temporary, path) == 0
        let code = written < 0 || written == bytes.count ? errno : ENOSPC
        close(file)
        guard isWhole, fsync(descriptor) == 0 else {
            let failure = isWhole ? errno : code
            unlink(temporary)
            throw LMDBError(code: failure)
        }
    }
}

/// The first bytes of a file, up to one more than `atMostBytes`, so that a larger one is seen; nil if there is none.
func readSmallFile(_ path: String, atMostBytes: Int) throws(StoreError) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    if file < 0 {
        if errno == ENOENT { return nil }
        throw .system(path: path, reason: systemReason())
    }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: atMostBytes + 1)
    let count = read(file, &bytes, bytes.count)
    guard count >= 0 else { throw .system(path: path, reason: systemReason()) }
    return Array(bytes[..<count])
}
