import Glibc

/// How much memory this process may take, with the pages of its files, which are counted as its control group's.
///
/// The least of the machine's memory and of the limits of its control groups: a group's limit holds for all below it.
package enum MemoryLimit {
    private struct Hierarchy {
        /// Where a mount shows the hierarchy, and which group stands there.
        let mountPoint, root: String
        let limits: [String]
    }

    /// In bytes; nil if the system does not tell. `root`: in front of every path, for tests.
    package static func bytes(root: String = "", machineBytes: Int = machineBytes) -> Int? {
        guard machineBytes > 0 else { return nil }
        let mounts = text(root + "/proc/self/mountinfo")
        var least = machineBytes
        for line in text(root + "/proc/self/cgroup").split(separator: "\n") {
            // hierarchy:controllers:path (cgroups(7)); the second version's hierarchy is 0 and names none.
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let isSecond = fields[0] == "0" && fields[1].isEmpty
            guard isSecond || fields[1].split(separator: ",").contains("memory") else { continue }
            guard let hierarchy = hierarchy(isSecond: isSecond, mounts) else { continue }
            for directory in groups(String(fields[2]), hierarchy) {
                for name in hierarchy.limits {
                    guard let limit = Int(text(root + directory + "/" + name).trimmed) else { continue }
                    least = min(least, max(0, limit))
                }
            }
        }
        return least
    }

    /// Of the machine; not from /proc/meminfo, which a service may not see.
    package static let machineBytes = Int(sysconf(Int32(_SC_PHYS_PAGES))) * Int(sysconf(Int32(_SC_PAGESIZE)))

    /// The first mount that shows the memory controller's groups, or the groups of the second version (proc(5)):
    ///
    ///     36 35 98:0 ROOT MOUNTPOINT OPTIONS [TAGS…] - TYPE SOURCE SUPEROPTIONS
    private static func hierarchy(isSecond: Bool, _ mounts: String) -> Hierarchy? {
        for line in mounts.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 6, let dash = words[6...].firstIndex(of: "-"), words.count > dash + 3 else { continue }
            let type = words[dash + 1]
            if isSecond, type == "cgroup2" {
                return Hierarchy(
                    mountPoint: String(words[4]), root: String(words[3]), limits: ["memory.max", "memory.high"])
            }
            if !isSecond, type == "cgroup", words[dash + 3].split(separator: ",").contains("memory") {
                return Hierarchy(
                    mountPoint: String(words[4]), root: String(words[3]), limits: ["memory.limit_in_bytes"])
            }
        }
        return nil
    }

    /// The directories of a group and of those above it, as far as the mount shows them.
    private static func groups(_ path: String, _ hierarchy: Hierarchy) -> [String] {
        var below = path[...]
        if hierarchy.root != "/" {
            // A container sees its own group as the mount's root, and its path as the host does, or not at all.
            let isBelow = path == hierarchy.root || path.hasPrefix(hierarchy.root + "/")
            below = isBelow ? path.dropFirst(hierarchy.root.count) : ""
        }
        let names = below.split(separator: "/")
        return (0...names.count).map { ([hierarchy.mountPoint] + names[..<$0].map(String.init)).joined(separator: "/") }
    }

    /// What a file of the system says; nothing if it cannot be read.
    private static func text(_ path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 14)
        while bytes.count < 1 << 20, case let count = read(descriptor, &chunk, chunk.count), count > 0 {
            bytes += chunk[..<count]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension String {
    fileprivate var trimmed: String { split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
