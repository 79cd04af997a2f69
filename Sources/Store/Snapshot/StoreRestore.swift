import Glibc

/// Makes a data directory from a backup. It gets no file `identity`, so that the node that starts there begins a new
/// incarnation.
package struct StoreRestore {
    private let backup: DataDirectory
    private let target: DataDirectory
    package let recordCount: Int

    /// Looks the backup over, and throws if it is damaged or `data` is not empty.
    ///
    /// - problems: gets what does not hold, before the error is thrown.
    package init(
        backup path: String, data: String, problems: (StoreInspection) -> Void
    ) throws(SnapshotError) {
        guard access(path, F_OK) == 0 else { throw .store(.system(path: path, reason: systemReason())) }
        do throws(StoreError) {
            guard try StoreFile.inspect(path + "/" + StoreFile.name) == .present else {
                throw .system(path: path + "/" + StoreFile.name, reason: "no such file")
            }
            // A running node's file changes while it is read.
            backup = try DataDirectory(path)
            let inspection = try StoreInspection(directory: path)
            guard inspection.isSound else {
                problems(inspection)
                throw .damaged(path: backup.storePath, reason: "\(inspection.problemCount) problems")
            }
            recordCount = inspection.recordCount
        } catch {
            throw .store(error)
        }
        target = try PartialStore.take(data)
    }

    /// The copy appears in its directory, on the disk and whole.
    ///
    /// - progress: gets the bytes copied so far, and all.
    package consuming func run(progress: (_ done: Int, _ all: Int) -> Void) throws(SnapshotError) {
        do throws(SnapshotError) {
            do throws(StoreError) {
                try StoreFile.copyUsed(
                    from: backup.storePath, to: PartialStore.path(target) + "/" + StoreFile.name, progress: progress)
            } catch {
                throw .store(error)
            }
            try PartialStore.moveInPlace(target)
        } catch {
            PartialStore.clear(target)
            throw error
        }
    }
}
