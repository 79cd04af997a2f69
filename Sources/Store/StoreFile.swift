import CLinux
import Glibc

/// The file `data.mdb`: looked at before LMDB maps it, because LMDB makes a new store of an empty file and dies of
/// SIGBUS on a short one; and grown ahead of need, so that a full disk is noticed before a commit and not within.
enum StoreFile {
    static let name = "data.mdb"

    enum State: Equatable { case absent, present }

    /// LMDB 0.9's meta page, both of the two: a 16-byte page header, then magic, version, address, map size, two
    /// tables of 48 bytes (the first word of the first is the page size), last page, transaction id.
    private enum Meta {
        static let magic = 16, version = 20, pageSize = 40, lastPage = 136, transactionID = 144
        static let expectedMagic: UInt32 = 0xBEEF_C0DE
        static let expectedVersion: UInt32 = 1
        static let sizeBytes = 152
    }

    /// Whether there is a store that can be mapped; throws if there is something else.
    static func inspect(_ path: String) throws(StoreError) -> State {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 {
            if errno == ENOENT { return .absent }
            throw .system(path: path, reason: systemReason())
        }
        defer { close(descriptor) }
        _ = try usedBytes(descriptor, path)
        return .present
    }

    /// What the newest header speaks of; throws if the file is no store that can be mapped.
    static func usedBytes(_ descriptor: Int32, _ path: String) throws(StoreError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(path: path, reason: systemReason()) }
        let sizeBytes = Int(status.st_size)
        if sizeBytes == 0 { throw .empty(path: path) }
        var page = [UInt8](repeating: 0, count: Meta.sizeBytes)
        func word<Word: FixedWidthInteger>(_ offset: Int, as: Word.Type) -> Word {
            page.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Word.self) }
        }
        func read(at offset: Int) throws(StoreError) {
            guard pread(descriptor, &page, Meta.sizeBytes, off_t(offset)) == Meta.sizeBytes else {
                throw .truncated(path: path, neededBytes: offset + Meta.sizeBytes, actualBytes: sizeBytes)
            }
            guard word(Meta.magic, as: UInt32.self) == Meta.expectedMagic else {
                throw .foreign(path: path, reason: "no LMDB file")
            }
            guard word(Meta.version, as: UInt32.self) == Meta.expectedVersion else {
                throw .foreign(path: path, reason: "another version of LMDB")
            }
        }
        try read(at: 0)
        let pageSizeBytes = Int(word(Meta.pageSize, as: UInt32.self))
        guard (512...65_536).contains(pageSizeBytes), pageSizeBytes.nonzeroBitCount == 1 else {
            throw .foreign(path: path, reason: "page size \(pageSizeBytes)")
        }
        let first = (
            transactionID: word(Meta.transactionID, as: UInt64.self), lastPage: word(Meta.lastPage, as: Int.self)
        )
        try read(at: pageSizeBytes)
        let second = (
            transactionID: word(Meta.transactionID, as: UInt64.self), lastPage: word(Meta.lastPage, as: Int.self)
        )
        try checkNeighbours(first.transactionID, second.transactionID, path)
        let lastPage = second.transactionID > first.transactionID ? second.lastPage : first.lastPage
        let (neededBytes, overflow) = (lastPage &+ 1).multipliedReportingOverflow(by: pageSizeBytes)
        guard lastPage >= 1, !overflow else {
            throw .foreign(path: path, reason: "impossible size in its header")
        }
        guard sizeBytes >= neededBytes else {
            throw .truncated(path: path, neededBytes: neededBytes, actualBytes: sizeBytes)
        }
        return neededBytes
    }

    /// Transactions of even ids write the first meta page, those of odd ids the second. With a damaged id LMDB would
    /// take the older page for the newer one, and the last commit would be undone without a word.
    private static func checkNeighbours(_ first: UInt64, _ second: UInt64, _ path: String) throws(StoreError) {
        let isNew = first == 0 && second == 0
        guard isNew || first % 2 == 0 && second % 2 == 1 && (first &+ 1 == second || second &+ 1 == first) else {
            throw .damaged(path: path, reason: "its two header pages are not of neighbouring transactions")
        }
    }

    /// Grows the file so that `marginBytes` beyond `usedBytes` have their place on the disk; false if the disk is full.
    static func reserve(
        _ descriptor: Int32, usedBytes: Int, marginBytes: Int
    ) throws(LMDBError) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LMDBError(code: errno) }
        let present = Int(status.st_size)
        let needed = usedBytes + marginBytes
        if present >= needed { return true }
        // Ahead of need by an eighth, so that few commits pay for growth.
        let step = min(max(usedBytes / 8, 4 << 20), 256 << 20)
        for target in [needed + step, needed] {
            if fallocate(descriptor, 0, off_t(present), off_t(target - present)) == 0 { return true }
            switch errno {
            case ENOSPC, EDQUOT, EFBIG, EINTR: continue
            case EOPNOTSUPP, ENOSYS: return try extend(descriptor, to: target)
            default: throw LMDBError(code: errno)
            }
        }
        return false
    }

    /// The file is as long as its header says, also where the last pages were never written.
    static func cover(_ descriptor: Int32, usedBytes: Int) throws(LMDBError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LMDBError(code: errno) }
        if Int(status.st_size) >= usedBytes { return }
        guard ftruncate(descriptor, off_t(usedBytes)) == 0 else { throw LMDBError(code: errno) }
    }

    /// Copies the pages in use, as long as nobody writes the file, to a new file that is on the disk afterwards.
    static func copyUsed(
        from source: String, to target: String, progress: (_ done: Int, _ all: Int) -> Void
    ) throws(StoreError) {
        let from = open(source, O_RDONLY | O_CLOEXEC)
        guard from >= 0 else { throw .system(path: source, reason: systemReason()) }
        defer { close(from) }
        let all = try usedBytes(from, source)
        let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard to >= 0 else { throw .system(path: target, reason: systemReason()) }
        defer { close(to) }
        var block = [UInt8](repeating: 0, count: 1 << 20)
        var done = 0
        while done < all {
            let count = pread(from, &block, min(block.count, all - done), off_t(done))
            guard count > 0 else { throw .system(path: source, reason: count == 0 ? "cut short" : systemReason()) }
            var written = 0
            while written < count {
                let part = block.withUnsafeBytes { write(to, $0.baseAddress! + written, count - written) }
                guard part > 0 else { throw .system(path: target, reason: systemReason()) }
                written += part
            }
            done += count
            progress(done, all)
        }
        guard fsync(to) == 0 else { throw .system(path: target, reason: systemReason()) }
    }

    /// Not even a page's worth is left for this process.
    static func isDiskFull(_ descriptor: Int32) -> Bool {
        var status = statvfs()
        return fstatvfs(descriptor, &status) == 0 && Int(status.f_bavail) * Int(status.f_frsize) < 1 << 16
    }

    /// Where the file system cannot reserve: at least the file's length is ahead, so that no page lies beyond it.
    private static func extend(_ descriptor: Int32, to sizeBytes: Int) throws(LMDBError) -> Bool {
        guard ftruncate(descriptor, off_t(sizeBytes)) == 0 else { throw LMDBError(code: errno) }
        return true
    }
}

/// What `errno` says, in words.
func systemReason() -> String { String(cString: strerror(errno)) }
