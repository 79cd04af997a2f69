import Server
import Testing

@Suite struct MemoryTests {
    private static let mebibyte = 1 << 20

    /// Of 1000 MiB, 200 are the process's own: the store fits up to 600, and again from 480 down.
    @Test func fit() {
        var fit = MemoryFit()
        for (used, fits) in [
            (0, true), (599, true), (601, false), (599, false), (481, false), (479, true), (599, true),
        ] {
            fit.look(usedBytes: used << 20, memoryBytes: 1000 << 20, ownBytes: 200 << 20)
            #expect(fit.fits == fits, "\(used) MiB")
        }
        fit.look(usedBytes: 0, memoryBytes: nil, ownBytes: 0)
        #expect(!fit.fits, "nobody tells how much there is")
        fit.look(usedBytes: 4096, memoryBytes: 10 << 20, ownBytes: 200 << 20)
        #expect(!fit.fits, "the process alone is too much")
    }

    private static let v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
    private static let v1 = """
        30 24 0:26 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu
        31 24 0:27 / /sys/fs/cgroup/memory rw shared:10 - cgroup cgroup rw,memory
        32 24 0:28 / /sys/fs/cgroup/unified rw shared:11 - cgroup2 cgroup2 rw

        """

    private struct Case: CustomTestStringConvertible {
        let testDescription: String
        let groups, mounts: String
        var files: [String: String] = [:]
        /// In MiB.
        let limit: Int?
        var machine = 4000
    }

    private static let cases: [Case] = [
        Case(testDescription: "no groups", groups: "", mounts: "", limit: 4000),
        Case(testDescription: "nobody tells", groups: "", mounts: "", limit: nil, machine: 0),
        Case(
            testDescription: "second version, own limit", groups: "0::/a/b\n", mounts: v2,
            files: ["sys/fs/cgroup/a/b/memory.max": "104857600\n", "sys/fs/cgroup/a/memory.max": "max\n"], limit: 100),
        Case(
            testDescription: "second version, of one above", groups: "0::/a/b\n", mounts: v2,
            files: ["sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "52428800\n"], limit: 50),
        Case(
            testDescription: "second version, throttled", groups: "0::/a\n", mounts: v2,
            files: ["sys/fs/cgroup/a/memory.max": "104857600\n", "sys/fs/cgroup/a/memory.high": "52428800\n"], limit: 50
        ),
        Case(
            testDescription: "second version, a container's root", groups: "0::/\n", mounts: v2,
            files: ["sys/fs/cgroup/memory.max": "104857600\n"], limit: 100),
        Case(
            testDescription: "more than there is", groups: "0::/a\n", mounts: v2,
            files: ["sys/fs/cgroup/a/memory.max": "1099511627776\n"], limit: 4000),
        Case(
            testDescription: "first version", groups: "3:cpu:/x\n2:memory:/a/b\n0::/\n", mounts: v1,
            files: [
                "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "104857600\n",
            ], limit: 100),
        Case(
            testDescription: "first version, a container that sees its own group as root",
            groups: "2:memory:/docker/x\n",
            mounts: "31 24 0:27 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            files: ["sys/fs/cgroup/memory/memory.limit_in_bytes": "104857600\n"], limit: 100),
        Case(
            testDescription: "garbage", groups: "what\n0::\n", mounts: "what\n1 2 3\n\n- cgroup2\n", limit: 4000),
    ]

    @Test(arguments: cases) private func limit(_ given: Case) {
        let directory = TemporaryDirectory()
        var files = given.files
        files["proc/self/cgroup"] = given.groups
        files["proc/self/mountinfo"] = given.mounts
        for (name, text) in files {
            let parent = name.split(separator: "/").dropLast().joined(separator: "/")
            directory.makeDirectories(parent)
            _ = directory.write(text, to: name)
        }
        #expect(
            MemoryLimit.bytes(root: directory.path, machineBytes: given.machine << 20) == given.limit.map { $0 << 20 })
    }

    @Test func ofThisMachine() throws { #expect(try #require(MemoryLimit.bytes()) > 64 << 20) }
}
