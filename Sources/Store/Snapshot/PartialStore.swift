import Glibc

/// A store while it is copied into a directory: it stands in a directory of its own there until it is whole, so that
/// what was cut short is never taken for a store.
enum PartialStore {
    static let name = "partial"

    static func path(_ directory: DataDirectory) -> String { directory.path + "/" + name }

    /// Takes a directory that is empty but for what an unfinished copy left, and makes room for another one.
    static func take(_ path: String) throws(SnapshotError) -> DataDirectory {
        let directory: DataDirectory
        do throws(StoreError) { directory = try DataDirectory(path) } catch { throw .store(error) }
        if let present = firstName(in: path) { throw .notEmpty(directory: path, name: present) }
        clear(directory)
        guard mkdir(self.path(directory), 0o700) == 0 else {
            throw .store(.directory(path: path, reason: systemReason()))
        }
        return directory
    }

    /// Whether a copy into the directory was begun and not finished.
    static func isThere(_ directory: DataDirectory) -> Bool { access(path(directory), F_OK) == 0 }

    static func clear(_ directory: DataDirectory) {
        for file in [StoreFile.name, "lock.mdb"] { unlink(path(directory) + "/" + file) }
        rmdir(path(directory))
    }

    /// The whole file gets its name, for good.
    static func moveInPlace(_ directory: DataDirectory) throws(SnapshotError) {
        guard rename(path(directory) + "/" + StoreFile.name, directory.storePath) == 0 else {
            throw .store(.system(path: directory.storePath, reason: systemReason()))
        }
        clear(directory)
        do throws(StoreError) {
            try directory.sync()
            try directory.syncName()
        } catch {
            throw .store(error)
        }
    }

    /// What stands in the directory besides an unfinished copy.
    private static func firstName(in path: String) -> String? {
        guard let stream = opendir(path) else { return nil }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let present = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if ![".", "..", name].contains(present) { return present }
        }
        return nil
    }
}
