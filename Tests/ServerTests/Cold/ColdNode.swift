import Glibc
import Links
import Store
import Testing

@testable import lab

/// A store of many links on storage whose reads can be held, and nodes on it that leave lookups to reader threads. What a
/// node has not read since its start is not in memory.
final class ColdStore {
    let directory = TemporaryDirectory()
    /// In the order in which they were made; neighbours share a page.
    let codes: [String]
    let slow: SlowFile

    /// `prepare`: what a node on ordinary storage does first; `afterwards`: what is done to its directory then.
    init(
        links: Int = 5000, readMilliseconds: Double = 0, prepare: (RunningNode) throws -> Void = { _ in },
        afterwards: (String) throws -> Void = { _ in }
    ) throws {
        let data = directory.path + "/data"
        precondition(mkdir(data, 0o700) == 0)
        let issued = try BuiltStore(links, in: data).codes
        codes = (0..<links).map { place in
            var code: [UInt8] = []
            code.append(issued[place])
            return String(decoding: code, as: UTF8.self)
        }
        do {
            let node = try RunningNode(in: directory)
            try prepare(node)
            #expect(node.stop() == .exited(0))
        }
        try afterwards(data)
        slow = try SlowFile(data + "/data.mdb", readMilliseconds: readMilliseconds, readsAhead: false)
    }

    deinit { slow.end() }

    /// Codes that share no page of links with each other.
    func apart(_ count: Int) -> [String] { (0..<count).map { codes[$0 * 100] } }

    func node(_ flags: String..., limits: String? = nil) throws -> RunningNode {
        slow.forgetPages()
        return try RunningNode(["--admin_listen", "127.0.0.1:0"] + flags, in: directory, limits: limits)
    }
}
