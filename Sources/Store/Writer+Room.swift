import Glibc
import Links
import Primitives

/// Whether there is room for what is to be written, and what a commit that failed means.
extension Writer {
    /// Whether users' links may be written: the disk has room for a commit, and the map is not nearly full.
    func hasRoom(_ now: Instant) throws(LMDBError) -> Bool {
        if let fullSince, abs(now.millisecondsSince(fullSince)) < StoreLimits.fullnessRecheckMilliseconds {
            return false
        }
        let size = environment.size
        let margin = min(StoreLimits.reserveBytes, size.mapSizeBytes / 16)
        let hasDisk = try StoreFile.reserve(
            environment.descriptor, usedBytes: size.usedBytes,
            marginBytes: min(margin, size.mapSizeBytes - size.usedBytes))
        let hasMap = try mapHasRoom(size)
        fullSince = hasDisk && hasMap ? nil : now
        return fullSince == nil
    }

    private func mapHasRoom(_ size: Environment.Size) throws(LMDBError) -> Bool {
        let limitBytes = size.mapSizeBytes / 100 * StoreLimits.userShareOfMapPercent
        if size.usedBytes < limitBytes { return true }
        let free = try environment.beginRead().freePageCount()
        return (size.pages - free) * size.pageSizeBytes < limitBytes
    }

    /// A full map or disk, or a damaged page, aborts a transaction and leaves the store as it was. After any other
    /// failure, and after one of the header page, with which LMDB ends all writing, nobody can say what the disk holds:
    /// the next start will read it. LMDB calls a short write EIO, as the system calls a failed sync: the first is harmless
    /// and comes of a full disk alone.
    func endUnlessHarmless(_ error: LMDBError) {
        let harmless =
            error.isBeforeWriting || [ENOSPC, EDQUOT, EFBIG, EMFILE, ENFILE].contains(error.code)
            || (error.code == EIO && StoreFile.isDiskFull(environment.descriptor))
        guard harmless, (try? environment.beginWrite()) != nil else {
            settings.mustEnd("a commit to \(directory.storePath) failed (\(error)); its outcome is unknown")
        }
    }
}
