import Glibc

/// A control group whose processes have a bounded memory, with the pages of files that they read (cgroups(7), of the
/// first or the second version, whichever has the memory controller). Needs root.
package final class MemoryGroup {
    private let directory: String
    private let limitFile: String

    package init(limitBytes: Int) throws {
        guard let parent = Self.parent else {
            throw LabError("no bounded memory here: no memory controller is mounted")
        }
        directory = "\(parent.path)/edge-lab-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        limitFile = directory + "/" + parent.limitName
        guard mkdir(directory, 0o755) == 0 else {
            throw LabError("no bounded memory here: \(directory): \(String(cString: strerror(errno)))")
        }
        Interruption.note(.group(directory))
        try setLimit(limitBytes)
    }

    deinit {
        // Its processes have been waited for; the kernel takes a moment more to know.
        for _ in 0..<1000 where rmdir(directory) != 0 && errno == EBUSY { usleep(1000) }
        Interruption.forget(.group(directory))
    }

    package func setLimit(_ bytes: Int) throws { try writeTextFile(limitFile, "\(bytes)") }

    /// For a shell: what it becomes behind this is in the group.
    package var entrance: String { "echo $$ > '\(directory)/cgroup.procs'" }

    /// In front of a command: it is in the group.
    var entering: [String] { ["/bin/sh", "-c", entrance + "; exec \"$0\" \"$@\""] }

    private static var parent: (path: String, limitName: String)? {
        guard let mounts = try? readTextFile("/proc/self/mountinfo") else { return nil }
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            guard let dash = words.firstIndex(of: "-"), words.count > dash + 3 else { continue }
            if words[dash + 1] == "cgroup", words[dash + 3].split(separator: ",").contains("memory") {
                return (words[4], "memory.limit_in_bytes")
            }
            guard words[dash + 1] == "cgroup2",
                (try? readTextFile(words[4] + "/cgroup.controllers"))?.contains("memory") == true
            else { continue }
            try? writeTextFile(words[4] + "/cgroup.subtree_control", "+memory")
            return (words[4], "memory.max")
        }
        return nil
    }
}
