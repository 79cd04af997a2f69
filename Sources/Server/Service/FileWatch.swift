import Glibc

/// By which a file that was written anew, or replaced, is known.
struct FileMark: Equatable, Sendable {
    private let device, inode: UInt64
    private let bytes, seconds, nanoseconds: Int

    /// Nil if there is no such file, or it cannot be looked at.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        (device, inode) = (UInt64(status.st_dev), UInt64(status.st_ino))
        (bytes, seconds, nanoseconds) = (Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
}

/// Notices that files have changed and stand still now: what belongs together is not written at once.
struct FileWatch {
    /// How often the files are looked at.
    static let lookMilliseconds: Int64 = 2000

    /// The files as they were taken, as they were refused, and as they were looked at last.
    private var taken: [FileMark?]
    private var refused: [FileMark?] = []
    private var seen: [FileMark?]
    private var lookedAt: Int64 = 0

    /// - Parameter marks: of the files as they were taken, made before that.
    init(_ marks: [FileMark?]) { (taken, seen) = (marks, marks) }

    /// The files' marks if they are to be read again; nil if not.
    mutating func changed(_ marks: () -> [FileMark?], now: Int64) -> [FileMark?]? {
        guard now - lookedAt >= Self.lookMilliseconds else { return nil }
        lookedAt = now
        let marks = marks()
        defer { seen = marks }
        return marks != taken && marks != refused && marks == seen ? marks : nil
    }

    mutating func take(_ marks: [FileMark?]) { (taken, refused, seen) = (marks, [], marks) }

    /// They are not read again until they change again.
    mutating func refuse(_ marks: [FileMark?]) { refused = marks }
}
